import type { Clock } from '../lib/clock.ts'
import {
  callRestJson,
  invalidAnswer,
  member,
  objectMember,
  type RestJsonService,
} from './_rest-json.ts'
import type { CredentialProvider } from './credentials.ts'
import { checkedClusterName } from './eks-auth.ts'

/** A service account that an association is for. */
interface AssociatedServiceAccount {
  readonly namespace: string
  readonly serviceAccount: string
}

/** Reads a cluster's associations, at EKS or at a broker (EKS API, ListPodIdentityAssociations). */
export interface AssociationsClient {
  /** @throws ServiceFault; `ResourceNotFoundException` where the cluster does not exist */
  exists(
    clusterName: string,
    serviceAccount: { readonly namespace: string; readonly name: string },
  ): Promise<boolean>
  /** All of them, page by page. @throws ServiceFault */
  list(clusterName: string): Promise<readonly AssociatedServiceAccount[]>
}

const SERVICE_NAME = 'EKS'
const PAGE_SIZE = 100
/** An EKS cluster has 5,000 associations at most; a broker may have more. */
const MAX_PAGES = 1000
const MAX_ANSWER_BYTES = 1_000_000

/** Where EKS's wire is spoken, and with whose key. */
export interface AssociationsEndpoint {
  /** Base URL; see `serviceEndpoint`. */
  readonly endpoint: string
  readonly region: string
  readonly credentials: CredentialProvider
  readonly clock: Clock
  /** PEM of the authorities to trust in place of the public ones. */
  readonly ca?: string
  readonly userAgent?: string
  /** A proxy's URL; none by default, as for parts that run in a cluster. */
  readonly proxy?: string | undefined
}

export function createAssociationsClient(options: AssociationsEndpoint): AssociationsClient {
  const service = serviceOf(options)
  return {
    exists: async (clusterName, { namespace, name }) => {
      const filter = { namespace, serviceAccount: name }
      // A page may be empty and still be followed by another.
      for await (const page of pages(service, clusterName, filter)) {
        if (page.some((row) => row.namespace === namespace && row.serviceAccount === name)) {
          return true
        }
      }
      return false
    },
    list: async (clusterName) => (await Array.fromAsync(pages(service, clusterName, {}))).flat(),
  }
}

export function serviceOf(options: AssociationsEndpoint): RestJsonService {
  return {
    name: SERVICE_NAME,
    endpoint: options.endpoint,
    region: options.region,
    signingName: 'eks',
    authorization: { kind: 'sigv4', credentials: options.credentials },
    clock: options.clock,
    attemptTimeoutMs: 10_000,
    attempts: 3,
    maxAnswerBytes: MAX_ANSWER_BYTES,
    ca: options.ca,
    userAgent: options.userAgent,
    proxy: options.proxy,
  }
}

/** @throws ServiceFault; PodroleError for what is no cluster's name */
export const associationsPath = (clusterName: string): string =>
  `/clusters/${checkedClusterName(clusterName)}/pod-identity-associations`

async function* pages(
  service: RestJsonService,
  clusterName: string,
  filter: Readonly<Record<string, string>>,
): AsyncGenerator<readonly AssociatedServiceAccount[]> {
  for await (const rows of rowPages(service, clusterName, filter)) {
    yield rows.map(readServiceAccount)
  }
}

/** The rows of all pages as they are on the wire. @throws ServiceFault */
export async function* rowPages(
  service: RestJsonService,
  clusterName: string,
  filter: Readonly<Record<string, string>>,
): AsyncGenerator<readonly unknown[]> {
  const base = associationsPath(clusterName)
  let nextToken: string | undefined
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const query = Object.entries({
      ...filter,
      maxResults: String(PAGE_SIZE),
      ...(nextToken && { nextToken }),
    }).map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    const answer = await callRestJson(service, {
      method: 'GET',
      path: `${base}?${query.join('&')}`,
    })
    yield readRows(answer)
    const following = member(answer, 'nextToken')
    if (!following) return
    if (following === nextToken) throw invalidAnswer(SERVICE_NAME, 'repeats its nextToken')
    nextToken = following
  }
  throw invalidAnswer(SERVICE_NAME, `goes on after ${MAX_PAGES} pages`)
}

function readRows(answer: unknown): readonly unknown[] {
  const rows: unknown = objectMember(answer, 'associations')
  if (!Array.isArray(rows)) throw invalidAnswer(SERVICE_NAME, 'lacks the list associations')
  return rows
}

function readServiceAccount(row: unknown): AssociatedServiceAccount {
  const namespace = member(row, 'namespace')
  const serviceAccount = member(row, 'serviceAccount')
  if (namespace === undefined || serviceAccount === undefined) {
    throw invalidAnswer(SERVICE_NAME, 'has an association without namespace or serviceAccount')
  }
  return { namespace, serviceAccount }
}

import type { Clock } from '../lib/clock.ts'
import { PodroleError } from '../lib/errors.ts'
import { Secret } from '../lib/secret.ts'
import {
  type Authorization,
  callRestJson,
  invalidAnswer,
  member,
  objectMember,
  type RestJsonService,
} from './_rest-json.ts'
import { ServiceFault } from './service-fault.ts'

export { ServiceFault }

/** What AssumeRoleForPodIdentity gives. */
export interface PodIdentityCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: Secret
  readonly sessionToken: Secret
  readonly expirationMs: number
  /** `arn:aws:sts::1:assumed-role/NAME/SESSION` */
  readonly assumedRoleArn: string
  readonly associationId: string
  readonly associationArn: string
}

/** The one operation of EKS Auth (Amazon EKS API Reference, AssumeRoleForPodIdentity). */
export interface EksAuthClient {
  /**
   * Exchanges a pod's token for credentials of its association's role.
   * @throws ServiceFault the service's error code, or `ServiceUnreachable`, `ServiceTimeout`,
   *   `InvalidServiceAnswer`
   */
  assumeRoleForPodIdentity(request: {
    readonly clusterName: string
    readonly token: Secret
    readonly signal?: AbortSignal
  }): Promise<PodIdentityCredentials>
}

export interface EksAuthClientOptions {
  /** Base URL; see `serviceEndpoint`. */
  readonly endpoint: string
  readonly region: string
  /** EKS Auth takes SigV4; a broker also takes the agent's own token as Bearer. */
  readonly authorization: Authorization
  readonly clock: Clock
  /** Default 5,000. */
  readonly attemptTimeoutMs?: number
  /** Default 3; 1 never tries again. */
  readonly attempts?: number
  /** PEM of the authorities to trust in place of the public ones. */
  readonly ca?: string
}

const SERVICE_NAME = 'EKS Auth'
const MAX_ANSWER_BYTES = 64 * 1024
/** The API model's pattern of `clusterName`. */
const CLUSTER_NAME = /^[0-9A-Za-z][A-Za-z0-9\-_]{0,99}$/

/** A client of EKS Auth or of a broker. There is no official one for JavaScript. */
export function createEksAuthClient(options: EksAuthClientOptions): EksAuthClient {
  const service: RestJsonService = {
    name: SERVICE_NAME,
    endpoint: options.endpoint,
    region: options.region,
    signingName: 'eks-auth',
    authorization: options.authorization,
    clock: options.clock,
    attemptTimeoutMs: options.attemptTimeoutMs ?? 5000,
    attempts: options.attempts ?? 3,
    maxAnswerBytes: MAX_ANSWER_BYTES,
    ca: options.ca,
  }
  return {
    assumeRoleForPodIdentity: async ({ clusterName, token, signal }) => {
      const answer = await callRestJson(service, {
        method: 'POST',
        path: `/clusters/${checkedClusterName(clusterName)}/assume-role-for-pod-identity`,
        body: { token: token.reveal() },
        signal,
      })
      return readCredentials(answer)
    },
  }
}

/**
 * A cluster's name, safe in a path.
 * @throws PodroleError `InvalidClusterName`
 */
export function checkedClusterName(name: string): string {
  if (CLUSTER_NAME.test(name)) return name
  throw new PodroleError(
    'InvalidClusterName',
    `cluster name ${JSON.stringify(name.slice(0, 200))} is not one: wanted 1 to 100 letters, digits, - and _`,
  )
}

function readCredentials(answer: unknown): PodIdentityCredentials {
  const part = (parent: string, name: string): string => {
    const value = member(objectMember(answer, parent), name)
    if (value) return value
    throw invalidAnswer(SERVICE_NAME, `lacks ${parent}.${name}`)
  }
  // Epoch seconds, a fraction allowed; what no clock can show would be served as text.
  const expiration = objectMember(objectMember(answer, 'credentials'), 'expiration')
  if (typeof expiration !== 'number' || Number.isNaN(new Date(expiration * 1000).getTime())) {
    throw invalidAnswer(SERVICE_NAME, 'has no number credentials.expiration')
  }
  return {
    accessKeyId: part('credentials', 'accessKeyId'),
    secretAccessKey: new Secret(part('credentials', 'secretAccessKey')),
    sessionToken: new Secret(part('credentials', 'sessionToken')),
    expirationMs: expiration * 1000,
    assumedRoleArn: part('assumedRoleUser', 'arn'),
    associationId: part('podIdentityAssociation', 'associationId'),
    associationArn: part('podIdentityAssociation', 'associationArn'),
  }
}

/** A broker with a fake STS, and what its tests say to it. */
import { openSqlite } from '../associations/sqlite.ts'
import type { AssociationStore } from '../associations/store.ts'
import { ASSOCIATION_MIGRATIONS, createSqliteStore } from '../associations/store-sqlite.ts'
import { signRequest } from '../aws/sign.ts'
import { jwksOf } from '../issuer/documents.ts'
import { generateSigningKey, type SigningKey } from '../issuer/keys.ts'
import { signToken } from '../issuer/sign.ts'
import { ManualClock } from '../lib/clock.ts'
import type { Handler } from '../lib/handler.ts'
import { createLog } from '../lib/log.ts'
import { Secret } from '../lib/secret.ts'
import { brokerApp, type BrokerAppOptions } from './broker-app.ts'
import { createBrokerKey } from './keys.ts'
import {
  BROKER_MIGRATIONS,
  type BrokerKey,
  type BrokerStore,
  createBrokerStore,
  type KeyScope,
} from './store.ts'
import type { StsPort, StsSession, TargetRoleRequest, WebIdentityRequest } from './sts.ts'

export const REGION = 'eu-west-1'
export const FLEET = 'https://fleet.example/x'
export const ISSUER = 'https://kubernetes.default.svc.cluster.local'
export const BASE = 'http://broker.example'
export const ASK = '/clusters/edge/assume-role-for-pod-identity'
export const role = 'arn:aws:iam::111122223333:role/worker'
const client = { address: '10.0.0.1', port: 1 }

const keys = await Promise.all([1, 2, 3].map(() => generateSigningKey('ES256')))
export const [edgeKey, otherKey, fleetKey] = keys as [SigningKey, SigningKey, SigningKey]

/** An STS that gives out sessions, or throws what it is told. */
export class FakeSts implements StsPort {
  readonly calls: WebIdentityRequest[] = []
  readonly targets: TargetRoleRequest[] = []
  faults: Error[] = []

  assumeRoleWithWebIdentity(request: WebIdentityRequest): Promise<StsSession> {
    this.calls.push(request)
    return this.#answer(request.roleArn, request.sessionName)
  }

  assumeTargetRole(request: TargetRoleRequest): Promise<StsSession> {
    this.targets.push(request)
    return this.#answer(request.roleArn, request.sessionName)
  }

  async #answer(roleArn: string, sessionName: string): Promise<StsSession> {
    const fault = this.faults.shift()
    if (fault !== undefined) throw fault
    const name = roleArn.split('/').at(-1)
    return {
      accessKeyId: 'ASIAFAKE',
      secretAccessKey: new Secret('fake-secret-access-key'),
      sessionToken: new Secret('fake-session-token'),
      expiresAtMs: clock.now() + 3_600_000,
      assumedRoleArn: `arn:aws:sts::111122223333:assumed-role/${name}/${sessionName}`,
      assumedRoleId: `AROAFAKE:${sessionName}`,
    }
  }
}

export let clock: ManualClock
export let store: BrokerStore
export let sts: FakeSts
let associations: AssociationStore
let app: Handler
export let admin: BrokerKey
export let log: string

/** A handler over the state that is there. */
export function useOptions(options: Partial<BrokerAppOptions> = {}): void {
  app = brokerApp({
    store,
    associations,
    sts,
    issuer: FLEET,
    keys: { signing: () => fleetKey, published: () => [fleetKey] },
    place: { partition: 'aws', region: REGION, accountId: '111122223333' },
    clock,
    log: createLog('debug', { write: (line) => (log += line) }),
    ...options,
  })
}

/** The broker as a handler, for a server. */
export const handle: Handler = (request, from) => app(request, from)

/** A new broker that knows the clusters `edge` and `other`. */
export async function resetBroker(): Promise<void> {
  clock = new ManualClock(Date.UTC(2026, 0, 1))
  log = ''
  sts = new FakeSts()
  const database = await openSqlite(':memory:', [...ASSOCIATION_MIGRATIONS, ...BROKER_MIGRATIONS])
  store = createBrokerStore(database)
  associations = createSqliteStore(database)
  admin = await addKey({ kind: 'admin' })
  useOptions()
  await manage('PUT', '/podrole/v1/clusters/edge', { issuer: ISSUER, jwks: jwksOf([edgeKey]) })
  await manage('PUT', '/podrole/v1/clusters/other', { issuer: ISSUER, jwks: jwksOf([otherKey]) })
}

export async function addKey(scope: KeyScope): Promise<BrokerKey> {
  const key = createBrokerKey(scope, { nowMs: clock.now() })
  await store.addKey(key)
  return key
}

export interface Answer {
  readonly status: number
  readonly error: string | null
  // oxlint-disable-next-line typescript/no-explicit-any -- answers are compared with toMatchObject
  readonly body: any
}

export async function send(method: string, path: string, init: RequestInit = {}): Promise<Answer> {
  const response = await app(new Request(BASE + path, { ...init, method }), client)
  const text = await response.text()
  return {
    status: response.status,
    error: response.headers.get('x-amzn-errortype'),
    body: text.startsWith('{') ? JSON.parse(text) : text,
  }
}

export async function manage(
  method: string,
  path: string,
  body?: unknown,
  key: BrokerKey = admin,
): Promise<Answer> {
  return sign(method, path, { body, key, service: 'eks' })
}

export async function sign(
  method: string,
  path: string,
  call: { body?: unknown; key: BrokerKey; service: string; region?: string },
): Promise<Answer> {
  const text = call.body === undefined ? undefined : JSON.stringify(call.body)
  const headers = await signRequest(
    { method, url: BASE + path, headers: {}, ...(text !== undefined && { body: text }) },
    call.key,
    { service: call.service, region: call.region ?? REGION, clock },
  )
  return send(method, path, { headers, ...(text !== undefined && { body: text }) })
}

export const nowSeconds = (): number => Math.floor(clock.now() / 1000)

export interface TokenChange {
  readonly claims?: object
  readonly kubernetes?: object
  readonly key?: SigningKey
}

/** A token as the kubelet projects it. */
export async function podToken({
  claims,
  kubernetes,
  key = edgeKey,
}: TokenChange = {}): Promise<string> {
  const token = await signToken(key, {
    iss: ISSUER,
    sub: 'system:serviceaccount:shop:worker',
    aud: ['pods.eks.amazonaws.com'],
    iat: nowSeconds(),
    nbf: nowSeconds(),
    exp: nowSeconds() + 86_400,
    'kubernetes.io': {
      namespace: 'shop',
      serviceaccount: { name: 'worker', uid: 'sa-1' },
      pod: { name: 'worker-1', uid: 'pod-1' },
      node: { name: 'n1', uid: 'node-1' },
      ...kubernetes,
    },
    ...claims,
  })
  return token.reveal()
}

export function agentToken(node = 'n1', change: TokenChange = {}): Promise<string> {
  return podToken({
    ...change,
    claims: {
      sub: 'system:serviceaccount:podrole-system:podrole-agent',
      aud: ['podrole-broker'],
      ...change.claims,
    },
    kubernetes: {
      namespace: 'podrole-system',
      serviceaccount: { name: 'podrole-agent', uid: 'sa-2' },
      pod: { name: 'podrole-agent-x', uid: 'pod-2' },
      node: { name: node, uid: 'node' },
    },
  })
}

export async function ask(token: string, bearer?: string, path = ASK): Promise<Answer> {
  return send('POST', path, {
    headers: { authorization: `Bearer ${bearer ?? (await agentToken())}` },
    body: JSON.stringify({ token }),
  })
}

export async function associate(change: object = {}): Promise<string> {
  const { body } = await manage('POST', '/clusters/edge/pod-identity-associations', {
    namespace: 'shop',
    serviceAccount: 'worker',
    roleArn: role,
    ...change,
  })
  return body.association.associationId
}

export const stsFault = (name: string, status?: number): Error =>
  Object.assign(new Error('why STS refused'), {
    name,
    $metadata: status === undefined ? {} : { httpStatusCode: status },
  })

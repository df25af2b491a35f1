/** A sandbox AWS on loopback with an EKS cluster and the AWS SDK's clients, for its tests. */
import { EKSClient } from '@aws-sdk/client-eks'
import { IAMClient } from '@aws-sdk/client-iam'
import { S3Client } from '@aws-sdk/client-s3'
import { STSClient } from '@aws-sdk/client-sts'
import { signRequest } from '../../aws/sign.ts'
import { jwksOf } from '../../issuer/documents.ts'
import { issuerApp } from '../../issuer/issuer-app.ts'
import { generateSigningKey, type SigningKey } from '../../issuer/keys.ts'
import { signToken } from '../../issuer/sign.ts'
import { createCertificateAuthority } from '../../lib/certificates.ts'
import { ManualClock } from '../../lib/clock.ts'
import { createLog } from '../../lib/log.ts'
import { Secret } from '../../lib/secret.ts'
import { serveHttp, serveTls } from '../../lib/serve.ts'
import { createIssuerNames, type IssuerNameTable } from '../../issuer/outside/issuer-names.ts'
import { addBuiltInNames } from '../issuer-names.ts'
import { State } from '../state.ts'
import { type Aws, AWS_MAX_BODY_BYTES, createAws } from './aws.ts'
import { recordWire } from './wire-record.suite.ts'

export const ACCOUNT = '111122223333'
export const OTHER_ACCOUNT = '444455556666'
export const REGION = 'eu-central-1'
export const CLUSTER = 'blue'
export const EKS_ISSUER = `https://oidc.eks.${REGION}.amazonaws.com/id/AAAABBBBCCCCDDDD`
export const ISSUER = 'https://green.issuer.sandbox/clusters/green'

export interface Keys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

export interface Clients {
  readonly sts: STSClient
  readonly iam: IAMClient
  readonly s3: S3Client
  readonly eks: EKSClient
}

export interface AwsFixture {
  readonly aws: Aws
  /** What it keeps: for tests that need more of it than can be made by calls. */
  readonly state: State
  readonly endpoint: string
  readonly names: IssuerNameTable
  readonly clock: ManualClock
  readonly admin: Keys
  readonly otherAdmin: Keys
  /** Of the EKS cluster's issuer. */
  readonly eksKey: SigningKey
  /** Of `ISSUER`. */
  readonly key: SigningKey
  readonly logLines: readonly string[]
  clients(keys: Keys, region?: string): Clients
  /** A token of `ISSUER`, good for ten minutes. */
  token(claims?: Readonly<Record<string, unknown>>): Promise<string>
  /** A pod's token of the EKS cluster for EKS Pod Identity. */
  podToken(claims?: Readonly<Record<string, unknown>>): Promise<string>
  /** A request signed by hand. */
  call(request: HandSigned): Promise<Response>
  stop(): Promise<void>
}

export interface HandSigned {
  readonly keys: Keys
  readonly service: string
  readonly method?: string
  readonly path?: string
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Of the signature; the fixture's own by default. */
  readonly region?: string
  /** Signed as if it were so much later. */
  readonly shiftMs?: number
  /** Changes the request after it was signed. */
  readonly tamper?: (request: {
    url: string
    headers: Record<string, string>
    body: string | undefined
  }) => { url: string; headers: Record<string, string>; body: string | undefined }
}

export async function startAwsFixture(): Promise<AwsFixture> {
  const clock = new ManualClock(Date.now())
  const logLines: string[] = []
  const log = createLog('debug', { write: (line) => void logLines.push(line) })
  const authority = await createCertificateAuthority({ commonName: 'test sandbox', clock })
  const names = createIssuerNames()
  const state = new State()
  const aws = createAws({
    state,
    clock,
    log,
    accountIds: [ACCOUNT, OTHER_ACCOUNT],
    region: REGION,
    names,
    launchCluster: async (spec) =>
      runtimeOf(`https://oidc.eks.${REGION}.amazonaws.com/id/${spec.name}`, eksKey),
  })
  const http = serveHttp({
    hostname: '127.0.0.1',
    port: 0,
    handler: recordWire(aws.handler),
    maxBodyBytes: AWS_MAX_BODY_BYTES,
  })
  const hosts = [
    `s3.${REGION}.amazonaws.com`,
    `oidc.eks.${REGION}.amazonaws.com`,
    '*.issuer.sandbox',
  ]
  const tls = await serveTls({
    hostname: '127.0.0.1',
    port: 0,
    handler: aws.secureHandler,
    certificate: await authority.issue({ names: hosts }),
  })
  addBuiltInNames(names, { port: tls.port, ca: authority.cert })
  const eksKey = await generateSigningKey()
  const key = await generateSigningKey()
  aws.addCluster(
    { name: CLUSTER, region: REGION, accountId: ACCOUNT },
    runtimeOf(EKS_ISSUER, eksKey),
  )
  aws.addIssuer('green', issuerApp({ issuer: ISSUER, jwks: () => jwksOf([key]) }))
  const keysOf = (accountId: string): Keys => {
    const { accessKeyId, secretAccessKey } = aws.adminCredentials(accountId)
    return { accessKeyId, secretAccessKey: secretAccessKey.reveal() }
  }
  const opened: { destroy(): void }[] = []
  const sign = async (by: SigningKey, claims: Readonly<Record<string, unknown>>): Promise<string> =>
    (await signToken(by, claims)).reveal()
  const times = (): { iat: number; exp: number } => {
    const now = Math.floor(clock.now() / 1000)
    return { iat: now, exp: now + 600 }
  }
  return {
    aws,
    state,
    endpoint: http.url,
    names,
    clock,
    admin: keysOf(ACCOUNT),
    otherAdmin: keysOf(OTHER_ACCOUNT),
    eksKey,
    key,
    logLines,
    clients: (credentials, region = REGION) => {
      const config = { endpoint: http.url, region, credentials, maxAttempts: 1 }
      const clients = {
        sts: new STSClient(config),
        iam: new IAMClient(config),
        s3: new S3Client({ ...config, forcePathStyle: true }),
        eks: new EKSClient(config),
      }
      opened.push(...Object.values(clients))
      return clients
    },
    token: (claims = {}) =>
      sign(key, {
        iss: ISSUER,
        aud: ['sts.amazonaws.com'],
        sub: 'system:serviceaccount:apps:web',
        ...times(),
        ...claims,
      }),
    podToken: (claims = {}) =>
      sign(eksKey, {
        iss: EKS_ISSUER,
        aud: ['pods.eks.amazonaws.com'],
        sub: 'system:serviceaccount:apps:web',
        'kubernetes.io': {
          namespace: 'apps',
          pod: { name: 'web-5f6d8c-x2x7q', uid: '6f1a-uid' },
          serviceaccount: { name: 'web', uid: 'sa-uid' },
          node: { name: 'node-1', uid: 'node-uid' },
        },
        ...times(),
        ...claims,
      }),
    call: (request) => callByHand(http.url, clock, request),
    stop: async () => {
      for (const client of opened) client.destroy()
      await http.stop(200)
      await tls.stop(200)
    },
  }
}

/** An EKS cluster that runs, whose tokens that key signs. */
export function runtimeOf(issuer: string, key: SigningKey): Parameters<Aws['addCluster']>[1] {
  const jwks = (): ReturnType<typeof jwksOf> => jwksOf([key])
  return {
    issuer,
    server: 'https://127.0.0.1:6443',
    certificateAuthority: '-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n',
    jwks,
    issuerApp: issuerApp({ issuer, jwks }),
  }
}

async function callByHand(
  endpoint: string,
  clock: ManualClock,
  request: HandSigned,
): Promise<Response> {
  const { keys, service, method = 'POST', path = '/', body } = request
  const url = endpoint + path
  const type = service === 'sts' || service === 'iam' ? 'x-www-form-urlencoded' : 'json'
  const headers = { 'content-type': `application/${type}`, ...request.headers }
  const shifted = { now: () => clock.now() + (request.shiftMs ?? 0) }
  const signed = await signRequest(
    { method, url, headers, ...(body !== undefined && { body }) },
    {
      accessKeyId: keys.accessKeyId,
      secretAccessKey: new Secret(keys.secretAccessKey),
      ...(keys.sessionToken !== undefined && { sessionToken: new Secret(keys.sessionToken) }),
    },
    { service, region: request.region ?? REGION, clock: shifted },
  )
  const made = { url, headers: signed, body }
  const sent = request.tamper?.(made) ?? made
  return fetch(sent.url, {
    method,
    headers: sent.headers,
    ...(sent.body !== undefined && { body: sent.body }),
    proxy: false,
    redirect: 'error',
    signal: AbortSignal.timeout(10_000),
  })
}

/** The `name` (the wire's code) and HTTP status of the SDK error that a promise ends with. */
export async function refusalOf(
  promise: Promise<unknown>,
): Promise<{ code: string; status: number | undefined; message: string }> {
  try {
    await promise
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const metadata = Reflect.get(error, '$metadata') as { httpStatusCode?: number } | undefined
    const code: unknown = Reflect.get(error, 'Code') ?? Reflect.get(error, 'code')
    return {
      code: error.name === 'Error' && typeof code === 'string' ? code : error.name,
      status: metadata?.httpStatusCode,
      message: error.message,
    }
  }
  throw new Error('the call was not refused')
}

/** A trust policy of one statement. */
export const trustOf = (
  principal: unknown,
  actions: string | readonly string[],
  condition?: unknown,
): string =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: principal,
        Action: actions,
        ...(condition !== undefined && { Condition: condition }),
      },
    ],
  })

/** A permission policy of one statement. */
export const allowOf = (action: unknown, resource: unknown = '*'): string =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: action, Resource: resource }],
  })

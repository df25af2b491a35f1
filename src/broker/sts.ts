/** STS as the broker calls it: no key of AWS anywhere, only the tokens that the fleet issuer signs. */
import type * as Sdk from '@aws-sdk/client-sts'
import type { AssumeRoleCommandInput, Credentials, STSClient } from '@aws-sdk/client-sts'
import { messageOf } from '../lib/errors.ts'
import { Secret } from '../lib/secret.ts'
import { EksFault, type EksErrorName } from './eks-wire.ts'

/** A session that STS opened. */
export interface StsSession {
  readonly accessKeyId: string
  readonly secretAccessKey: Secret
  readonly sessionToken: Secret
  readonly expiresAtMs: number
  /** `arn:PARTITION:sts::ACCOUNT:assumed-role/ROLE/SESSION` */
  readonly assumedRoleArn: string
  /** `AROA…:SESSION` */
  readonly assumedRoleId: string
}

export interface WebIdentityRequest {
  readonly roleArn: string
  readonly sessionName: string
  readonly token: Secret
  readonly durationSeconds: number
  /** Session policy, JSON text. */
  readonly policy?: string
  readonly signal?: AbortSignal
}

export interface TargetRoleRequest {
  /** The session that assumes it. */
  readonly session: StsSession
  readonly roleArn: string
  readonly sessionName: string
  readonly durationSeconds: number
  readonly externalId?: string
  /** Session policy, JSON text. */
  readonly policy?: string
  readonly signal?: AbortSignal
}

/** The two calls that the broker makes. Faults are `StsFault`s. */
export interface StsPort {
  assumeRoleWithWebIdentity(request: WebIdentityRequest): Promise<StsSession>
  assumeTargetRole(request: TargetRoleRequest): Promise<StsSession>
}

/** What STS answered instead of a session; `name` is the wire's error code. */
export interface StsRefusal {
  readonly name: string
  readonly message: string
  /** HTTP status; undefined where there was no answer. */
  readonly status: number | undefined
}

/** @throws never; reads what the SDK threw */
export function readStsRefusal(thrown: unknown): StsRefusal {
  const name = thrown instanceof Error ? thrown.name : 'Unknown'
  const metadata: unknown =
    typeof thrown === 'object' && thrown !== null ? Reflect.get(thrown, '$metadata') : undefined
  const status: unknown =
    typeof metadata === 'object' && metadata !== null
      ? Reflect.get(metadata, 'httpStatusCode')
      : undefined
  return {
    name,
    message: messageOf(thrown).slice(0, 1000),
    status: typeof status === 'number' ? status : undefined,
  }
}

const NAMES: Readonly<Record<string, EksErrorName>> = {
  AccessDenied: 'AccessDeniedException',
  AccessDeniedException: 'AccessDeniedException',
  IDPRejectedClaim: 'AccessDeniedException',
  IDPRejectedClaimException: 'AccessDeniedException',
  Throttling: 'ThrottlingException',
  ThrottlingException: 'ThrottlingException',
  RequestLimitExceeded: 'ThrottlingException',
  TooManyRequestsException: 'ThrottlingException',
  IDPCommunicationError: 'ServiceUnavailableException',
  IDPCommunicationErrorException: 'ServiceUnavailableException',
  // The fleet token was signed a moment ago: the clocks differ, the pod's token is good.
  ExpiredToken: 'InternalServerException',
  ExpiredTokenException: 'InternalServerException',
}

/**
 * An EKS Auth fault for what STS answered, with STS' own reason in its message. InvalidIdentityToken
 * is not the pod's token: it is the fleet issuer or its provider, and STS uses it for passing
 * troubles as well; agents keep what they have on InvalidRequestException.
 */
export function eksFaultOfSts(thrown: unknown, action: string, roleArn: string): EksFault {
  if (thrown instanceof EksFault) return thrown
  const { name, message, status } = readStsRefusal(thrown)
  if (status === undefined || status >= 500) {
    return new EksFault(
      'ServiceUnavailableException',
      `STS did not answer ${action} for ${roleArn}: ${name}`,
      { cause: thrown },
    )
  }
  return new EksFault(
    NAMES[name] ?? 'InvalidRequestException',
    `STS refused ${action} for ${roleArn}: ${name}: ${message}`,
    { cause: thrown },
  )
}

/** True for a refusal that a shorter duration may heal; STS has no code of its own for it. */
export function mayBeDuration(thrown: unknown): boolean {
  return readStsRefusal(thrown).name.startsWith('ValidationError')
}

export interface StsOptions {
  readonly region: string
  /** For STS elsewhere than in AWS's region. */
  readonly endpoint?: string
  /** Milliseconds that one attempt may take. */
  readonly requestTimeoutMs?: number
}

/** STS through the AWS SDK, which is loaded at the first call. */
export function createSts(options: StsOptions): StsPort {
  let loading: Promise<LoadedSts> | undefined
  const load = (): Promise<LoadedSts> => {
    loading ??= loadSts(options)
    return loading
  }
  return {
    assumeRoleWithWebIdentity: async (request) => {
      const { sdk, client } = await load()
      const answer = await client.send(
        new sdk.AssumeRoleWithWebIdentityCommand({
          RoleArn: request.roleArn,
          RoleSessionName: request.sessionName,
          WebIdentityToken: request.token.reveal(),
          DurationSeconds: request.durationSeconds,
          ...(request.policy !== undefined && { Policy: request.policy }),
        }),
        abortable(request.signal),
      )
      return sessionOf(answer)
    },
    assumeTargetRole: async (request) => {
      const { sdk, clientFor } = await load()
      const input: AssumeRoleCommandInput = {
        RoleArn: request.roleArn,
        RoleSessionName: request.sessionName,
        DurationSeconds: request.durationSeconds,
        ...(request.externalId !== undefined && { ExternalId: request.externalId }),
        ...(request.policy !== undefined && { Policy: request.policy }),
      }
      const client = clientFor(request.session)
      try {
        return sessionOf(
          await client.send(new sdk.AssumeRoleCommand(input), abortable(request.signal)),
        )
      } finally {
        client.destroy()
      }
    },
  }
}

interface LoadedSts {
  readonly sdk: typeof Sdk
  readonly client: STSClient
  readonly clientFor: (session: StsSession) => STSClient
}

async function loadSts(options: StsOptions): Promise<LoadedSts> {
  const sdk = await import('@aws-sdk/client-sts')
  const requestTimeout = options.requestTimeoutMs ?? 3000
  const config = {
    region: options.region,
    ...(options.endpoint !== undefined && { endpoint: options.endpoint }),
    maxAttempts: 2,
    // Without throwOnRequestTimeout the SDK only warns and goes on waiting.
    requestHandler: { requestTimeout, connectionTimeout: 2000, throwOnRequestTimeout: true },
  }
  return {
    sdk,
    // The web identity call is not signed; keys of the environment are never looked for.
    client: new sdk.STSClient({ ...config, credentials: noCredentials }),
    clientFor: (session) =>
      new sdk.STSClient({
        ...config,
        credentials: {
          accessKeyId: session.accessKeyId,
          secretAccessKey: session.secretAccessKey.reveal(),
          sessionToken: session.sessionToken.reveal(),
        },
      }),
  }
}

const noCredentials = (): Promise<never> =>
  Promise.reject(new Error('the broker holds no key of AWS'))

const abortable = (signal: AbortSignal | undefined): { abortSignal?: AbortSignal } =>
  signal === undefined ? {} : { abortSignal: signal }

function sessionOf(answer: {
  readonly Credentials?: Credentials | undefined
  readonly AssumedRoleUser?:
    | { Arn?: string | undefined; AssumedRoleId?: string | undefined }
    | undefined
}): StsSession {
  const { Credentials: credentials, AssumedRoleUser: user } = answer
  const { AccessKeyId, SecretAccessKey, SessionToken, Expiration } = credentials ?? {}
  if (!AccessKeyId || !SecretAccessKey || !SessionToken || !Expiration || !user?.Arn) {
    throw new EksFault('InternalServerException', 'STS answered without complete credentials')
  }
  return {
    accessKeyId: AccessKeyId,
    secretAccessKey: new Secret(SecretAccessKey),
    sessionToken: new Secret(SessionToken),
    expiresAtMs: Expiration.getTime(),
    assumedRoleArn: user.Arn,
    assumedRoleId: user.AssumedRoleId ?? '',
  }
}

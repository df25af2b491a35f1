import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../lib/clock.ts'
import { codeOf, messageOf, PodroleError } from '../lib/errors.ts'
import { faultFields, type Log } from '../lib/log.ts'
import { Secret } from '../lib/secret.ts'
import type { Environment } from './endpoints.ts'
import { instanceCredentials } from './_instance-metadata.ts'
import { readProfile } from './_profile.ts'

/** An AWS key pair, with a session token where it is temporary. */
export interface AwsCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: Secret
  readonly sessionToken?: Secret
  /** Undefined where they do not expire, or nobody says when. */
  readonly expirationMs?: number
}

/** Gives credentials that are good now; asked before every call. */
export type CredentialProvider = () => Promise<AwsCredentials>

/** A link of the chain: credentials, or why there are none. */
type CredentialSource = () => Promise<AwsCredentials | string>

const DEFAULT_IMDS = { IPv4: 'http://169.254.169.254', IPv6: 'http://[fd00:ec2::254]' } as const
const REFRESH_BEFORE_MS = 5 * 60_000
/** The metadata service may hand out credentials near their end; it is not asked at every call then. */
const MIN_AGE_MS = 10_000
const MAX_PROFILE_BYTES = 1_000_000

/**
 * The credentials of the machine that podrole runs on, in the AWS SDKs' order: AWS_ACCESS_KEY_ID and
 * AWS_SECRET_ACCESS_KEY; static keys of the profile in AWS_SHARED_CREDENTIALS_FILE (or
 * `$HOME/.aws/credentials`; read again when the file changes); the instance metadata service,
 * version 2, unless AWS_EC2_METADATA_DISABLED. Temporary ones are kept until 5 minutes before they
 * expire, and longer while the metadata service does not answer.
 * @throws PodroleError `NoAwsCredentials`, from the provider, naming what was tried
 */
export function nodeCredentials(options: {
  readonly environment: Environment
  readonly clock: Clock
  readonly log: Log
  /** Default AWS_EC2_METADATA_SERVICE_ENDPOINT, then the link-local address. */
  readonly imdsEndpoint?: string
}): CredentialProvider {
  const { environment } = options
  const sources: CredentialSource[] = [
    () => Promise.resolve(environmentCredentials(environment)),
    profileSource(environment),
    cached(metadataSource(environment, options.imdsEndpoint), options),
  ]
  return async () => {
    const tried: string[] = []
    for (const source of sources) {
      const found = await source()
      if (typeof found !== 'string') return found
      tried.push(found)
    }
    throw new PodroleError('NoAwsCredentials', `no AWS credentials: ${tried.join('; ')}`, {
      hint: 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run where a profile or an instance role is.',
    })
  }
}

function environmentCredentials(environment: Environment): AwsCredentials | string {
  const accessKeyId = environment['AWS_ACCESS_KEY_ID']
  const secretAccessKey = environment['AWS_SECRET_ACCESS_KEY']
  if (!accessKeyId || !secretAccessKey) {
    const missing = accessKeyId ? 'AWS_SECRET_ACCESS_KEY' : 'AWS_ACCESS_KEY_ID'
    return `${missing} is not set`
  }
  const sessionToken = environment['AWS_SESSION_TOKEN']
  const expirationMs = Date.parse(environment['AWS_CREDENTIAL_EXPIRATION'] ?? '')
  return {
    accessKeyId,
    secretAccessKey: new Secret(secretAccessKey),
    ...(sessionToken && { sessionToken: new Secret(sessionToken) }),
    ...(!Number.isNaN(expirationMs) && { expirationMs }),
  }
}

function profileSource(environment: Environment): CredentialSource {
  const home = environment['HOME']
  const file =
    environment['AWS_SHARED_CREDENTIALS_FILE'] || (home && join(home, '.aws', 'credentials'))
  const profile = environment['AWS_PROFILE'] || 'default'
  let read: { readonly version: string; readonly result: AwsCredentials | string } | undefined
  return () => {
    if (!file) return Promise.resolve('AWS_SHARED_CREDENTIALS_FILE is not set')
    try {
      const { mtimeNs, size, ino } = statSync(file, { bigint: true })
      const version = `${mtimeNs} ${size} ${ino}`
      if (read?.version !== version) {
        const result =
          size > MAX_PROFILE_BYTES
            ? `${file} is larger than ${MAX_PROFILE_BYTES} bytes`
            : readProfile(readFileSync(file, 'utf8'), profile, file)
        read = { version, result }
      }
      return Promise.resolve(read.result)
    } catch (error) {
      return Promise.resolve(`${file} cannot be read (${codeOf(error) ?? messageOf(error)})`)
    }
  }
}

function metadataSource(environment: Environment, endpoint: string | undefined): CredentialSource {
  if (environment['AWS_EC2_METADATA_DISABLED']?.toLowerCase() === 'true') {
    return () => Promise.resolve('AWS_EC2_METADATA_DISABLED is set')
  }
  const mode = environment['AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE']
  const base =
    endpoint ||
    environment['AWS_EC2_METADATA_SERVICE_ENDPOINT'] ||
    DEFAULT_IMDS[mode?.toLowerCase() === 'ipv6' ? 'IPv6' : 'IPv4']
  return () => instanceCredentials(base.replace(/\/+$/, ''))
}

/** One call at a time, and none while the last answer is fresh. */
function cached(
  source: CredentialSource,
  options: { readonly clock: Clock; readonly log: Log },
): CredentialSource {
  const { clock, log } = options
  let last: { readonly credentials: AwsCredentials; readonly refreshAtMs: number } | undefined
  let underWay: Promise<AwsCredentials | string> | undefined
  const refresh = async (): Promise<AwsCredentials | string> => {
    const found = await source()
    const now = clock.now()
    if (typeof found !== 'string') {
      const end = (found.expirationMs ?? Number.POSITIVE_INFINITY) - REFRESH_BEFORE_MS
      last = { credentials: found, refreshAtMs: Math.max(end, now + MIN_AGE_MS) }
      return found
    }
    const kept = last?.credentials
    if (kept === undefined || (kept.expirationMs ?? 0) <= now) return found
    log.warn('AWS credentials could not be refreshed; the last ones are kept', { reason: found })
    last = { credentials: kept, refreshAtMs: now + MIN_AGE_MS }
    return kept
  }
  return async () => {
    const now = clock.now()
    const expired = (last?.credentials.expirationMs ?? Number.POSITIVE_INFINITY) <= now
    if (last !== undefined && now < last.refreshAtMs && !expired) return last.credentials
    underWay ??= refresh().finally(() => {
      underWay = undefined
    })
    try {
      return await underWay
    } catch (error) {
      log.warn('AWS credentials could not be read', faultFields(error))
      return messageOf(error)
    }
  }
}

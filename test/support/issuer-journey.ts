/** A sandbox that runs as typed, and `podrole issuer` beside it. */
import {
  CreateOpenIDConnectProviderCommand,
  CreateRoleCommand,
  IAMClient,
} from '@aws-sdk/client-iam'
import { GetObjectCommand, ListBucketsCommand, S3Client } from '@aws-sdk/client-s3'
import { AssumeRoleWithWebIdentityCommand, STSClient } from '@aws-sdk/client-sts'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { signRequest } from '../../src/aws/sign.ts'
import { irsaTrust } from '../../src/iam/trust.ts'
import type { SigningKey } from '../../src/issuer/keys.ts'
import { signToken } from '../../src/issuer/sign.ts'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { Secret } from '../../src/lib/secret.ts'
import type { MovedClock } from './moved-clock.ts'
import { runCommand } from './run-command.ts'

export const PODROLE = join(import.meta.dir, '..', '..', 'bin', 'podrole')

/** What `podrole issuer …` prints in a folder, for which it needs nothing of this machine's user. */
export async function issuerIn(folder: string, ...words: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await runCommand([PODROLE, 'issuer', ...words], {
    cwd: folder,
    env: { PATH: process.env['PATH'] ?? '', HOME: folder },
  })
  if (exitCode !== 0) throw new Error(stderr)
  return stdout
}

export interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

export interface AwsConfig {
  readonly region: string
  readonly endpoint: string
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }
}

export interface IssuerJourney {
  /** What the sandbox gives its commands. */
  readonly environment: Readonly<Record<string, string>>
  /** The path of a file in the journey's own folder, where every command runs. */
  at(name: string): string
  run(command: readonly string[], more?: Readonly<Record<string, string>>): Promise<Ran>
  /** `podrole issuer …` */
  issuer(...words: string[]): Promise<Ran>
  /** What it prints as JSON; it must not fail. */
  read<T = Record<string, unknown>>(...words: string[]): Promise<T>
  awsConfig(region?: string): AwsConfig
  s3(region?: string): S3Client
  buckets(): Promise<string[]>
  /** Undefined where there is no such object, or no such bucket. */
  objectText(bucket: string, key: string, region?: string): Promise<string | undefined>
  /**
   * Exchanges a token of that issuer at STS for a role's session, whose ARN is the answer; provider
   * and role are made once.
   */
  exchange(issuer: string, key: SigningKey): Promise<string>
  /** Orders faults of the sandbox's AWS, in place of those before. */
  orderFaults(faults: readonly string[]): Promise<void>
  stop(): Promise<void>
}

/**
 * Starts the sandbox, with `words` more on its command line, and makes `one.key` (RSA), `two.key`
 * (EC), `three.key` (RSA), each with its `.pub`.
 * @param clock of the sandbox and of every command; the machine's if left out
 */
export async function startIssuerJourney(
  words: readonly string[] = [],
  clock?: MovedClock,
): Promise<IssuerJourney> {
  const folder = mkdtempSync(join(tmpdir(), 'podrole-issuer-'))
  const at = (name: string): string => join(folder, name)
  const { sandbox, environment } = await startSandbox(at('ready.json'), words, clock)
  const run: IssuerJourney['run'] = async (command, more = {}) => {
    const child = Bun.spawn([...command], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'] ?? '', HOME: folder, ...environment, ...more },
    })
    const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()])
    return { code: await child.exited, out, err }
  }
  const issuer = (...words: string[]): Promise<Ran> => run([PODROLE, 'issuer', ...words])
  const awsConfig = (region = 'us-east-1'): AwsConfig => ({
    region,
    endpoint: environment['AWS_ENDPOINT_URL'] ?? '',
    credentials: {
      accessKeyId: environment['AWS_ACCESS_KEY_ID'] ?? '',
      secretAccessKey: environment['AWS_SECRET_ACCESS_KEY'] ?? '',
    },
  })
  const s3 = (region?: string): S3Client =>
    new S3Client({ ...awsConfig(region), forcePathStyle: true })
  await makePairs(issuer)
  return {
    environment,
    at,
    run,
    issuer,
    read: async <T>(...words: string[]) => {
      const { code, out, err } = await issuer(...words, '-o', 'json')
      if (code !== 0) throw new Error(`podrole issuer ${words.join(' ')}: ${code}\n${err}`)
      return JSON.parse(out) as T
    },
    awsConfig,
    s3,
    buckets: async () => {
      const { Buckets = [] } = await s3().send(new ListBucketsCommand({}))
      return Buckets.map(({ Name }) => Name ?? '')
    },
    objectText: async (Bucket, Key, region) => {
      try {
        const { Body } = await s3(region).send(new GetObjectCommand({ Bucket, Key }))
        return await Body?.transformToString()
      } catch (error) {
        if (error instanceof Error && error.name.startsWith('NoSuch')) return undefined
        throw error
      }
    },
    exchange: (url, key) => exchange(awsConfig(), url, key),
    orderFaults: (faults) => orderFaults(awsConfig(), faults, clock),
    stop: async () => {
      sandbox.kill('SIGTERM')
      await sandbox.exited
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function startSandbox(
  readyFile: string,
  words: readonly string[],
  clock: MovedClock | undefined,
): Promise<{ sandbox: Bun.Subprocess; environment: Readonly<Record<string, string>> }> {
  const sandbox = Bun.spawn(
    [PODROLE, 'sandbox', '--port', '0', '--ready-file', readyFile, ...words],
    { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, ...clock?.environment } },
  )
  while (!existsSync(readyFile)) await Bun.sleep(30)
  const access = JSON.parse(readFileSync(readyFile, 'utf8')) as Record<string, string>
  return { sandbox, environment: { ...access, ...clock?.environment } }
}

async function orderFaults(
  { endpoint, credentials: { accessKeyId, secretAccessKey } }: AwsConfig,
  faults: readonly string[],
  clock: Clock = systemClock,
): Promise<void> {
  const url = `${endpoint}/_podrole/faults`
  const body = JSON.stringify({ faults })
  const headers = await signRequest(
    { method: 'PUT', url, headers: { 'content-type': 'application/json' }, body },
    { accessKeyId, secretAccessKey: new Secret(secretAccessKey) },
    { service: 'podrole', region: 'us-east-1', clock },
  )
  const signal = AbortSignal.timeout(10_000)
  const { status } = await fetch(url, { method: 'PUT', headers, body, proxy: false, signal })
  if (status !== 200) throw new Error(`faults: HTTP ${status}`)
}

async function makePairs(issuer: IssuerJourney['issuer']): Promise<void> {
  const kinds = { one: 'rsa-2048', two: 'p-256', three: 'rsa-3072' }
  for (const [name, kind] of Object.entries(kinds)) {
    const files = ['--private-key-file', `${name}.key`, '--public-key-file', `${name}.pub`]
    const { code, err } = await issuer('keys', '--generate', kind, ...files)
    if (code !== 0) throw new Error(err)
  }
}

async function exchange(config: AwsConfig, url: string, key: SigningKey): Promise<string> {
  const iam = new IAMClient(config)
  const ignore = (error: unknown): void => {
    if (!(error instanceof Error) || !error.name.startsWith('EntityAlreadyExists')) throw error
  }
  const [name, namespace, accountId] = ['my-serviceaccount', 'default', '111122223333']
  const RoleName = `reader-${url.replaceAll(/[^a-z0-9]/g, '').slice(-40)}`
  const trust = irsaTrust({
    partition: 'aws',
    accountId,
    issuer: url,
    subjects: [{ namespace, name }],
  })
  const AssumeRolePolicyDocument = JSON.stringify(trust)
  await iam
    .send(new CreateOpenIDConnectProviderCommand({ Url: url, ClientIDList: ['sts.amazonaws.com'] }))
    .catch(ignore)
  await iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument })).catch(ignore)
  const now = Math.floor(Date.now() / 1000)
  const token = await signToken(key, {
    iss: url,
    sub: `system:serviceaccount:${namespace}:${name}`,
    aud: ['sts.amazonaws.com'],
    iat: now,
    exp: now + 600,
  })
  const { AssumedRoleUser } = await new STSClient(config).send(
    new AssumeRoleWithWebIdentityCommand({
      RoleArn: `arn:aws:iam::${accountId}:role/${RoleName}`,
      RoleSessionName: 'session',
      WebIdentityToken: token.reveal(),
    }),
  )
  return AssumedRoleUser?.Arn ?? ''
}

/** A sandbox that runs as typed, and `podrole issuer` beside it. */
import { GetObjectCommand, ListBucketsCommand, S3Client } from '@aws-sdk/client-s3'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const PODROLE = join(import.meta.dir, '..', '..', 'bin', 'podrole')

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
  stop(): Promise<void>
}

/** Starts the sandbox, and makes `one.key` (RSA), `two.key` (EC), `three.key` (RSA), each with its `.pub`. */
export async function startIssuerJourney(): Promise<IssuerJourney> {
  const folder = mkdtempSync(join(tmpdir(), 'podrole-issuer-'))
  const at = (name: string): string => join(folder, name)
  const readyFile = at('ready.json')
  const sandbox = Bun.spawn([PODROLE, 'sandbox', '--port', '0', '--ready-file', readyFile], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  while (!existsSync(readyFile)) await Bun.sleep(30)
  const environment = JSON.parse(readFileSync(readyFile, 'utf8')) as Record<string, string>
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
    stop: async () => {
      sandbox.kill('SIGTERM')
      await sandbox.exited
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function makePairs(issuer: IssuerJourney['issuer']): Promise<void> {
  const kinds = { one: 'rsa-2048', two: 'p-256', three: 'rsa-3072' }
  for (const [name, kind] of Object.entries(kinds)) {
    const files = ['--private-key-file', `${name}.key`, '--public-key-file', `${name}.pub`]
    const { code, err } = await issuer('keys', '--generate', kind, ...files)
    if (code !== 0) throw new Error(err)
  }
}

/**
 * An issuer whose documents are in a sandbox's S3, whose signer signs for an API server, and whose
 * tokens two STSs take: one that fetches the keys for each, one that keeps them for the settle time.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { IssuerState, KeyState } from '../../src/issuer/rotation/state.ts'
import { loadKubeAccess } from '../../src/kube/kubeconfig.ts'
import { type ChildProgram, startProgram } from './child-program.ts'
import { type IssuerJourney, PODROLE, type Ran, startIssuerJourney } from './issuer-journey.ts'
import type { MovedClock } from './moved-clock.ts'
import { type LoadJob, type RotationLoad, startRotationLoad } from './rotation-load.ts'

/** The two STSs by name. */
export const FETCHING = 'STS that fetches'
export const KEEPING = 'STS that keeps'

export interface ApiServer {
  readonly server: string
  readonly ca: string
  readonly token: string
  stop(): Promise<void>
}

export interface StageOptions {
  readonly settleSeconds: number
  /** How long the signer may go on with what it read before. */
  readonly followSeconds: number
  /** Of all programs; the machine's if left out. */
  readonly clock?: MovedClock
  /** The API server that is signed for; the sandbox's own if left out. */
  readonly startApiServer?: (issuer: string, socket: string) => Promise<ApiServer>
  readonly load: Pick<LoadJob, 'perSecond' | 'reusedPerSecond' | 'spareSeconds'>
}

export interface RotationStage {
  readonly options: StageOptions
  readonly journey: IssuerJourney
  readonly issuer: IssuerOnStage
  /** Kills the signer if it runs, and starts one on that folder at the same socket. */
  startSigner(folder?: string): Promise<void>
  killSigner(): Promise<void>
  startLoad(): RotationLoad
  /** Lets the programs' time pass. */
  pass(ms: number): Promise<void>
  stop(): Promise<void>
}

export interface IssuerOnStage {
  readonly url: string
  readonly bucket: string
  readonly folder: string
  read(folder?: string): IssuerState
  write(state: IssuerState, folder?: string): void
  /** The kid of the key in that state; empty if there is none. */
  kid(state: KeyState, folder?: string): string
  publishedKids(): Promise<readonly string[]>
  /** `podrole issuer rotate COMMAND --dir FOLDER` */
  rotate(command: string, folder?: string): Promise<Ran>
}

const BUCKET = 'rotated-under-load'
const REGION = 'us-east-1'
const HOST = `s3.${REGION}.amazonaws.com`
const ACCOUNT = { namespace: 'default', name: 'default' }
const TOKEN_SECONDS = 600

const must = ({ code, err }: Ran): void => {
  if (code !== 0) throw new Error(err)
}

export async function startRotationStage(options: StageOptions): Promise<RotationStage> {
  const root = mkdtempSync(join(tmpdir(), 'podrole-load-'))
  const ends: (() => Promise<void>)[] = [async () => rmSync(root, { recursive: true })]
  const stop = async (): Promise<void> => {
    for (const end of ends.splice(0).reverse()) await end()
  }
  try {
    return await startParts(options, { root, ends, stop })
  } catch (error) {
    await stop()
    throw error
  }
}

interface Parts {
  readonly root: string
  readonly ends: (() => Promise<void>)[]
  readonly stop: () => Promise<void>
}

async function startParts(options: StageOptions, parts: Parts): Promise<RotationStage> {
  const { clock, settleSeconds } = options
  const { root, ends } = parts
  const time = clock?.environment ?? {}
  const journey = await startIssuerJourney([], clock)
  ends.push(() => journey.stop())
  const issuer = issuerOnStage(journey)
  must(await initIssuer(journey, options))
  issuer.write({ ...issuer.read(), followSeconds: options.followSeconds })
  const signer = signerOf(root, { folder: issuer.folder, environment: time, options })
  ends.push(() => signer.kill())
  await signer.start()
  const keeping = await startKeepingSandbox(root, {
    words: ['--sts-key-cache', `${settleSeconds}s`, ...issuerPlace(journey)],
    cluster: options.startApiServer === undefined ? { issuer: issuer.url, signer } : undefined,
    environment: time,
  })
  ends.push(() => keeping.stop())
  const apiServer =
    (await options.startApiServer?.(issuer.url, signer.socket)) ??
    (await apiServerOf(keeping.environment))
  ends.push(() => apiServer.stop())
  const exchangeAt = async (
    name: string,
    environment: Readonly<Record<string, string>>,
  ): Promise<LoadJob['exchanges'][number]> => ({
    name,
    endpoint: environment['AWS_ENDPOINT_URL'] ?? '',
    roleArn: await makeRole(journey, issuer.url, environment),
  })
  const exchanges = [
    await exchangeAt(FETCHING, journey.environment),
    await exchangeAt(KEEPING, keeping.environment),
  ]
  const { server, ca, token } = apiServer
  return {
    options,
    journey,
    issuer,
    startSigner: (folder) => signer.start(folder),
    killSigner: () => signer.kill(),
    startLoad: () => {
      const job: LoadJob = {
        ...options.load,
        issuer: issuer.url,
        apiServer: { server, ca, token },
        exchanges,
        serviceAccount: ACCOUNT,
        tokenSeconds: TOKEN_SECONDS,
        keysKeptSeconds: settleSeconds,
      }
      const load = startRotationLoad(job, { ...time, ...onlyNames(journey.environment) })
      ends.push(() => load.kill())
      return load
    },
    pass: (ms) => clock?.pass(ms) ?? Bun.sleep(ms),
    stop: parts.stop,
  }
}

/** What finds the issuer's host from outside. */
const onlyNames = ({
  PODROLE_RESOLVE = '',
  PODROLE_CA_FILE = '',
  AWS_ENDPOINT_URL = '',
}: Readonly<Record<string, string>>): Record<string, string> => ({
  PODROLE_RESOLVE,
  PODROLE_CA_FILE,
  AWS_ENDPOINT_URL,
})

/** The words of a command; a path with spaces is none. */
const wordsOf = (line: string): string[] => line.split(/\s+/)

const initIssuer = (journey: IssuerJourney, { settleSeconds }: StageOptions): Promise<Ran> =>
  journey.issuer(
    ...wordsOf(`rotate init --dir ${journey.at('issuer')} --to s3://${BUCKET} --create-bucket
      --max-age 1s --settle ${settleSeconds}s --longest-token ${TOKEN_SECONDS}s`),
  )

function issuerOnStage(journey: IssuerJourney): IssuerOnStage {
  const folder = journey.at('issuer')
  const fileIn = (place: string): string => join(place, 'issuer.json')
  const read = (place = folder): IssuerState =>
    JSON.parse(readFileSync(fileIn(place), 'utf8')) as IssuerState
  return {
    url: `https://${HOST}/${BUCKET}`,
    bucket: BUCKET,
    folder,
    read,
    write: (state, place = folder) =>
      writeFileSync(fileIn(place), JSON.stringify(state), { mode: 0o600 }),
    kid: (state, place) => read(place).keys.find((key) => key.state === state)?.kid ?? '',
    publishedKids: async () => {
      const text = (await journey.objectText(BUCKET, 'keys.json')) ?? '{"keys":[]}'
      return (JSON.parse(text) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid)
    },
    rotate: (command, place = folder) => journey.issuer('rotate', command, '--dir', place),
  }
}

interface Signer {
  readonly socket: string
  start(folder?: string): Promise<void>
  kill(): Promise<void>
}

function signerOf(
  root: string,
  at: {
    readonly folder: string
    readonly environment: Readonly<Record<string, string>>
    readonly options: StageOptions
  },
): Signer {
  const socket = join(root, 'run', 'signer.sock')
  const readyFile = join(root, 'signer-ready.json')
  const maxStale = `${at.options.followSeconds}s`
  let running: ChildProgram | undefined
  const kill = async (): Promise<void> => {
    await running?.kill()
    running = undefined
  }
  return {
    socket,
    kill,
    start: async (folder = at.folder) => {
      await kill()
      rmSync(readyFile, { force: true })
      const line = `issuer signer --socket ${socket} --dir ${folder} --max-stale ${maxStale} --ready-file ${readyFile}`
      running = startProgram(PODROLE, wordsOf(line), {
        logFile: join(root, 'signer.log'),
        cwd: root,
        environment: at.environment,
      })
      await untilReady(readyFile, running)
    },
  }
}

async function untilReady(file: string, program: ChildProgram): Promise<void> {
  while (!existsSync(file)) {
    if (program.exitCode() !== undefined) throw new Error(program.lastLines())
    await Bun.sleep(20)
  }
}

/** What tells a second sandbox's STS where the first one's S3 is. */
function issuerPlace(journey: IssuerJourney): readonly string[] {
  const { PODROLE_RESOLVE = '', PODROLE_CA_FILE = '' } = journey.environment
  const [, target = ''] = /(?:^|,)s3\.\*\.amazonaws\.com=([^,]+)/.exec(PODROLE_RESOLVE) ?? []
  return ['--resolve', `${HOST}=${target}`, '--trust-ca', PODROLE_CA_FILE]
}

async function startKeepingSandbox(
  root: string,
  how: {
    readonly words: readonly string[]
    /** Also runs this cluster. */
    readonly cluster: { readonly issuer: string; readonly signer: Signer } | undefined
    readonly environment: Readonly<Record<string, string>>
  },
): Promise<{ readonly environment: Readonly<Record<string, string>>; stop(): Promise<void> }> {
  const readyFile = join(root, 'keeping.json')
  const { issuer, signer } = how.cluster ?? {}
  const cluster =
    signer === undefined
      ? []
      : wordsOf(
          `--self-managed-cluster edge=${issuer} --service-account-signing-endpoint edge=${signer.socket}`,
        )
  const program = startProgram(
    PODROLE,
    ['sandbox', '--port', '0', '--ready-file', readyFile, ...how.words, ...cluster],
    { logFile: join(root, 'keeping.log'), cwd: root, environment: how.environment },
  )
  await untilReady(readyFile, program)
  const environment = JSON.parse(readFileSync(readyFile, 'utf8')) as Record<string, string>
  return { environment, stop: () => program.stop() }
}

/** The sandbox's own, by the kubeconfig that it wrote. */
async function apiServerOf(environment: Readonly<Record<string, string>>): Promise<ApiServer> {
  const { server, ca = '', token } = await loadKubeAccess({ environment })
  const secret = await token?.()
  return { server, ca, token: secret?.reveal() ?? '', stop: () => Promise.resolve() }
}

/** An IAM OIDC provider of the issuer, and a role for the load's service account: its ARN. */
async function makeRole(
  journey: IssuerJourney,
  issuer: string,
  environment: Readonly<Record<string, string>>,
): Promise<string> {
  const run = (...words: string[]): Promise<Ran> => journey.run([PODROLE, ...words], environment)
  must(await run('issuer', 'provider', 'create', '--issuer', issuer))
  const account = `${ACCOUNT.namespace}/${ACCOUNT.name}`
  const create = `role create --name load --service-account ${account} --issuer ${issuer}`
  must(await run(...wordsOf(create)))
  return 'arn:aws:iam::111122223333:role/load'
}

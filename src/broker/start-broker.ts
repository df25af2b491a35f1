/** The running broker: database, keys, listener. */
import { readFile, stat, writeFile } from 'node:fs/promises'
import { openSqlite, type SqliteDatabase } from '../associations/sqlite.ts'
import { ASSOCIATION_MIGRATIONS, createSqliteStore } from '../associations/store-sqlite.ts'
import { openSealer } from '../issuer/sealing/open-sealer.ts'
import type { Clock } from '../lib/clock.ts'
import { codeOf, messageOf, PodroleError } from '../lib/errors.ts'
import type { Handler } from '../lib/handler.ts'
import { faultFields, type Log } from '../lib/log.ts'
import { serveMetrics } from '../lib/metrics/page.ts'
import { repeat } from '../lib/repeating.ts'
import { Secret } from '../lib/secret.ts'
import { serveTls, type ServingCertificate, type TlsListening } from '../lib/serve.ts'
import { tellOnce } from '../lib/told-once.ts'
import { brokerApp, type BrokerAppOptions } from './broker-app.ts'
import { type BrokerConfig, placeOf } from './config.ts'
import { FollowedKeys } from './fleet-keys.ts'
import { createFollowedClusters, type ReadIssuerKeys } from './followed-clusters.ts'
import { fleetRotationPorts, followFleetKeys, type LookOutside } from './fleet-rotation.ts'
import { createBrokerKey } from './keys.ts'
import { type BrokerMetrics, createBrokerMetrics } from './metrics.ts'
import { BROKER_MIGRATIONS, type BrokerStore, createBrokerStore } from './store.ts'
import { createSts, type StsPort } from './sts.ts'

export interface BrokerDependencies {
  readonly clock: Clock
  readonly log: Log
  /** Of podrole, for its metrics. */
  readonly version?: string
  /** In place of the AWS SDK's client. */
  readonly sts?: StsPort
  /** Milliseconds between two looks at the certificate's files; default 10,000. */
  readonly certificateCheckMs?: number
  /** Looks at the fleet issuer from outside; without it nothing can rotate. */
  readonly look?: LookOutside
  /** Milliseconds between two looks at the signing keys; default 5,000. */
  readonly keyCheckMs?: number
  /** Reads the issuers of clusters that follow theirs; without it none can. */
  readonly readIssuerKeys?: ReadIssuerKeys
  /** Milliseconds between two looks at those; default 60,000. */
  readonly issuerCheckMs?: number
}

export interface RunningBroker {
  /** `https://HOST:PORT` */
  readonly url: string
  readonly port: number
  /** Undefined where the config does not ask for it, or the port is not to be had. */
  readonly metricsUrl: string | undefined
  /** Answers what is under way, at most five seconds long, and closes the database. */
  stop(): Promise<void>
}

/** A token and a session policy fit many times. */
const MAX_BODY_BYTES = 256 * 1024
const CERTIFICATE_CHECK_MS = 10_000
const ISSUER_CHECK_MS = 60_000

/**
 * Starts a broker; all that it knows is in its database, so another start goes on where it was.
 * @throws PodroleError `DatabaseUnusable`, `UnreadableFile`, `InvalidServingCertificate`,
 *   `InvalidIssuer`, `InvalidAdminKeyFile`
 */
export async function startBroker(
  config: BrokerConfig,
  dependencies: BrokerDependencies,
): Promise<RunningBroker> {
  const { clock, log } = dependencies
  const certificate = await readCertificate(config)
  const { sealing } = config.signingKeys
  const sealer = sealing === undefined ? undefined : await openSealer(sealing)
  const database = await openSqlite(config.databaseFile, [
    ...ASSOCIATION_MIGRATIONS,
    ...BROKER_MIGRATIONS,
  ])
  const close = async (): Promise<void> => {
    sealer?.close()
    await database.close()
  }
  try {
    const store = createBrokerStore(database)
    const { issuer } = config
    const { settle: settleSeconds, rotateEvery: rotateEverySeconds } = config.signingKeys
    const place = { store, sealer, issuer, settleSeconds, clock }
    const { look } = dependencies
    const keys = await FollowedKeys.open(place)
    const rotation = look && fleetRotationPorts(place, keys, look)
    if (config.adminKeyFile !== undefined) {
      await ensureAdminKey(store, config.adminKeyFile, dependencies)
    }
    const metrics = createBrokerMetrics(clock, dependencies.version)
    const handler = createApp(config, dependencies, { database, store, keys, rotation, metrics })
    const { hostname, port } = config
    const maxBodyBytes = MAX_BODY_BYTES
    const listening = await serveTls({ hostname, port, handler, certificate, log, maxBodyBytes })
    const endReloads = keepCertificate(config, listening, dependencies)
    const following = followFleetKeys(keys, { ...dependencies, rotateEverySeconds, rotation })
    const followed = followClusters(store, metrics, dependencies)
    log.info('broker started', { url: listening.url, issuer })
    const page = config.metrics && serveMetrics(metrics.registry, config.metrics, log)
    return {
      url: listening.url,
      port: listening.port,
      metricsUrl: page?.url,
      stop: async () => {
        endReloads()
        await Promise.all([listening.stop(), page?.stop()])
        await Promise.all([following.stop(), followed?.stop()])
        await close()
        log.info('broker stopped')
      },
    }
  } catch (error) {
    await close()
    throw error
  }
}

function createApp(
  config: BrokerConfig,
  { clock, log, readIssuerKeys, sts }: BrokerDependencies,
  {
    database,
    metrics,
    ...parts
  }: Pick<BrokerAppOptions, 'keys' | 'rotation' | 'store'> & {
    readonly database: SqliteDatabase
    readonly metrics: BrokerMetrics
  },
): Handler {
  const { issuer, refuseLongSubjects, region, sessionSeconds, stsEndpoint } = config
  const ownSts = (): StsPort =>
    createSts({ region, ...(stsEndpoint !== undefined && { endpoint: stsEndpoint }) })
  return brokerApp({
    ...parts,
    ...(readIssuerKeys && { readIssuerKeys }),
    associations: createSqliteStore(database),
    sts: metrics.watchSts(sts ?? ownSts()),
    issuer,
    metrics,
    place: placeOf(config),
    clock,
    log,
    sessionSeconds,
    refuseLongSubjects,
  })
}

/** Keeps to the keys that issuers publish, where clusters were registered so. */
function followClusters(
  store: BrokerStore,
  metrics: BrokerMetrics,
  { clock, issuerCheckMs = ISSUER_CHECK_MS, log, readIssuerKeys }: BrokerDependencies,
): { stop(): Promise<void> } | undefined {
  if (readIssuerKeys === undefined) return undefined
  const followed = createFollowedClusters({ store, readIssuerKeys, clock, log })
  metrics.watchIssuers(() => followed.counts())
  const told = tellOnce((fields) => log.warn('keys of clusters not replaced', fields))
  const look = (): Promise<void> => followed.look().then(told.clear, told.fault)
  // Several brokers look at different times; keys may have gone on while none ran.
  const everyMs = issuerCheckMs * (0.8 + 0.4 * Math.random())
  return repeat(look, { everyMs, first: look() })
}

/**
 * The first admin key. The file is written before the key counts: a start that is killed between
 * the two goes on from the file.
 */
async function ensureAdminKey(
  store: BrokerStore,
  path: string,
  { clock, log }: BrokerDependencies,
): Promise<void> {
  const keys = await store.listKeys()
  if (keys.some((key) => key.scope.kind === 'admin')) return
  const made = createBrokerKey({ kind: 'admin' }, { description: 'first', nowMs: clock.now() })
  const text = JSON.stringify({
    accessKeyId: made.accessKeyId,
    secretAccessKey: made.secretAccessKey.reveal(),
  })
  let key = made
  try {
    await writeFile(path, `${text}\n`, { mode: 0o600, flag: 'wx' })
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw unreadable(path, error, 'written')
    key = { ...made, ...(await readAdminKeyFile(path)) }
  }
  await store.addKey(key)
  log.info('the first admin key is in the file', { path })
}

/**
 * Reads the file that a broker wrote its first admin key to.
 * @throws PodroleError `InvalidAdminKeyFile`, `UnreadableFile`
 */
export async function readAdminKeyFile(
  path: string,
): Promise<{ readonly accessKeyId: string; readonly secretAccessKey: Secret }> {
  const text = await readText(path)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    value = undefined
  }
  const member = (name: string): unknown =>
    typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
  const [id, secret] = [member('accessKeyId'), member('secretAccessKey')]
  const good =
    typeof id === 'string' &&
    /^PRBK[A-Z2-7]{16}$/.test(id) &&
    typeof secret === 'string' &&
    /^[\w-]{40}$/.test(secret)
  if (good) return { accessKeyId: id, secretAccessKey: new Secret(secret) }
  throw new PodroleError(
    'InvalidAdminKeyFile',
    `${path} is not an admin key: wanted {"accessKeyId":"PRBK…","secretAccessKey":"…"}`,
  )
}

function keepCertificate(
  config: BrokerConfig,
  listening: TlsListening,
  { certificateCheckMs = CERTIFICATE_CHECK_MS, log }: BrokerDependencies,
): () => void {
  let seen = ''
  const check = async (): Promise<void> => {
    const times = await Promise.all(
      [config.certificateFile, config.keyFile].map(async (path) => (await stat(path)).mtimeMs),
    )
    const now = times.join(' ')
    if (seen !== '' && seen !== now) {
      listening.reload(await readCertificate(config))
      log.info('serving certificate read again')
    }
    seen = now
  }
  const checkAgain = (): void => {
    // A pair that is half written does not fit together: the old one stays until the next look.
    check().catch((error: unknown) => {
      log.warn('serving certificate not read again', faultFields(error))
    })
  }
  checkAgain()
  const timer = setInterval(checkAgain, certificateCheckMs)
  return () => clearInterval(timer)
}

async function readCertificate(config: BrokerConfig): Promise<ServingCertificate> {
  const [cert, key] = await Promise.all([
    readText(config.certificateFile),
    readText(config.keyFile),
  ])
  return { cert, key }
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw unreadable(path, error, 'read')
  }
}

const unreadable = (path: string, error: unknown, what: string): PodroleError =>
  new PodroleError(
    'UnreadableFile',
    `${path} cannot be ${what}: ${codeOf(error) ?? messageOf(error)}`,
  )

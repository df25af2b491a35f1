/**
 * A whole rotation while tokens are issued, exchanged and verified, with a kill -9 of the publisher,
 * the signer and the rotation's commands in the middle; and what must not be done, done.
 */
import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { generateSigningKey } from '../../src/issuer/keys.ts'
import { inUseUntilMs, msOf, settledAtMs } from '../../src/issuer/rotation/decide.ts'
import { openIssuerFolder } from '../../src/issuer/rotation/issuer-folder.ts'
import type { IssuerState, RotationKey } from '../../src/issuer/rotation/state.ts'
import { PODROLE, type Ran } from './issuer-journey.ts'
import type { LoadCounts, RotationLoad } from './rotation-load.ts'
import type { RotationStage } from './rotation-stage.ts'

/** What the load saw while something was done. */
export interface Phase {
  readonly name: string
  readonly counts: LoadCounts
}

export interface Rotation {
  readonly phases: readonly Phase[]
  /** The keys' kids. */
  readonly old: string
  readonly next: string
  /** What was killed, and how far it was. */
  readonly kills: readonly string[]
}

/** Time for what the load counts beside the steps themselves. */
const LOOK_MS = 3000
/** Each write to S3 takes so long while its writer is killed. */
const SLOW_MS = 1000
/** Counts are asked for at least this often. */
const SLICE_MS = 60_000
const STOPS_SIGNING_MS = 4000

const done = ({ code, err }: Ran): void => {
  if (code !== 0) throw new Error(`exit code ${code}: ${err}`)
}

function refusedWith({ code, err }: Ran, message: string): void {
  if (code !== 1 || !err.includes(message)) {
    throw new Error(`exit code ${code}, wanted ${JSON.stringify(message)}: ${err}`)
  }
}

/** Runs what is done in phases, and tells what the load saw in each. */
class Phases {
  readonly all: Phase[] = []
  readonly #load: RotationLoad

  constructor(load: RotationLoad) {
    this.#load = load
  }

  async run(name: string, act: () => Promise<void>): Promise<LoadCounts> {
    try {
      await act()
    } finally {
      const counts = await this.#load.counts()
      this.all.push({ name, counts })
      process.stderr.write(`${lineOf({ name, counts })}\n`)
    }
    return this.all.at(-1)?.counts as LoadCounts
  }

  /** Stops the load, and tells of all phases together. */
  async end(): Promise<void> {
    this.all.push({ name: 'the end', counts: await this.#load.stop() })
    const counts = this.all.map((phase) => phase.counts).reduce(added)
    process.stderr.write(`${lineOf({ name: 'in all', counts })}\n`)
  }
}

async function underLoad(
  stage: RotationStage,
  act: (phases: Phases) => Promise<void>,
): Promise<readonly Phase[]> {
  const phases = new Phases(stage.startLoad())
  try {
    await act(phases)
  } finally {
    await phases.end()
  }
  return phases.all
}

function added(a: LoadCounts, b: LoadCounts): LoadCounts {
  const takers = Object.keys({ ...a.taken, ...b.taken })
  const asked = Object.keys({ ...a.slowest, ...b.slowest })
  return {
    seconds: a.seconds + b.seconds,
    issued: addedByKid(a.issued, b.issued),
    askedAgain: [...a.askedAgain, ...b.askedAgain],
    missed: a.missed + b.missed,
    reused: a.reused + b.reused,
    taken: Object.fromEntries(
      takers.map((who) => [who, addedByKid(a.taken[who] ?? {}, b.taken[who] ?? {})]),
    ),
    refused: [...a.refused, ...b.refused],
    slowest: Object.fromEntries(
      asked.map((what) => [what, Math.max(a.slowest[what] ?? 0, b.slowest[what] ?? 0)]),
    ),
  }
}

type ByKid = Readonly<Record<string, number>>

const addedByKid = (a: ByKid, b: ByKid): ByKid =>
  Object.fromEntries(Object.keys({ ...a, ...b }).map((kid) => [kid, (a[kid] ?? 0) + (b[kid] ?? 0)]))

const sum = (numbers: Readonly<Record<string, number>>): number =>
  Object.values(numbers).reduce((total, one) => total + one, 0)

function lineOf({ name, counts }: Phase): string {
  const { seconds, issued, taken, refused, askedAgain, missed, slowest } = counts
  const perSecond = (sum(issued) / seconds).toFixed(0)
  const by = Object.entries(taken).map(
    ([who, kids]) => `${who} ${sum(kids)} (slowest ${slowest[who] ?? 0} ms)`,
  )
  return [
    `${name}: ${seconds.toFixed(1)} s, issued ${sum(issued)} (${perSecond}/s, slowest ${slowest['TokenRequest'] ?? 0} ms, asked again ${askedAgain.length}, missed ${missed})`,
    `taken by ${by.join(', ')}`,
    `refused ${refused.length}`,
    ...reasonsOf(refused.map(({ by, why }) => `${by}: ${why}`)),
    ...reasonsOf(askedAgain.map((why) => `asked again: ${why}`)),
  ].join('; ')
}

/** The commonest of them, each with its number. */
function reasonsOf(texts: readonly string[]): readonly string[] {
  const counts = new Map<string, number>()
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1)
  const most = [...counts].sort(([, a], [, b]) => b - a).slice(0, 3)
  return most.map(([text, count]) => `${count} x ${text.slice(0, 250)}`)
}

/** From prepare to retire. */
export async function rotateUnderLoad(
  stage: RotationStage,
  random: () => number,
): Promise<Rotation> {
  const { issuer } = stage
  const old = issuer.kid('active')
  let next = ''
  const kills: string[] = []
  const killed = (what: string): void => {
    kills.push(what)
    process.stderr.write(`killed: ${what}\n`)
  }
  const phases = await underLoad(stage, async (load) => {
    await load.run('before', () => Bun.sleep(LOOK_MS))
    await load.run('prepare', () => prepareKilled(stage, random, killed))
    next = issuer.kid('prepared')
    await load.run('settle', () => settle(stage))
    await load.run('activate', () => activateKilled(stage, random, killed))
    await load.run('both keys', () => Bun.sleep(STOPS_SIGNING_MS))
    await waitForTokens(stage, load)
    await load.run('retire', () => retireKilled(stage, random, killed))
    await load.run('after', () => Bun.sleep(stage.options.settleSeconds * 1000 + LOOK_MS))
  })
  return { phases, old, next, kills }
}

type Killed = (what: string) => void

/** The command is killed when it has recorded its key, then a publisher between its two writes. */
async function prepareKilled(
  stage: RotationStage,
  random: () => number,
  killed: Killed,
): Promise<void> {
  const { journey, issuer } = stage
  await journey.orderFaults([`s3:PutObject=delay:${SLOW_MS}ms`])
  const rotate = spawnPodrole(stage, ['rotate', 'prepare', '--dir', issuer.folder])
  await mustKillWhen(rotate, () => issuer.kid('prepared') !== '', SLOW_MS * random())
  const isPublished = (await issuer.publishedKids()).includes(issuer.kid('prepared'))
  killed(`prepare, its key ${isPublished ? '' : 'not yet '}published`)
  // Somebody else's key, of another algorithm, so that both documents are written.
  const publish = ['publish', issuer.folder, journey.at('one.pub'), '--keep-published']
  const to = ['--to', `s3://${issuer.bucket}`, '--max-age', '1s']
  const before = (await issuer.publishedKids()).length
  const publisher = spawnPodrole(stage, [...publish, ...to])
  const isWritten = async (): Promise<boolean> => (await issuer.publishedKids()).length > before
  await mustKillWhen(publisher, isWritten, 0.6 * SLOW_MS * random())
  killed('the publisher, after the first of its two writes')
  await journey.orderFaults([])
  done(await journey.issuer(...publish, ...to))
  done(await issuer.rotate('prepare'))
}

async function settle({ issuer, options }: RotationStage): Promise<void> {
  const { seenAt = '' } = keyOf(issuer.read(), 'prepared')
  const leftMs = settledAtMs(issuer.read(), seenAt) - timeOf(options)
  await Bun.sleep(Math.max(0, leftMs) + 100)
}

/** The signer is killed around the moment when the new key begins to sign. */
async function activateKilled(
  stage: RotationStage,
  random: () => number,
  killed: Killed,
): Promise<void> {
  const { issuer } = stage
  const signer = async (): Promise<void> => {
    await Bun.sleep(2000 * random())
    await stage.killSigner()
    killed(`the signer, ${issuer.kid('prepared') === '' ? 'after' : 'before'} the activation`)
    await Bun.sleep(300 + 1200 * random())
    await stage.startSigner()
  }
  const rotate = async (): Promise<void> => {
    const command = spawnPodrole(stage, ['rotate', 'activate', '--dir', issuer.folder])
    const owner = join(issuer.folder, 'owner')
    const isAtWork = (): boolean => readFileSync(owner, 'utf8').trim() === String(command.pid)
    const atWork = await killWhen(command, isAtWork, 200 * random())
    const isActive = issuer.kid('prepared') === ''
    killed(
      `activate, ${atWork ? `${isActive ? 'after' : 'before'} it was written down` : 'which had ended'}`,
    )
    if (!isActive) done(await issuer.rotate('activate'))
  }
  await Promise.all([signer(), rotate()])
  refusedWith(await issuer.rotate('retire'), 'may be in use')
}

/** Until the last token of the old key has ended, in the programs' time. */
async function waitForTokens(stage: RotationStage, phases: Phases): Promise<void> {
  const { issuer, options } = stage
  const untilMs = inUseUntilMs(issuer.read(), keyOf(issuer.read(), 'retiring'), new Map()) + 1000
  for (;;) {
    const leftMs = untilMs - timeOf(options)
    if (leftMs <= 0) return
    const slice = options.clock === undefined ? Math.min(leftMs, SLICE_MS) : leftMs
    await phases.run('tokens of the old key end', () => stage.pass(slice))
  }
}

async function retireKilled(
  stage: RotationStage,
  random: () => number,
  killed: Killed,
): Promise<void> {
  const { journey, issuer } = stage
  await journey.orderFaults([`s3:PutObject=delay:${SLOW_MS}ms`])
  const command = spawnPodrole(stage, ['rotate', 'retire', '--dir', issuer.folder])
  await mustKillWhen(command, () => issuer.kid('retired') !== '', 0.9 * SLOW_MS * random())
  killed('retire, which had written down that it does')
  await journey.orderFaults([])
  done(await issuer.rotate('retire'))
}

const timeOf = ({ clock }: RotationStage['options']): number => clock?.now() ?? Date.now()

function keyOf(state: IssuerState, wanted: RotationKey['state']): RotationKey {
  const key = state.keys.find((one) => one.state === wanted)
  if (key === undefined) throw new Error(`no key is ${wanted}`)
  return key
}

const spawnPodrole = (
  { journey, issuer }: RotationStage,
  words: readonly string[],
): Bun.Subprocess =>
  Bun.spawn([PODROLE, 'issuer', ...words], {
    stdio: ['ignore', 'ignore', 'ignore'],
    env: { PATH: process.env['PATH'] ?? '', HOME: issuer.folder, ...journey.environment },
  })

/** SIGKILL, so long after something is so; whether it was still at work then. */
async function killWhen(
  child: Bun.Subprocess,
  isSo: () => boolean | Promise<boolean>,
  laterMs: number,
): Promise<boolean> {
  while (!(await isSo())) {
    if (child.exitCode !== null) throw new Error(`it had ended before: ${child.exitCode}`)
    await Bun.sleep(5)
  }
  await Bun.sleep(laterMs)
  child.kill('SIGKILL')
  await child.exited
  return child.signalCode === 'SIGKILL'
}

async function mustKillWhen(...what: Parameters<typeof killWhen>): Promise<void> {
  if (!(await killWhen(...what))) throw new Error('it had ended when it was to be killed')
}

/** What the load saw of an order that podrole refuses. */
export interface UnsafeOrder {
  readonly old: string
  readonly next: string
  /** The new key signs and is published nowhere. */
  readonly activatedUnseen: LoadCounts
  /** It is published, and the STS that keeps keys has read it. */
  readonly published: LoadCounts
  /** The old key is published no more while tokens of it are in use. */
  readonly retiredEarly: LoadCounts
}

/** Forces the steps in a copy of the issuer's folder, by hand: no option does it. */
export async function forceUnsafeOrder(stage: RotationStage): Promise<UnsafeOrder> {
  const { issuer, journey, options } = stage
  const settledMs = options.settleSeconds * 1000 + LOOK_MS
  const scratch = journey.at('scratch')
  cpSync(issuer.folder, scratch, { recursive: true })
  const old = issuer.kid('active')
  let seen: Omit<UnsafeOrder, 'old' | 'next'> | undefined
  await underLoad(stage, async (load) => {
    await load.run('before', () => Bun.sleep(LOOK_MS))
    const activatedUnseen = await load.run('activated unseen', async () => {
      await activateUnseen(scratch)
      await stage.startSigner(scratch)
      await Bun.sleep(settledMs)
    })
    await load.run('published late', async () => {
      const to = ['--to', `s3://${issuer.bucket}`, '--max-age', '1s', '--keep-published']
      done(await journey.issuer('publish', scratch, ...to))
      await Bun.sleep(settledMs)
    })
    const published = await load.run('published', () => Bun.sleep(LOOK_MS))
    const retiredEarly = await load.run('retired early', async () => {
      issuer.write(stoppedLongAgo(issuer.read(scratch)), scratch)
      done(await issuer.rotate('retire', scratch))
      await Bun.sleep(settledMs)
    })
    seen = { activatedUnseen, published, retiredEarly }
  })
  if (seen === undefined) throw new Error('nothing was seen')
  return { ...seen, old, next: issuer.kid('active', scratch) }
}

async function activateUnseen(folder: string): Promise<void> {
  const own = await openIssuerFolder(folder)
  const state = await own.read()
  if (state === undefined) throw new Error(`${folder} is no issuer folder`)
  const { kid, publicJwk, ...key } = await generateSigningKey()
  await own.addKey({ kid, publicJwk, ...key })
  const now = new Date().toISOString()
  const keys = state.keys.map((one) =>
    one.state === 'active' ? { ...one, state: 'retiring' as const } : one,
  )
  const next: RotationKey = {
    kid,
    publicJwk: publicJwk as RotationKey['publicJwk'],
    state: 'active',
    source: { file: `${kid}.pem` },
    preparedAt: now,
    activatedAt: now,
  }
  await own.write({ ...state, keys: [...keys, next] })
  own.close()
}

const DAY_MS = 86_400_000

const stoppedLongAgo = (state: IssuerState): IssuerState => ({
  ...state,
  keys: state.keys.map((key) =>
    key.state === 'retiring'
      ? {
          ...key,
          stoppedAt: new Date(msOf(key.activatedAt ?? key.preparedAt) - DAY_MS).toISOString(),
        }
      : key,
  ),
})

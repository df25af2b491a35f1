/**
 * What a rotation may do next, and what it has to wait for. Pure: the folder, S3 and the clock are
 * the caller's.
 */
import { hindranceIn, type OutsideFinding } from '../outside/findings.ts'
import type { PublicSigningKey } from '../keys.ts'
import {
  activeKeyOf,
  type IssuerState,
  type NewKey,
  publishedKeysOf,
  type RotationKey,
} from './state.ts'

/** The latest `exp` of tokens that were really seen, by their kid. */
export type Census = ReadonlyMap<string, LastSeen>

export interface LastSeen {
  /** In milliseconds. */
  readonly lastExpMs: number
  /** Whose word it is: a URL or a file. */
  readonly seenBy?: string
}

/** What is so at the moment of a decision. */
export interface Facts {
  readonly nowMs: number
  readonly census: Census
  /** Of the look from outside that was asked for; undefined where none was taken yet. */
  readonly findings?: readonly OutsideFinding[] | undefined
}

export type Decision =
  /** `next` is to be written down; what follows from it (`leftToDo`) is done after that. */
  | { readonly kind: 'change'; readonly next: IssuerState; readonly kids: readonly string[] }
  /** All is well so far; the next question is with the `findings` of a look for these keys. */
  | Look
  | Refusal

export interface Look {
  readonly kind: 'look'
  readonly keys: readonly PublicSigningKey[]
}

/** Why not, or not yet. */
export interface Refusal {
  readonly kind: 'refused'
  readonly code:
    | 'KeyNotSeen'
    | 'KeyNotSettled'
    | 'NothingPrepared'
    | 'NothingRetiring'
    | 'NothingToAbort'
    | 'OutsideFaulty'
    | 'TokensInUse'
  readonly message: string
  readonly hint?: string
  /** When the same may be asked again with success, if time alone decides. */
  readonly untilMs?: number
  /** A state to write down all the same: what was proved before is proved no more. */
  readonly next?: IssuerState
}

/** STS takes a token until five minutes after its `exp` (IAM User Guide, OIDC providers). */
const STS_GRACE_MS = 5 * 60_000
/** Who signs reads the state again within this time, slow machines counted. */
export const FOLLOW_SECONDS = 60
/** How far the clocks of API servers and of the rotation may be apart. */
const CLOCKS_MS = 5 * 60_000
/** Keys that are gone and still listed. */
const MAX_REMOVED = 50

/** An ISO time of a state, in milliseconds. */
export const msOf = (iso: string): number => Date.parse(iso)
export const isoOf = (ms: number): string => new Date(ms).toISOString()

/**
 * The time of the next step. Those of one state differ and never go back, even where the clock
 * does: what waits then waits longer.
 */
export function stampOf({ keys }: Pick<IssuerState, 'keys'>, nowMs: number): string {
  const times = keys.flatMap((key) =>
    [
      key.preparedAt,
      key.seenAt,
      key.activatedAt,
      key.stoppedAt,
      key.retiredAt,
      key.removedAt,
    ].flatMap((time) => (time === undefined ? [] : msOf(time))),
  )
  return isoOf(Math.max(nowMs, ...times.map((time) => time + 1)))
}

export const preparedKeyOf = ({ keys }: Pick<IssuerState, 'keys'>): RotationKey | undefined =>
  keys.find(({ state }) => state === 'prepared')

/** What follows from a state and may not be done yet; to do it twice does no harm. */
export interface LeftToDo {
  /** What is to be published. */
  readonly publish: readonly PublicSigningKey[]
  /** Published keys that may go, and whose private halves are to be deleted. */
  readonly remove: readonly RotationKey[]
}

export const leftToDo = (state: IssuerState): LeftToDo => ({
  publish: publishedKeysOf(state),
  remove: state.keys.filter((key) => key.state === 'retired' && key.removedAt === undefined),
})

const changeKeys = (
  state: IssuerState,
  change: (key: RotationKey) => RotationKey,
): IssuerState => ({ ...state, keys: state.keys.map(change) })

/** The state in which a new key is prepared; an issuer's first one signs at once. */
export function withNewKey(state: IssuerState, key: NewKey, nowMs: number): IssuerState {
  const at = stampOf(state, nowMs)
  const removed = state.keys.filter(({ removedAt }) => removedAt !== undefined)
  const forgotten = new Set(removed.slice(0, Math.max(0, removed.length - MAX_REMOVED)))
  const kept = state.keys.filter((one) => !forgotten.has(one))
  const added: RotationKey =
    kept.length === 0
      ? { ...key, state: 'active', preparedAt: at, activatedAt: at }
      : { ...key, state: 'prepared', preparedAt: at }
  return { ...state, keys: [...kept, added] }
}

/** The state in which the keys that are published were seen from outside; those that were stay. */
export function withSeen(state: IssuerState, nowMs: number): IssuerState {
  const seenAt = stampOf(state, nowMs)
  return changeKeys(state, (key) =>
    key.state === 'retired' || key.seenAt !== undefined ? key : { ...key, seenAt },
  )
}

/** The state in which a prepared key is yet to be seen: it was not there any more. */
export const withoutSeen = (state: IssuerState): IssuerState =>
  changeKeys(state, (key) => (key.state === 'prepared' ? without(key, 'seenAt') : key))

function without(key: RotationKey, member: 'seenAt' | 'stoppedAt' | 'before'): RotationKey {
  const { [member]: _, ...rest } = key
  return rest
}

const signing = (key: RotationKey, activatedAt: string): RotationKey => ({
  ...without(key, 'stoppedAt'),
  state: 'active',
  activatedAt,
})

/** The state in which retired keys are published no more and their private halves are gone. */
export function withRemoved(
  state: IssuerState,
  kids: readonly string[],
  nowMs: number,
): IssuerState {
  const removedAt = stampOf(state, nowMs)
  return changeKeys(state, (key) => (kids.includes(key.kid) ? { ...key, removedAt } : key))
}

/** When a prepared key that was seen has settled, in milliseconds. */
export const settledAtMs = (
  { settleSeconds }: Pick<IssuerState, 'settleSeconds'>,
  seenAt: string,
): number => msOf(seenAt) + settleSeconds * 1000

/** Keys that sign no more by what is written down, and of which it is not recorded since when. */
export const isStopping = ({ state, activatedAt, stoppedAt }: RotationKey): boolean =>
  (state === 'prepared' || state === 'retiring') &&
  activatedAt !== undefined &&
  stoppedAt === undefined

/**
 * The state in which it is recorded that keys have stopped signing. It comes after the one that says
 * so is written, however long that took: a process may be suspended in between.
 */
export function withStops(state: IssuerState, nowMs: number): IssuerState {
  const stoppedAt = stampOf(state, nowMs)
  return changeKeys(state, (key) => (isStopping(key) ? { ...key, stoppedAt } : key))
}

/**
 * Until when a token with a key's kid may be in use, in milliseconds: by time, from the moment when
 * the key had stopped signing, and by what was seen. 0 for a key that never signed.
 */
export function inUseUntilMs(
  {
    maxTokenSeconds,
    followSeconds = FOLLOW_SECONDS,
  }: Pick<IssuerState, 'maxTokenSeconds' | 'followSeconds'>,
  key: RotationKey,
  census: Census,
): number {
  if (isStopping(key)) return Number.POSITIVE_INFINITY
  const byTime =
    key.stoppedAt === undefined
      ? 0
      : msOf(key.stoppedAt) + (followSeconds + maxTokenSeconds) * 1000 + STS_GRACE_MS
  const seen = census.get(key.kid)
  return Math.max(byTime, seen === undefined ? 0 : seen.lastExpMs + STS_GRACE_MS)
}

/**
 * Between which times a key signs no more that did, in milliseconds: its tokens were signed in
 * between by any clock. Undefined for a key that never signed, still signs, or is gone.
 */
export function signedBetween(
  { followSeconds = FOLLOW_SECONDS }: Pick<IssuerState, 'followSeconds'>,
  { activatedAt, state, stoppedAt }: RotationKey,
): { readonly sinceMs: number; readonly untilMs: number } | undefined {
  if (activatedAt === undefined || stoppedAt === undefined || state === 'retired') return undefined
  return {
    sinceMs: msOf(activatedAt) - CLOCKS_MS,
    untilMs: msOf(stoppedAt) + followSeconds * 1000 + CLOCKS_MS,
  }
}

/** Whether the prepared key may sign from now on. */
export function decideActivate(state: IssuerState, facts: Facts): Decision {
  const key = preparedKeyOf(state)
  if (key === undefined) {
    const active = activeKeyOf(state)
    const since =
      active?.activatedAt === undefined ? '' : `; ${active.kid} signs since ${active.activatedAt}`
    return refuse('NothingPrepared', `no key is prepared${since}`, {
      hint: 'podrole issuer rotate prepare makes and publishes the next one',
    })
  }
  if (key.seenAt === undefined) {
    return refuse(
      'KeyNotSeen',
      `key ${key.kid} was not seen from outside yet: what it signed would be refused`,
      {
        hint: 'podrole issuer rotate prepare publishes it and looks',
      },
    )
  }
  const settledMs = settledAtMs(state, key.seenAt)
  if (facts.nowMs < settledMs) {
    return refuse(
      'KeyNotSettled',
      `key ${key.kid} was first seen from outside at ${key.seenAt}: STS may know the keys from before until ${isoOf(settledMs)}`,
      { hint: `wait until then (settle time: ${state.settleSeconds} s)`, untilMs: settledMs },
    )
  }
  const unseen = outsideRefusal(state, facts)
  if (unseen !== undefined) return unseen
  const active = activeKeyOf(state)
  const next = changeKeys(state, (one) => {
    if (one.kid === key.kid) {
      return {
        ...signing(one, stampOf(state, facts.nowMs)),
        ...(active !== undefined && { before: active.kid }),
      }
    }
    return one.kid === active?.kid ? { ...without(one, 'before'), state: 'retiring' } : one
  })
  return { kind: 'change', next, kids: [key.kid] }
}

/** Which retiring keys no live token can name; they go. */
export function decideRetire(state: IssuerState, facts: Facts): Decision {
  const retiring = state.keys.filter((key) => key.state === 'retiring')
  const waits = retiring.map((key) => ({ key, untilMs: inUseUntilMs(state, key, facts.census) }))
  const [first] = [...waits].sort((a, b) => a.untilMs - b.untilMs)
  if (first === undefined) {
    return refuse('NothingRetiring', 'no key is retiring', {
      hint: 'a key retires after another one was activated in its place',
    })
  }
  const ripe = waits.filter(({ untilMs }) => untilMs <= facts.nowMs).map(({ key }) => key.kid)
  if (ripe.length === 0) return inUse(state, first.key, facts)
  const unseen = outsideRefusal(state, facts, ripe)
  if (unseen !== undefined) return unseen
  return { kind: 'change', next: retired(state, ripe, facts), kids: ripe }
}

/**
 * Takes the last step back that can be: a preparation goes, and after an activation the key from
 * before signs again. A key that has signed stays published as long as its tokens may be in use.
 */
export function decideAbort(state: IssuerState, facts: Facts): Decision {
  const prepared = preparedKeyOf(state)
  if (prepared !== undefined) {
    return inUseUntilMs(state, prepared, facts.census) > facts.nowMs
      ? inUse(state, prepared, facts)
      : { kind: 'change', next: retired(state, [prepared.kid], facts), kids: [prepared.kid] }
  }
  const active = activeKeyOf(state)
  const before = state.keys.find((key) => key.state === 'retiring' && key.kid === active?.before)
  if (active === undefined || before === undefined) {
    return refuse('NothingToAbort', 'no key is prepared, and no activation can be taken back', {
      hint: 'a key that is retired is gone; podrole issuer rotate status shows the others',
    })
  }
  const unseen = outsideRefusal(state, facts)
  if (unseen !== undefined) return unseen
  const next = changeKeys(state, (key) => {
    if (key.kid === active.kid) return { ...without(key, 'before'), state: 'prepared' }
    return key.kid === before.kid ? signing(key, stampOf(state, facts.nowMs)) : key
  })
  return { kind: 'change', next, kids: [before.kid, active.kid] }
}

function retired(state: IssuerState, kids: readonly string[], { nowMs }: Facts): IssuerState {
  const retiredAt = stampOf(state, nowMs)
  return changeKeys(state, (key) =>
    kids.includes(key.kid) ? { ...key, state: 'retired', retiredAt } : key,
  )
}

/**
 * Asks for a look for the keys that stay published; a refusal where STS could not use them,
 * undefined where it could.
 */
function outsideRefusal(
  state: IssuerState,
  { findings }: Facts,
  going: readonly string[] = [],
): Refusal | Look | undefined {
  if (findings === undefined) {
    return { kind: 'look', keys: publishedKeysOf(state).filter(({ kid }) => !going.includes(kid)) }
  }
  const first = hindranceIn(findings)
  if (first === undefined) return undefined
  const isLost = findings.some(({ code }) => code === 'KeyMissing')
  return refuse('OutsideFaulty', hindranceText(state, first), {
    hint: isLost
      ? 'podrole issuer publish FOLDER publishes the keys of an issuer folder again; a prepared key then has to be seen and to settle again'
      : first.hint,
    ...(isLost && { next: withoutSeen(state) }),
  })
}

/** What a look found that a rotation does not go on with. */
export const hindranceText = (
  { issuer }: Pick<IssuerState, 'issuer'>,
  { code, message }: OutsideFinding,
): string =>
  code === 'ClockBehind'
    ? message
    : `STS could not use ${issuer} as it is seen from here: ${message}`

function inUse(state: IssuerState, key: RotationKey, { census }: Facts): Refusal {
  const { kid, stoppedAt } = key
  const untilMs = inUseUntilMs(state, key, census)
  if (stoppedAt === undefined && untilMs === Number.POSITIVE_INFINITY) {
    return refuse('TokensInUse', `key ${kid} may still sign: that it stopped is not recorded yet`, {
      hint: 'the next command that changes something records it',
    })
  }
  const bySeen = untilMs > inUseUntilMs(state, key, new Map())
  const seenBy = census.get(kid)?.seenBy
  const why = bySeen
    ? `a token of it was seen${seenBy === undefined ? '' : ` by ${seenBy}`} that STS takes until ${isoOf(untilMs)}`
    : `it signed until ${stoppedAt}, and its longest tokens are taken until ${isoOf(untilMs)}`
  return refuse('TokensInUse', `tokens of key ${kid} may be in use: ${why}`, {
    hint: bySeen
      ? 'wait until then; tokens are longer than issuer.json says, or something signs with that key still'
      : `wait until then (longest token: ${state.maxTokenSeconds} s)`,
    untilMs,
  })
}

const refuse = (
  code: Refusal['code'],
  message: string,
  more: Pick<Refusal, 'hint' | 'untilMs' | 'next'> = {},
): Refusal => ({ kind: 'refused', code, message, ...more })

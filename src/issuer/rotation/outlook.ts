/** What each key of an issuer waits for, and what each command would do. Pure. */
import {
  decideAbort,
  decideActivate,
  decideRetire,
  type Decision,
  type Facts,
  inUseUntilMs,
  isoOf,
  isStopping,
  leftToDo,
  preparedKeyOf,
  settledAtMs,
} from './decide.ts'
import { activeKeyOf, type IssuerState, type KeyState, type RotationKey } from './state.ts'

/** How far a key is. Times are ISO 8601, UTC. */
export interface KeyOutlook {
  readonly kid: string
  readonly algorithm: string
  readonly state: KeyState
  readonly since: string
  /** Left out where it waits for nothing. */
  readonly waitsFor?: string
  /** When time alone ends the wait. */
  readonly until?: string
  /** Of a token that was seen: whose word it is, a URL or a file. */
  readonly seenBy?: string
}

/** What a command would do now. */
export interface CommandOutlook {
  readonly command: 'prepare' | 'activate' | 'retire' | 'abort'
  /** `now`: unless a look from outside finds something wrong. */
  readonly when: 'now' | 'later' | 'no'
  readonly until?: string
  /** Where it is not `now`. */
  readonly why?: string
  /** Where it is `now`. */
  readonly does: readonly string[]
}

/** The keys that are not gone, in the order in which they were made. */
export function keyOutlooks(state: IssuerState, facts: Facts): readonly KeyOutlook[] {
  return state.keys
    .filter(({ removedAt }) => removedAt === undefined)
    .map((key) => ({
      kid: key.kid,
      algorithm: key.publicJwk.alg,
      state: key.state,
      since: sinceOf(key),
      ...waitOf(state, key, facts),
    }))
}

function sinceOf(key: RotationKey): string {
  const { preparedAt, activatedAt = preparedAt, stoppedAt = activatedAt, retiredAt } = key
  switch (key.state) {
    case 'prepared':
      return preparedAt
    case 'active':
      return activatedAt
    case 'retiring':
      return stoppedAt
    case 'retired':
      return retiredAt ?? stoppedAt
    default:
      return key.state satisfies never
  }
}

function waitOf(
  state: IssuerState,
  key: RotationKey,
  facts: Facts,
): Pick<KeyOutlook, 'waitsFor' | 'until' | 'seenBy'> {
  switch (key.state) {
    case 'active':
      return key.seenAt === undefined ? { waitsFor: 'to be seen from outside' } : {}
    case 'prepared': {
      if (key.seenAt === undefined) return { waitsFor: 'to be seen from outside' }
      const settledMs = settledAtMs(state, key.seenAt)
      return facts.nowMs < settledMs
        ? { waitsFor: 'the settle time', until: isoOf(settledMs) }
        : { waitsFor: 'activate' }
    }
    case 'retiring': {
      if (isStopping(key)) return { waitsFor: 'a command to record that it stopped signing' }
      const untilMs = inUseUntilMs(state, key, facts.census)
      if (untilMs <= facts.nowMs) return { waitsFor: 'retire' }
      const until = isoOf(untilMs)
      if (untilMs === inUseUntilMs(state, key, new Map())) {
        return { waitsFor: 'its longest tokens to end', until }
      }
      const seenBy = facts.census.get(key.kid)?.seenBy
      return {
        waitsFor: 'a token that was seen to end',
        until,
        ...(seenBy !== undefined && { seenBy }),
      }
    }
    case 'retired':
      return { waitsFor: 'retire, to be unpublished and deleted' }
    default:
      return key.state satisfies never
  }
}

/** What each command would do now, in the order of a key's life. */
export function commandOutlooks(state: IssuerState, facts: Facts): readonly CommandOutlook[] {
  const { remove } = leftToDo(state)
  const finish = remove.flatMap(({ kid }) => removing(kid))
  const unlessLeft = (decide: () => Decision): Decision =>
    remove.length === 0
      ? decide()
      : { kind: 'change', next: state, kids: remove.map(({ kid }) => kid) }
  return [
    { command: 'prepare', when: 'now', does: preparing(state) },
    outlook('activate', decideActivate(state, facts), activating(state)),
    outlook(
      'retire',
      unlessLeft(() => decideRetire(state, facts)),
      remove.length > 0 ? finish : ripeKids(state, facts).flatMap(removing),
    ),
    outlook(
      'abort',
      unlessLeft(() => decideAbort(state, facts)),
      remove.length > 0 ? finish : aborting(state),
    ),
  ]
}

function outlook(
  command: CommandOutlook['command'],
  decision: Decision,
  does: readonly string[],
): CommandOutlook {
  if (decision.kind !== 'refused') return { command, when: 'now', does }
  const { message, untilMs } = decision
  return untilMs === undefined
    ? { command, when: 'no', why: message, does: [] }
    : { command, when: 'later', until: isoOf(untilMs), why: message, does: [] }
}

const removing = (kid: string): readonly string[] => [
  `publish key ${kid} no more`,
  `delete its private half`,
]

function preparing(state: IssuerState): readonly string[] {
  const prepared = preparedKeyOf(state)
  return [
    ...(prepared === undefined
      ? ['make a key', 'publish it beside the others']
      : [`publish key ${prepared.kid} again, if it is not there`]),
    'look from outside until it is seen',
  ]
}

function activating(state: IssuerState): readonly string[] {
  const active = activeKeyOf(state)
  return [
    `have key ${preparedKeyOf(state)?.kid ?? ''} sign`,
    ...(active === undefined ? [] : [`keep key ${active.kid} published until its tokens end`]),
  ]
}

const ripeKids = (state: IssuerState, { nowMs, census }: Facts): readonly string[] =>
  state.keys
    .filter((key) => key.state === 'retiring' && inUseUntilMs(state, key, census) <= nowMs)
    .map(({ kid }) => kid)

function aborting(state: IssuerState): readonly string[] {
  const prepared = preparedKeyOf(state)
  if (prepared !== undefined) return removing(prepared.kid)
  const { kid = '', before = '' } = activeKeyOf(state) ?? {}
  return [`have key ${before} sign again`, `keep key ${kid} published, prepared`]
}

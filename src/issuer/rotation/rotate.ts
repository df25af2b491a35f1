/**
 * Carries a rotation out: what is decided is written down first and done then, so that the same
 * command, asked again, goes on wherever it was killed.
 */
import type { Clock } from '../../lib/clock.ts'
import { PodroleError } from '../../lib/errors.ts'
import type { PublicSigningKey } from '../keys.ts'
import { hindranceIn, type OutsideFinding } from '../outside/findings.ts'
import {
  type Census,
  decideAbort,
  decideActivate,
  decideRetire,
  type Decision,
  type Facts,
  hindranceText,
  leftToDo,
  preparedKeyOf,
  type Refusal,
  withNewKey,
  withoutSeen,
  withRemoved,
  withSeen,
  withStops,
} from './decide.ts'
import { type IssuerState, type NewKey, publishedKeysOf, type RotationKey } from './state.ts'

/** Where a rotation's state is. */
export interface RotationStore {
  read(): Promise<IssuerState>
  /**
   * Durable, whole or not at all, and only over the state that was read.
   * @throws PodroleError where another one is there by now
   */
  write(next: IssuerState, previous: IssuerState): Promise<void>
}

/** All that a rotation touches. */
export interface RotationPorts {
  readonly clock: Clock
  readonly store: RotationStore
  /** Makes a pair and keeps it durably, or finds the one that was made and never named. */
  makeKey(state: IssuerState): Promise<NewKey>
  /** Deletes a private half, if it is there. */
  removeKey(key: RotationKey): Promise<void>
  /** Publishes `keys` beside what is there and drops `mayDrop`; the kids that were not there before. */
  publish(keys: readonly PublicSigningKey[], mayDrop: readonly string[]): Promise<readonly string[]>
  /** Looks at the issuer from outside for these keys. */
  look(keys: readonly PublicSigningKey[]): Promise<readonly OutsideFinding[]>
  /** Of tokens that were seen, for as much as this state asks about. */
  census(state: IssuerState): Promise<Census>
}

/** What a command did. */
export interface Rotated {
  readonly state: IssuerState
  /** The keys that it concerned. */
  readonly kids: readonly string[]
  /** It found and ended what a command before it had begun. */
  readonly resumed: boolean
}

/**
 * Makes the next key, publishes it and sees it from outside. A key that is prepared already is
 * published and looked at again.
 * @throws PodroleError `OutsideFaulty`: it is prepared, but it was not seen; and what the ports throw
 */
export async function prepare(ports: RotationPorts): Promise<Rotated> {
  let state = await begin(ports)
  const found = preparedKeyOf(state)
  if (found?.seenAt !== undefined && !(await isSeen(ports, state))) {
    state = await write(ports, state, withoutSeen(state))
  }
  if (found === undefined) {
    const key = await ports.makeKey(state)
    state = await write(ports, state, withNewKey(state, key, ports.clock.now()))
  }
  const { state: seen } = await publishAndSee(ports, state)
  const kid = preparedKeyOf(seen)?.kid ?? ''
  return { state: seen, kids: [kid], resumed: found !== undefined }
}

/**
 * Makes what is published agree with the state, and records that it was seen from outside.
 * @throws PodroleError `OutsideFaulty` and what the ports throw
 */
export async function publishAndSee(ports: RotationPorts, state: IssuerState): Promise<Rotated> {
  const { publish, remove } = leftToDo(state)
  let current = await publishAll(ports, state)
  const findings = await ports.look(publish)
  const first = hindranceIn(findings)
  if (first !== undefined) {
    throw new PodroleError('OutsideFaulty', `published, but ${hindranceText(state, first)}`, {
      hint: `${first.hint}; then ask the same again`,
    })
  }
  current = await finishRemovals(ports, current, remove)
  const next = withSeen(current, ports.clock.now())
  return { state: await write(ports, current, next), kids: [], resumed: false }
}

/**
 * Has the prepared key sign from now on.
 * @throws PodroleError with a `Refusal`'s code and message; and what the ports throw
 */
export async function activate(ports: RotationPorts): Promise<Rotated> {
  const { state, kids } = await decideAndWrite(ports, decideActivate)
  return { state, kids, resumed: false }
}

/**
 * Unpublishes the keys that no live token can name, and deletes their private halves.
 * @throws PodroleError with a `Refusal`'s code and message; and what the ports throw
 */
export async function retire(ports: RotationPorts): Promise<Rotated> {
  return (await resumeRemovals(ports)) ?? (await decideAndRemove(ports, decideRetire))
}

/**
 * Takes the last step back that can be.
 * @throws PodroleError with a `Refusal`'s code and message; and what the ports throw
 */
export async function abort(ports: RotationPorts): Promise<Rotated> {
  // One that was killed is ended, and no second step taken back.
  return (await resumeRemovals(ports)) ?? (await decideAndRemove(ports, decideAbort))
}

async function resumeRemovals(ports: RotationPorts): Promise<Rotated | undefined> {
  const state = await begin(ports)
  const { remove } = leftToDo(state)
  if (remove.length === 0) return undefined
  const ended = await unpublishAndRemove(ports, state)
  return { state: ended, kids: remove.map(({ kid }) => kid), resumed: true }
}

async function decideAndRemove(
  ports: RotationPorts,
  decide: (state: IssuerState, facts: Facts) => Decision,
): Promise<Rotated> {
  const { state, kids } = await decideAndWrite(ports, decide)
  return { state: await unpublishAndRemove(ports, state), kids, resumed: false }
}

async function unpublishAndRemove(ports: RotationPorts, state: IssuerState): Promise<IssuerState> {
  const { remove } = leftToDo(state)
  return remove.length === 0 ? state : finishRemovals(ports, await publishAll(ports, state), remove)
}

/** A prepared key that was not there any more has to be seen, and to settle, again. */
async function publishAll(ports: RotationPorts, state: IssuerState): Promise<IssuerState> {
  const { publish, remove } = leftToDo(state)
  const added = await ports.publish(
    publish,
    remove.map(({ kid }) => kid),
  )
  const prepared = preparedKeyOf(state)
  return prepared !== undefined && added.includes(prepared.kid)
    ? write(ports, state, withoutSeen(state))
    : state
}

/** Of keys that are published no more. */
async function finishRemovals(
  ports: RotationPorts,
  state: IssuerState,
  keys: readonly RotationKey[],
): Promise<IssuerState> {
  if (keys.length === 0) return state
  for (const key of keys) await ports.removeKey(key)
  const kids = keys.map(({ kid }) => kid)
  return write(ports, state, withRemoved(state, kids, ports.clock.now()))
}

/** Looks from outside only where everything else allows the step, and then last. */
async function decideAndWrite(
  ports: RotationPorts,
  decide: (state: IssuerState, facts: Facts) => Decision,
): Promise<{ readonly state: IssuerState; readonly kids: readonly string[] }> {
  const state = await begin(ports)
  const census = await ports.census(state)
  let decision = decide(state, { nowMs: ports.clock.now(), census })
  if (decision.kind === 'look') {
    const findings = await ports.look(decision.keys)
    decision = decide(state, { nowMs: ports.clock.now(), census, findings })
  }
  if (decision.kind === 'change') {
    const { next, kids } = decision
    const written = await write(ports, state, next)
    return { state: await write(ports, written, withStops(written, ports.clock.now())), kids }
  }
  if (decision.kind === 'look') throw new Error('a look was asked for twice')
  if (decision.next !== undefined) await write(ports, state, decision.next)
  throw refusalFault(decision)
}

/** A refusal as a fault of the command. */
const refusalFault = ({ code, message, hint }: Refusal): PodroleError =>
  new PodroleError(code, message, hint === undefined ? {} : { hint })

async function isSeen(ports: RotationPorts, state: IssuerState): Promise<boolean> {
  const findings = await ports.look(publishedKeysOf(state))
  return !findings.some(({ code }) => code === 'KeyMissing')
}

/** The state, with what a command that was killed could not record any more. */
async function begin(ports: RotationPorts): Promise<IssuerState> {
  const state = await ports.store.read()
  return write(ports, state, withStops(state, ports.clock.now()))
}

async function write(
  { store }: RotationPorts,
  previous: IssuerState,
  next: IssuerState,
): Promise<IssuerState> {
  if (JSON.stringify(next) === JSON.stringify(previous)) return previous
  await store.write(next, previous)
  return next
}

/** Rotates the fleet issuer's keys, also with several brokers at one store. */
import type { PublicSigningKey } from '../issuer/keys.ts'
import type { OutsideFinding } from '../issuer/outside/findings.ts'
import {
  activate,
  prepare,
  retire,
  type Rotated,
  type RotationPorts,
} from '../issuer/rotation/rotate.ts'
import type { IssuerState } from '../issuer/rotation/state.ts'
import { type UnattendedStep, unattendedStep } from '../issuer/rotation/unattended.ts'
import { codeOf, PodroleError } from '../lib/errors.ts'
import { follow } from '../lib/following.ts'
import type { Log } from '../lib/log.ts'
import { tellOnce } from '../lib/told-once.ts'
import { type FleetKeyPlace, type FollowedKeys, keepNewKey } from './fleet-keys.ts'

/** Looks at the fleet issuer from outside for these keys. */
export type LookOutside = (keys: readonly PublicSigningKey[]) => Promise<readonly OutsideFinding[]>

/** What another broker changed meanwhile: its step counts, and this one's is asked for again. */
const CHANGED = 'IssuerStateChanged'

/**
 * A rotation over the store that all brokers share; each of them publishes what is there.
 * @param keys this broker's own
 */
export function fleetRotationPorts(
  place: FleetKeyPlace,
  keys: FollowedKeys,
  look: LookOutside,
): RotationPorts {
  const { clock, store } = place
  // Several commands may be under way here: each writes over the state that it read itself.
  const versions = new WeakMap<IssuerState, number>()
  return {
    clock,
    store: {
      read: async () => {
        const stored = await store.readIssuerState()
        if (stored === undefined) throw new PodroleError(CHANGED, 'the issuer has no state yet')
        versions.set(stored.state, stored.version)
        return stored.state
      },
      write: async (next, previous) => {
        const version = versions.get(previous)
        if (version === undefined || !(await store.replaceIssuerState(next, version))) {
          throw new PodroleError(CHANGED, 'another broker has changed the keys meanwhile', {
            hint: 'ask the same again',
            status: 409,
          })
        }
        versions.set(next, version + 1)
      },
    },
    makeKey: (state) => keepNewKey(place, state),
    removeKey: ({ kid }) => store.deleteSigningKey(kid),
    // Every broker serves the store's state, the others within seconds: the look that follows proves it.
    publish: async () => {
      await keys.refresh()
      return []
    },
    look,
    census: async () => new Map(),
  }
}

const STEPS: Readonly<Record<UnattendedStep, (ports: RotationPorts) => Promise<Rotated>>> = {
  prepare,
  activate,
  retire,
}

/** Takes the step that is due, if one is; a fault is told of once and met again at the next call. */
export function createUnattended(
  ports: RotationPorts,
  { rotateEverySeconds, log }: { readonly rotateEverySeconds: number; readonly log: Log },
): () => Promise<void> {
  const told = tellOnce((fields) => log.warn('signing keys not rotated', fields))
  return async () => {
    try {
      const state = await ports.store.read()
      const step = unattendedStep(state, { nowMs: ports.clock.now(), rotateEverySeconds })
      if (step === undefined) return
      const { kids } = await STEPS[step](ports)
      log.info(`signing keys: ${step} done`, { kids })
      told.clear()
    } catch (error) {
      if (codeOf(error) !== CHANGED) told.fault(error)
    }
  }
}

export interface Following {
  readonly log: Log
  /** Undefined where nothing looks from outside. */
  readonly rotation: RotationPorts | undefined
  /** How long a key signs before the next one takes over; undefined: nothing rotates by itself. */
  readonly rotateEverySeconds: number | undefined
  readonly keyCheckMs?: number
}

const KEY_CHECK_MS = 5000

/** Keeps to the keys that are in the store, and rotates them where that is asked. */
export function followFleetKeys(
  keys: FollowedKeys,
  { log, rotation, rotateEverySeconds, keyCheckMs = KEY_CHECK_MS }: Following,
): { stop(): Promise<void> } {
  const rotate =
    rotation === undefined || rotateEverySeconds === undefined
      ? async () => undefined
      : createUnattended(rotation, { rotateEverySeconds, log })
  let rotating: Promise<void> | undefined
  const following = follow({
    what: 'signing keys',
    read: async () => {
      // A look from outside takes seconds, and the keys must be followed meanwhile.
      rotating ??= rotate().finally(() => {
        rotating = undefined
      })
      await keys.refresh()
      return keys.read
    },
    current: keys.read,
    isSame: (a, b) => a.version === b.version,
    onChange: () => undefined,
    fieldsOf: ({ state }) => ({
      keys: state.keys
        .filter(({ removedAt }) => removedAt === undefined)
        .map(({ kid, state: stage }) => `${stage} ${kid}`),
    }),
    // Several brokers look at different times.
    pollMs: keyCheckMs * (0.8 + 0.4 * Math.random()),
    log,
  })
  return {
    stop: async () => {
      await following.stop()
      await rotating
    },
  }
}

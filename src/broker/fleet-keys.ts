/** The fleet issuer's keys: kept in the store, sealed, the same for every broker that shares it. */
import { exportSigningKey, generateSigningKey, loadSigningKey } from '../issuer/keys.ts'
import type { PublicSigningKey, SigningKey } from '../issuer/keys.ts'
import { withNewKey } from '../issuer/rotation/decide.ts'
import {
  activeKeyOf,
  type IssuerState,
  type NewKey,
  newKeyOf,
  publishedKeysOf,
} from '../issuer/rotation/state.ts'
import { isUnsealed, type KeySealer } from '../issuer/sealing/sealer.ts'
import type { Clock } from '../lib/clock.ts'
import { PodroleError } from '../lib/errors.ts'
import { Secret } from '../lib/secret.ts'
import { EksFault } from './eks-wire.ts'
import { FLEET_TOKEN_SECONDS } from './fleet-token.ts'
import type { FleetKeyStore, StoredIssuerState, StoredSigningKey } from './store.ts'

/** What the broker signs with and publishes. */
export interface FleetKeys {
  /** @throws EksFault `ServiceUnavailableException`: it is not known any more which one signs */
  signing(): SigningKey
  /** All whose tokens may be in use, and the next one. */
  published(): readonly PublicSigningKey[]
}

/** Where the keys are, and how their private halves are sealed. */
export interface FleetKeyPlace {
  readonly store: FleetKeyStore
  /** Undefined where they lie in the store as they are. */
  readonly sealer: KeySealer | undefined
  /** The fleet issuer's URL. */
  readonly issuer: string
  readonly settleSeconds: number
  readonly clock: Clock
}

/** The keys as they were at one reading. */
export interface ReadKeys extends StoredIssuerState {
  readonly signing: SigningKey
}

/**
 * Reads the keys; the first broker of a store makes one. A private half that lies there unsealed is
 * sealed, where there is a sealer by now.
 * @param known what was read before: a key that is open is not opened again
 * @throws PodroleError `OtherIssuerStored`, `KeySealed`, `SealedKeyUnreadable`, `IssuerStateDamaged`
 */
export async function readFleetKeys(place: FleetKeyPlace, known?: ReadKeys): Promise<ReadKeys> {
  for (;;) {
    const stored = await place.store.readIssuerState()
    if (stored === undefined) {
      // Another broker may be faster; then its key is the one.
      await place.store.replaceIssuerState(await firstState(place), undefined)
      continue
    }
    if (stored.version === known?.version) return known
    return { ...stored, signing: await openSigning(place, stored.state, known) }
  }
}

async function firstState(place: FleetKeyPlace): Promise<IssuerState> {
  const { issuer, settleSeconds, clock } = place
  const empty: IssuerState = {
    version: 1,
    issuer,
    settleSeconds,
    maxTokenSeconds: FLEET_TOKEN_SECONDS,
    keys: [],
  }
  return withNewKey(empty, await keepNewKey(place, empty), clock.now())
}

/**
 * A new pair whose private half is in the store, or the one that was kept there and that no state
 * names: a broker was killed in between, or two of them make the next key at once.
 */
export async function keepNewKey(
  place: FleetKeyPlace,
  { keys }: Pick<IssuerState, 'keys'>,
): Promise<NewKey> {
  const kept = await place.store.listSigningKeys()
  const isSealedHere = ({ exported }: StoredSigningKey): boolean =>
    place.sealer === undefined || place.sealer.seals(exported.reveal())
  const left = kept.find((one) => isSealedHere(one) && !keys.some(({ kid }) => kid === one.kid))
  const key =
    left === undefined
      ? await generateSigningKey('ES256')
      : loadSigningKey((await openStored(place, left)).reveal())
  if (left === undefined) await putKey(place, key)
  return newKeyOf(key, { store: key.kid })
}

async function putKey(place: FleetKeyPlace, key: SigningKey): Promise<void> {
  const { store, sealer, issuer, clock } = place
  const plain = exportSigningKey(key)
  const exported =
    sealer === undefined ? plain : new Secret(await sealer.seal(plain, { issuer, kid: key.kid }))
  await store.putSigningKey({ kid: key.kid, exported, createdAtMs: clock.now() })
}

async function openSigning(
  place: FleetKeyPlace,
  state: IssuerState,
  known: ReadKeys | undefined,
): Promise<SigningKey> {
  if (state.issuer !== place.issuer) {
    throw new PodroleError(
      'OtherIssuerStored',
      `the database holds the keys of ${state.issuer}: wanted ${place.issuer}`,
      { hint: 'an issuer keeps its URL; another one has a database of its own' },
    )
  }
  const active = activeKeyOf(state)
  if (active === undefined) {
    throw new PodroleError('IssuerStateDamaged', 'no key of the fleet issuer is active')
  }
  if (known?.signing.kid === active.kid) return known.signing
  const stored = (await place.store.listSigningKeys()).find(({ kid }) => kid === active.kid)
  if (stored === undefined) {
    throw new PodroleError(
      'IssuerStateDamaged',
      `the private half of key ${active.kid} is not in the database`,
    )
  }
  const key = loadSigningKey((await openStored(place, stored)).reveal())
  if (place.sealer !== undefined && isUnsealed(stored.exported.reveal())) await putKey(place, key)
  return key
}

async function openStored(
  { sealer, issuer }: FleetKeyPlace,
  { kid, exported }: StoredSigningKey,
): Promise<Secret> {
  if (isUnsealed(exported.reveal())) return exported
  if (sealer?.seals(exported.reveal()) === true)
    return sealer.open(exported.reveal(), { issuer, kid })
  const found = sealer === undefined ? 'no sealing is set' : `sealing is set to ${sealer.name}`
  throw new PodroleError(
    'KeySealed',
    `key ${kid} of ${issuer} is sealed with something else: ${found}`,
    {
      hint: "set the broker's `sealing` to what it was when the key was made",
    },
  )
}

/** Until when a reading counts, in milliseconds: a key that may be retired meanwhile signs nothing. */
const FOLLOWED_MS = 45_000

/** The keys that are in the store, as long as they are read again and again. */
export class FollowedKeys implements FleetKeys {
  readonly #place: FleetKeyPlace
  readonly #monotonicMs: () => number
  #keys: ReadKeys
  #readAtMs: number

  private constructor(place: FleetKeyPlace, keys: ReadKeys, monotonicMs: () => number) {
    this.#place = place
    this.#keys = keys
    this.#monotonicMs = monotonicMs
    this.#readAtMs = monotonicMs()
  }

  /**
   * @param monotonicMs time that no step of the clock changes
   * @throws PodroleError what `readFleetKeys` throws
   */
  static async open(
    place: FleetKeyPlace,
    monotonicMs: () => number = () => performance.now(),
  ): Promise<FollowedKeys> {
    return new FollowedKeys(place, await readFleetKeys(place), monotonicMs)
  }

  /** How far they were at the last reading. */
  get read(): StoredIssuerState {
    return this.#keys
  }

  /** Reads them again; where that fails, those from before count for a while. */
  async refresh(): Promise<void> {
    const startedMs = this.#monotonicMs()
    const keys = await readFleetKeys(this.#place, this.#keys)
    // One that began later has ended before: what it read is as new, or newer.
    if (startedMs < this.#readAtMs) return
    this.#keys = keys
    this.#readAtMs = startedMs
  }

  signing(): SigningKey {
    const ageMs = this.#monotonicMs() - this.#readAtMs
    if (ageMs <= FOLLOWED_MS) return this.#keys.signing
    throw new EksFault(
      'ServiceUnavailableException',
      `the database was last read ${Math.round(ageMs / 1000)} s ago: the signing key may be retired`,
    )
  }

  published(): readonly PublicSigningKey[] {
    return publishedKeysOf(this.#keys.state)
  }
}

/** An issuer's keys and how far each is in its life: a value, wherever it is kept. */
import { z } from 'zod'
import { PodroleError } from '../../lib/errors.ts'
import { faultOfIssuerUrl } from '../issuer-url.ts'
import { kidOfJwk, type PublicSigningKey } from '../keys.ts'

/**
 * `prepared`: published, signs nothing yet (or no more, where its activation was taken back).
 * `active`: published, the one that signs. `retiring`: published, signs no more; tokens that it
 * signed are still in use. `retired`: to be published no more, its private half to be deleted.
 */
export const KEY_STATES = ['prepared', 'active', 'retiring', 'retired'] as const
export type KeyState = (typeof KEY_STATES)[number]

/** More than STS takes of both types, so that the list of past keys is bounded. */
const MAX_KEYS = 256
const MAX_SECONDS = 100 * 365 * 86_400
/** UTC, with the `Z`; those of one state never go back (`decide.ts`). */
const time = z.iso.datetime().max(40)
const text = z.string().min(1).max(2000)
const member = z.string().max(6000)

const keySchema = z.strictObject({
  kid: z.string().min(1).max(1024),
  publicJwk: z.strictObject({
    use: z.literal('sig'),
    kty: z.enum(['RSA', 'EC']),
    kid: z.string(),
    alg: z.enum(['RS256', 'ES256', 'ES384', 'ES512']),
    n: member.exactOptional(),
    e: member.exactOptional(),
    crv: member.exactOptional(),
    x: member.exactOptional(),
    y: member.exactOptional(),
  }),
  state: z.enum(KEY_STATES),
  /**
   * Where the private half is: a file of the folder, a key of AWS KMS that never leaves it, or under
   * its kid in a broker's store.
   */
  source: z.union([
    z.strictObject({ file: z.string().regex(/^[\w-]{1,100}\.pem$/, 'wanted KID.pem') }),
    z.strictObject({ kms: z.string().regex(/^arn:[\w-]+:kms:\S{1,400}$/, 'wanted a KMS key ARN') }),
    z.strictObject({ store: z.string().regex(/^[\w-]{1,100}$/, 'wanted a kid') }),
  ]),
  preparedAt: time,
  /** When it was first seen from outside at the published URL. */
  seenAt: time.exactOptional(),
  /** When it last began to sign. */
  activatedAt: time.exactOptional(),
  /** Of the active key: the kid of the one that signed before, and signs again if this is taken back. */
  before: z.string().exactOptional(),
  /** When it had stopped signing; left out of one that signs, never did, or may still do so. */
  stoppedAt: time.exactOptional(),
  /** When it was decided that no token in use names it. */
  retiredAt: time.exactOptional(),
  /** When it was published no more and its private half was gone. */
  removedAt: time.exactOptional(),
})

const stateSchema = z
  .strictObject({
    version: z.literal(1),
    issuer: z.string(),
    /** Where the documents are written; left out where something else serves this folder's keys. */
    publish: z
      .strictObject({
        /** `s3://BUCKET[/PREFIX]`, or a folder's absolute path. */
        to: text,
        region: text.exactOptional(),
        /** Where the documents are read from, if that is not S3 itself. */
        issuerUrl: text.exactOptional(),
        /** Opened by ACLs in place of a bucket policy. */
        acl: z.literal(true).exactOptional(),
        /** How long others may keep the documents, in seconds. */
        maxAgeSeconds: z.int().min(0).max(MAX_SECONDS),
      })
      .exactOptional(),
    /** How long a key is seen from outside before it may sign, in seconds. */
    settleSeconds: z.int().min(0).max(MAX_SECONDS),
    /** The longest life of a token, in seconds; what the API server extends is counted. */
    maxTokenSeconds: z.int().min(1).max(MAX_SECONDS),
    /**
     * How long a signer may go on with what it read before, in seconds; a minute where it is left
     * out.
     */
    followSeconds: z.int().min(1).max(MAX_SECONDS).exactOptional(),
    keys: z.array(keySchema).max(MAX_KEYS),
  })
  .superRefine(({ issuer, keys }, context) => {
    for (const message of faultsOf(issuer, keys)) context.addIssue({ code: 'custom', message })
  })

/** A key of an issuer, in its place between `prepared` and `retired`. Times are ISO 8601, UTC. */
export type RotationKey = Readonly<z.output<typeof keySchema>>
/** All that an issuer's rotation knows; `issuer.json` holds it. */
export type IssuerState = Readonly<Omit<z.output<typeof stateSchema>, 'keys'>> & {
  readonly keys: readonly RotationKey[]
}

/** A pair that was made or found and is kept, and that no state names yet. */
export type NewKey = Pick<RotationKey, 'kid' | 'publicJwk' | 'source'>

/** A key as a state names it, with where its private half is. */
export const newKeyOf = (
  { kid, publicJwk }: PublicSigningKey,
  source: RotationKey['source'],
): NewKey => ({ kid, publicJwk: keySchema.shape.publicJwk.parse(publicJwk), source })

/**
 * Reads a state that was written down; `from` is whose text it is, for messages.
 * @throws PodroleError `IssuerStateDamaged` with the path of every fault
 */
export function parseIssuerState(json: string, from: string): IssuerState {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    throw damaged(from, 'it is not JSON')
  }
  const read = stateSchema.safeParse(value)
  if (read.success) return read.data
  const faults = read.error.issues
    .slice(0, 10)
    .map(({ path, message }) => `${path.map(String).join('.') || 'all of it'}: ${message}`)
  throw damaged(from, faults.join('; '))
}

const damaged = (from: string, why: string): PodroleError =>
  new PodroleError('IssuerStateDamaged', `${from} is no state of an issuer: ${why}`, {
    hint: 'podrole issuer rotate writes it whole or not at all; who changed it by hand put it back',
  })

/** What the form of each member does not say. */
function* faultsOf(issuer: string, keys: readonly RotationKey[]): Generator<string> {
  const fault = faultOfIssuerUrl(issuer)
  if (fault !== undefined) yield fault.message
  const count = (state: KeyState): number => keys.filter((key) => key.state === state).length
  if (count('active') > 1) yield 'keys: more than one is active'
  if (count('prepared') > 1) yield 'keys: more than one is prepared'
  if (new Set(keys.map(({ kid }) => kid)).size < keys.length) yield 'keys: a kid is there twice'
  for (const key of keys) {
    const { kid, publicJwk, source } = key
    if (publicJwk.kid !== kid || !isKid(key)) {
      yield `key ${JSON.stringify(kid.slice(0, 100))} is not the kid of its publicJwk`
    }
    if ('file' in source && source.file !== `${kid}.pem`) {
      yield `key ${JSON.stringify(kid.slice(0, 100))} is in ${source.file}: wanted KID.pem`
    }
  }
}

function isKid({ kid, publicJwk }: RotationKey): boolean {
  try {
    return kidOfJwk(publicJwk) === kid
  } catch {
    return false
  }
}

/** The keys that an issuer in this state publishes, the active one first. */
export function publishedKeysOf({ keys }: Pick<IssuerState, 'keys'>): readonly PublicSigningKey[] {
  const published = (['active', 'prepared', 'retiring'] as const).flatMap((state) =>
    keys.filter((key) => key.state === state),
  )
  return published.map(({ kid, publicJwk }) => ({ kid, publicJwk }))
}

/** The key that signs; undefined where none does yet. */
export const activeKeyOf = ({ keys }: Pick<IssuerState, 'keys'>): RotationKey | undefined =>
  keys.find(({ state }) => state === 'active')

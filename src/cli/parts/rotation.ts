/** What `podrole issuer rotate` works with: a folder, the place that it publishes to, the outside. */
import { JWKS_PATH } from '../../issuer/documents.ts'
import { makeKey } from '../../issuer/key-files.ts'
import type { KeyKind } from '../../issuer/key-kinds.ts'
import type { SigningKey } from '../../issuer/keys.ts'
import { readOutsideNames } from '../../issuer/outside/issuer-names.ts'
import { findKmsKey } from '../../issuer/signer/kms-key.ts'
import { publish } from '../../issuer/publishing/publish.ts'
import type { Census } from '../../issuer/rotation/decide.ts'
import type { OwnIssuerFolder } from '../../issuer/rotation/issuer-folder.ts'
import type { RotationPorts } from '../../issuer/rotation/rotate.ts'
import {
  type IssuerState,
  type NewKey,
  newKeyOf,
  type RotationKey,
} from '../../issuer/rotation/state.ts'
import { systemClock } from '../../lib/clock.ts'
import { PodroleError } from '../../lib/errors.ts'
import { printNote } from '../output.ts'
import { findFromOutside } from './outside-findings.ts'
import { type Destination, openDestination, tellWritten } from './publishing.ts'

export interface RotationOptions {
  /** Of a key that is made. */
  readonly keyKind?: KeyKind
  /** ARN of a key of AWS KMS, in place of one that is made. */
  readonly kmsKey?: string
  /** How long to look for what may still come, in milliseconds; 0 looks once. */
  readonly waitMs?: number
  /** The place, where it is open already. */
  readonly destination?: Destination
  /** Of tokens that were seen; none by default. */
  readonly census?: (state: IssuerState) => Promise<Census>
}

/** The place that a state publishes to; undefined where it names none. */
export async function openStatePlace(
  state: Pick<IssuerState, 'issuer' | 'publish'>,
): Promise<Destination | undefined> {
  if (state.publish === undefined) return undefined
  const { to, region, issuerUrl, acl = false } = state.publish
  const destination = await openDestination({
    to,
    createBucket: false,
    acl,
    ...(region !== undefined && { region }),
    ...(issuerUrl !== undefined && { issuerUrl }),
  })
  if (destination.issuer.issuer === state.issuer) return destination
  destination.s3?.open.close()
  throw new PodroleError(
    'OtherIssuer',
    `what is at ${to} is the issuer ${destination.issuer.issuer}: wanted ${state.issuer}`,
    { hint: 'issuer and publish of issuer.json must fit: they were made by init' },
  )
}

/** The ports of a rotation that is kept in a folder. */
export function folderPorts(
  own: OwnIssuerFolder,
  state: Pick<IssuerState, 'issuer' | 'publish'>,
  { keyKind = 'p-256', kmsKey, waitMs = 0, destination, census = noCensus }: RotationOptions,
): RotationPorts {
  const { issuer } = state
  const names = readOutsideNames(process.env)
  const jwksUri = destination === undefined ? {} : { jwksUri: issuer + JWKS_PATH }
  return {
    clock: systemClock,
    store: {
      read: () => readOwn(own),
      // The folder's lock keeps others out.
      write: (next) => own.write(next),
    },
    makeKey: (current) =>
      kmsKey === undefined ? makeFolderKey(own, current, keyKind) : takeKmsKey(current, kmsKey),
    removeKey: (key) => removeFolderKey(own, key),
    publish: async (keys, mayDrop) => {
      if (destination === undefined) return []
      const { maxAgeSeconds = 0 } = state.publish ?? {}
      const wanted = { issuer, keys, mayDrop, keepPublished: true, maxAgeSeconds }
      const { prepare, store } = destination
      const plan = await publish(store, wanted, { prepare })
      tellWritten(store.place, plan)
      return plan.added
    },
    look: (keys) => findFromOutside({ issuer, keys, ...jwksUri }, { names, waitMs }),
    census,
  }
}

const noCensus = async (): Promise<Census> => new Map()

/** @throws PodroleError `NoIssuerFolder` */
export async function readOwn(own: OwnIssuerFolder): Promise<IssuerState> {
  const state = await own.read()
  if (state !== undefined) return state
  throw new PodroleError('NoIssuerFolder', `${own.folder} has no issuer.json`, {
    hint: `podrole issuer rotate init --dir ${own.folder} makes one`,
  })
}

/**
 * A key of AWS KMS, which is published and signs from there.
 * @throws PodroleError `KeyKnown`, and what `findKmsKey` throws
 */
export async function takeKmsKey(
  { keys }: Pick<IssuerState, 'keys'>,
  arn: string,
): Promise<NewKey> {
  const key = await findKmsKey(arn)
  const known = keys.find(({ kid }) => kid === key.kid)
  if (known === undefined) return newKeyOf(key, { kms: arn })
  throw new PodroleError(
    'KeyKnown',
    `${arn} is key ${key.kid}, which this issuer has already (${known.state})`,
    { hint: 'a rotation is to a new key: make one in KMS, or leave --kms-key out' },
  )
}

export const isInKms = ({ source }: Pick<RotationKey, 'source'>, arn: string): boolean =>
  'kms' in source && source.kms === arn

/** Where a folder has a key's private half. */
export const fileOf = ({ kid }: Pick<SigningKey, 'kid'>): RotationKey['source'] => ({
  file: `${kid}.pem`,
})

/** A new pair in a file, or the one of that kind that a killed command left there. */
export async function makeFolderKey(
  own: OwnIssuerFolder,
  state: Pick<IssuerState, 'keys'>,
  kind: KeyKind,
): Promise<NewKey> {
  const left = (await own.leftKeys(state)).find((key) => kindOf(key) === kind)
  const key = left ?? (await makeKey(kind))
  if (left === undefined) await own.addKey(key)
  return newKeyOf(key, fileOf(key))
}

const EC_KINDS = { ES256: 'p-256', ES384: 'p-384', ES512: 'p-521' } as const

const kindOf = ({ algorithm, privateKey }: SigningKey): string =>
  algorithm === 'RS256'
    ? `rsa-${privateKey.asymmetricKeyDetails?.modulusLength}`
    : EC_KINDS[algorithm]

async function removeFolderKey(own: OwnIssuerFolder, key: RotationKey): Promise<void> {
  if ('kms' in key.source) {
    printNote(`key ${key.kid} is ${key.source.kms} in AWS KMS, which is left as it is`)
  } else await own.removeKey(key.kid)
}

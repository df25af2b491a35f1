import { PodroleError } from '../../lib/errors.ts'
import type { SigningKey } from '../keys.ts'
import {
  activeKeyOf,
  type IssuerState,
  publishedKeysOf,
  type RotationKey,
} from '../rotation/state.ts'
import { localKey } from './active-key.ts'
import type { KmsKeys } from './kms-key.ts'
import type { IssuerKeys } from './signing-source.ts'

/** What an API server takes at least (k8s.io/externaljwt, MetadataResponse). */
const MIN_TOKEN_SECONDS = 600

/**
 * The keys of an issuer whose state is written down: prepared and retiring ones are published too,
 * since tokens of theirs will be, or are, in use.
 * @param from whose state it is, for messages
 * @throws PodroleError `NoActiveKey`, `TokenLifeTooShort`, and what loading the active key throws
 */
export async function keysOfState(
  state: IssuerState,
  from: string,
  halves: {
    /** Of a key that is in a file. */
    readonly load: (key: RotationKey) => Promise<SigningKey>
    readonly kms: KmsKeys
  },
): Promise<IssuerKeys> {
  const { maxTokenSeconds, settleSeconds } = state
  checkTokenLife(maxTokenSeconds, from)
  const active = activeKeyOf(state)
  if (active === undefined) {
    throw new PodroleError('NoActiveKey', `${from} has no active key`, {
      hint: 'podrole issuer rotate status says what it waits for',
    })
  }
  const { source } = active
  return {
    published: publishedKeysOf(state),
    active:
      'kms' in source ? await halves.kms(source.kms, active) : localKey(await halves.load(active)),
    maxTokenSeconds,
    settleSeconds,
  }
}

/** @throws PodroleError `TokenLifeTooShort`: an API server would not start */
export function checkTokenLife(seconds: number, from: string): void {
  if (seconds >= MIN_TOKEN_SECONDS) return
  throw new PodroleError(
    'TokenLifeTooShort',
    `${from} lets a token live ${seconds} seconds: wanted ${MIN_TOKEN_SECONDS} or more`,
    { hint: 'kube-apiserver does not start with less' },
  )
}

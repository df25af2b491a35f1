/** Who signs a cluster's service account tokens, and what they are verified with. */
import { createPublicKey } from 'node:crypto'
import { jwksOf } from '../../issuer/documents.ts'
import { suitableKey, type SigningKey, withKid } from '../../issuer/keys.ts'
import { signToken } from '../../issuer/sign.ts'
import type { FetchKeysResponse } from '../../issuer/signer/external-jwt.ts'
import type { SignerClient } from '../../issuer/signer/signer-client.ts'
import { PodroleError } from '../../lib/errors.ts'
import { faultFields, type Log } from '../../lib/log.ts'
import { Secret } from '../../lib/secret.ts'
import { createKeySet, type Jwks, type KeySet } from '../../token/jwks.ts'
import { decodeToken } from '../../token/verify.ts'

export interface TokenKeys {
  /** Seconds that a token may live at most; undefined where nobody limits it. */
  readonly maxTokenSeconds?: number
  sign(claims: Readonly<Record<string, unknown>>): Promise<Secret>
  /** What the cluster publishes; the same object until it changes. */
  jwks(): Jwks
  /** What a token is verified with: all keys that are known, asked for anew where its own is not. */
  keysFor(token: string): Promise<KeySet>
  stop(): void
}

/** The cluster's own key. */
export function ownKey(key: SigningKey): TokenKeys {
  const jwks = jwksOf([key])
  const keys = createKeySet(jwks)
  return {
    sign: (claims) => signToken(key, claims),
    jwks: () => jwks,
    keysFor: () => Promise.resolve(keys),
    stop: () => undefined,
  }
}

interface Known {
  readonly kids: ReadonlySet<string>
  readonly jwks: Jwks
  readonly keys: KeySet
  readonly refreshSeconds: number
}

/** As kube-apiserver's keycache.go has it. */
const RETRY_SECONDS = 10

/**
 * An ExternalJWTSigner at a Unix socket, as `--service-account-signing-endpoint` of kube-apiserver
 * takes one (kubernetes/kubernetes pkg/serviceaccount/externaljwt/plugin).
 * @throws PodroleError `SignerFailed`: nobody answers there, or it gives no keys
 */
export async function externalSigner(
  socket: string,
  { log, deadlineMs }: { readonly log: Log; readonly deadlineMs?: number },
): Promise<TokenKeys> {
  const { createSignerClient } = await import('../../issuer/signer/signer-client.ts')
  const client = createSignerClient(socket, { ...(deadlineMs !== undefined && { deadlineMs }) })
  try {
    return await startExternal(client, log)
  } catch (error) {
    client.close()
    throw error
  }
}

async function startExternal(client: SignerClient, log: Log): Promise<TokenKeys> {
  const { maxTokenExpirationSeconds: maxTokenSeconds } = await client.metadata()
  let known = readKeys(await client.fetchKeys())
  const fetchKeys = async (): Promise<void> => {
    known = readKeys(await client.fetchKeys())
  }
  let timer: ReturnType<typeof setTimeout> | undefined
  let isStopped = false
  const refresh = async (): Promise<number> => {
    try {
      await fetchKeys()
      return known.refreshSeconds
    } catch (error) {
      log.warn('keys of the external signer not refreshed', faultFields(error))
      return RETRY_SECONDS
    }
  }
  const schedule = (seconds: number): void => {
    if (isStopped) return
    timer = setTimeout(() => void refresh().then(schedule), seconds * 1000)
    timer.unref()
  }
  schedule(known.refreshSeconds)
  return {
    maxTokenSeconds,
    sign: async (claims) => {
      const segment = Buffer.from(JSON.stringify(claims)).toString('base64url')
      const { header, signature } = await client.sign(segment)
      const token = `${header}.${segment}.${signature}`
      if (!known.kids.has(kidIn(token))) await refresh()
      return new Secret(token)
    },
    jwks: () => known.jwks,
    keysFor: async (token) => {
      if (!known.kids.has(kidIn(token))) await refresh()
      return known.keys
    },
    stop: () => {
      isStopped = true
      clearTimeout(timer)
      client.close()
    },
  }
}

/** @throws TokenFault where the text is no token */
const kidIn = (token: string): string => decodeToken(token).header.kid ?? ''

function readKeys({ keys, refreshHintSeconds }: FetchKeysResponse): Known {
  if (keys.length === 0 || refreshHintSeconds <= 0) {
    throw new PodroleError('SignerFailed', 'the external signer gives no keys, or no refresh hint')
  }
  const read = keys.map(({ keyId, key, excludeFromOidcDiscovery }) => {
    const load = (): ReturnType<typeof createPublicKey> =>
      createPublicKey({ key: Buffer.from(key), format: 'der', type: 'spki' })
    const isPublished = !excludeFromOidcDiscovery
    return { ...withKid(suitableKey(load, `key ${keyId} of the signer`), keyId), isPublished }
  })
  return {
    kids: new Set(read.map(({ kid }) => kid)),
    jwks: jwksOf(read.filter(({ isPublished }) => isPublished)),
    keys: createKeySet(jwksOf(read)),
    refreshSeconds: refreshHintSeconds,
  }
}

import { afterEach, describe, expect, test } from 'bun:test'
import { generateSigningKey, type SigningKey } from '../../issuer/keys.ts'
import {
  ChangingSource,
  keySet,
  MAX_TOKEN_SECONDS,
  type SignerFixture,
  startSignerFixture,
} from '../../issuer/signer/signer.suite.ts'
import type { SignerOptions } from '../../issuer/signer/start-signer.ts'
import { systemClock } from '../../lib/clock.ts'
import { codeOf } from '../../lib/errors.ts'
import { decodeToken } from '../../token/verify.ts'
import { silentLog } from '../../lib/log.ts'
import { type Answer, call, makeCluster, type TestCluster } from './cluster.suite.ts'
import { externalSigner } from './token-keys.ts'

const [FIRST, SECOND, LEGACY] = (await Promise.all([1, 2, 3].map(() => generateSigningKey()))) as [
  SigningKey,
  SigningKey,
  SigningKey,
]
const ACCOUNT = '/api/v1/namespaces/default/serviceaccounts/default'
const AUDIENCE = 'https://kubernetes.default.svc'

const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

async function signedCluster(
  source: ChangingSource,
  more: Partial<SignerOptions> = {},
): Promise<{ cluster: TestCluster; signer: SignerFixture }> {
  const signer = await startSignerFixture(source, { clock: systemClock, ...more })
  ends.push(() => signer.stop())
  const cluster = await makeCluster({ clock: systemClock, signingEndpoint: signer.socket })
  ends.push(() => cluster.stop())
  return { cluster, signer }
}

const askToken = (cluster: TestCluster, expirationSeconds = 3600): Promise<Answer> =>
  call(cluster, 'POST', `${ACCOUNT}/token`, {
    body: {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { audiences: [AUDIENCE], expirationSeconds },
    },
  })

const tokenOf = async (cluster: TestCluster): Promise<string> =>
  String((await askToken(cluster)).body.status.token)

const kidOf = (token: string): string | undefined => decodeToken(token).header.kid

async function isTaken(cluster: TestCluster, token: string): Promise<boolean> {
  const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews'
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' }
  const { status } = await call(cluster, 'POST', path, { body, token })
  return status === 201
}

const publishedKids = async (cluster: TestCluster): Promise<readonly string[]> => {
  const { body } = await call(cluster, 'GET', '/openid/v1/jwks')
  return (body.keys as { kid: string }[]).map(({ kid }) => kid)
}

describe('a cluster that an ExternalJWTSigner signs for', () => {
  test('has its tokens signed there, takes them, and publishes what is for discovery', async () => {
    const { cluster } = await signedCluster(new ChangingSource(keySet(FIRST, SECOND)), {
      verifyOnly: [LEGACY],
    })
    const token = await tokenOf(cluster)
    expect(kidOf(token)).toBe(FIRST.kid)
    expect(await isTaken(cluster, token)).toBe(true)
    expect(await publishedKids(cluster)).toEqual([FIRST.kid, SECOND.kid])
    const { body } = await call(cluster, 'GET', '/.well-known/openid-configuration')
    expect(body.id_token_signing_alg_values_supported).toEqual(['ES256'])
    const [header, claims, signature] = token.split('.')
    expect(await isTaken(cluster, [header, claims, `A${signature?.slice(1)}`].join('.'))).toBe(
      false,
    )
  })

  test('follows a rotation with no restart; a retired key’s tokens end', async () => {
    const source = new ChangingSource({ ...keySet(FIRST), settleSeconds: 2 })
    const { cluster } = await signedCluster(source)
    const old = await tokenOf(cluster)
    source.keys = { ...keySet(SECOND, FIRST), settleSeconds: 2 }
    await Bun.sleep(60)
    const next = await tokenOf(cluster)
    expect(kidOf(next)).toBe(SECOND.kid)
    expect(await publishedKids(cluster)).toEqual([SECOND.kid, FIRST.kid])
    expect([await isTaken(cluster, old), await isTaken(cluster, next)]).toEqual([true, true])
    source.keys = { ...keySet(SECOND), settleSeconds: 2 }
    while ((await publishedKids(cluster)).length > 1) await Bun.sleep(50)
    expect([await isTaken(cluster, old), await isTaken(cluster, next)]).toEqual([false, true])
  })

  test('takes the signer’s longest life of a token as its own', async () => {
    const { cluster } = await signedCluster(new ChangingSource(keySet(FIRST)))
    const { body, headers } = await askToken(cluster, MAX_TOKEN_SECONDS * 2)
    expect(body.spec.expirationSeconds).toBe(MAX_TOKEN_SECONDS)
    expect(headers.get('warning')).toContain(
      `requested expiration of ${MAX_TOKEN_SECONDS * 2} seconds shortened to ${MAX_TOKEN_SECONDS} seconds`,
    )
  })

  test('gives no token when it cannot sign, and goes on taking those that are there', async () => {
    const source = new ChangingSource(keySet(FIRST))
    const { cluster } = await signedCluster(source)
    const token = await tokenOf(cluster)
    const sign = (): Promise<never> => Promise.reject(new Error('no'))
    source.keys = { ...source.keys, active: { ...source.keys.active, kid: SECOND.kid, sign } }
    await Bun.sleep(60)
    const { status, body } = await askToken(cluster)
    expect([status, body.reason]).toEqual([500, 'InternalError'])
    expect(body.message).toContain('failed to generate token: while signing jwt')
    expect(await isTaken(cluster, token)).toBe(true)
  })

  test('does not start where nobody answers', async () => {
    const starting = externalSigner('/nowhere/signer.sock', { log: silentLog, deadlineMs: 200 })
    expect(await starting.catch(codeOf)).toBe('SignerFailed')
  })
})

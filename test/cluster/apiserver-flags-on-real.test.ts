/**
 * kube-apiserver 1.36 is started with what `podrole issuer apiserver-flags` prints: it moves to
 * another issuer and another key, and no token that is in use is refused.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readApiServerKeys } from '../../src/issuer/cluster-keys.ts'
import { generateSigningKey, type SigningKey } from '../../src/issuer/keys.ts'
import type { KeyState } from '../../src/issuer/rotation/state.ts'
import { signToken } from '../../src/issuer/sign.ts'
import { type KubeClient, SERVICE_ACCOUNTS } from '../../src/kube/client.ts'
import { createKubeClient } from '../../src/kube/transport.ts'
import { codeOf } from '../../src/lib/errors.ts'
import { Secret } from '../../src/lib/secret.ts'
import { decodeToken } from '../../src/token/verify.ts'
import { writeIssuerFolder } from '../support/issuer-folder.ts'
import { issuerIn } from '../support/issuer-journey.ts'
import { findKubernetes } from '../support/kubernetes-binaries.ts'
import { type RealCluster, startRealCluster } from '../support/real-cluster.ts'
import { lacks } from '../support/tools.ts'

const kubernetes = await findKubernetes()
const isSkipped = lacks('the flags of a real API server', kubernetes.missing)

/** What a cluster has that kubeadm made. */
const OLD_ISSUER = 'https://kubernetes.default.svc.cluster.local'
const ISSUER = 'https://idp.example.com/c1'
const DAY_SECONDS = 86_400
const ACCOUNT = { namespace: 'default', name: 'default' }
const FIVE_MINUTES_MS = 300_000

const root = mkdtempSync(join(tmpdir(), 'podrole-flags-real-'))
const at = (name: string): string => join(root, name)
const keys = await Promise.all([1, 2].map(() => generateSigningKey()))
const [first, second] = keys as [SigningKey, SigningKey]
let cluster: RealCluster
/** Tokens in use, with what they are. */
const inUse: (readonly [string, string])[] = []

const printedFlags = async (...words: string[]): Promise<string[]> =>
  (await issuerIn(root, 'apiserver-flags', ...words)).trimEnd().split('\n')

/** The folder's keys in these states, and their public halves for the API server. */
async function writeKeys(...states: readonly (readonly [SigningKey, KeyState])[]): Promise<void> {
  const issuer = { issuer: ISSUER, settleSeconds: 60, maxTokenSeconds: DAY_SECONDS }
  await writeIssuerFolder(at('issuer'), issuer, ...states)
  writeFileSync(at('issuer/sa.pub'), await issuerIn(root, 'keys', 'issuer', '-o', 'pem'))
}

const clientWith = (token: Secret): KubeClient =>
  createKubeClient({
    server: cluster.server,
    ca: cluster.certificateAuthority,
    token: () => token,
  })
const admin = (): KubeClient => clientWith(cluster.adminToken)

/** Who the API server takes the bearer of a token for; undefined where it refuses it. */
async function userOf(token: string): Promise<string | undefined> {
  const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews'
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' }
  try {
    const response = await clientWith(new Secret(token)).raw('POST', path, { body })
    const review = (await response.json()) as { status: { userInfo: { username: string } } }
    return review.status.userInfo.username
  } catch (error) {
    if (codeOf(error) === 'Unauthorized') return undefined
    throw error
  }
}

/** A token for the API server itself, as every pod has one; kept among those in use. */
async function makeToken(what: string, expirationSeconds = 3600) {
  const token = await admin().createToken(ACCOUNT, { audiences: [], expirationSeconds })
  inUse.push([what, token])
  const { header, claims } = decodeToken(token)
  return { kid: header.kid, claims }
}

/** Starts the API server anew; every token in use must be taken. */
async function restartWith(flags: readonly string[]): Promise<void> {
  await cluster.restart(flags)
  const taken = await Promise.all(
    inUse.map(async ([what, token]) => [what, await userOf(token)] as const),
  )
  const user = 'system:serviceaccount:default:default'
  expect(taken).toEqual(inUse.map(([what]) => [what, user] as const))
}

const step = (name: string, run: () => Promise<void>): void =>
  test.skipIf(isSkipped)(name, run, FIVE_MINUTES_MS)

beforeAll(async () => {
  if (isSkipped) return
  const files = ['--private-key-file', 'old.key', '--public-key-file', 'old.pub']
  await issuerIn(root, 'keys', '--generate', 'rsa-2048', ...files)
  cluster = await startRealCluster({
    programs: kubernetes.folder ?? '',
    name: 'moving',
    issuer: OLD_ISSUER,
    tokenFlags: [
      `--service-account-issuer=${OLD_ISSUER}`,
      `--service-account-key-file=${at('old.pub')}`,
      `--service-account-signing-key-file=${at('old.key')}`,
    ],
  })
  const { claims } = await makeToken('from before')
  expect(claims).toMatchObject({ iss: OLD_ISSUER, aud: [OLD_ISSUER] })
}, FIVE_MINUTES_MS)
afterAll(async () => {
  if (!isSkipped) await cluster?.stop()
  rmSync(root, { recursive: true, force: true })
}, FIVE_MINUTES_MS)

const OLD_KEY = ['--service-account-key-file', at('old.pub')]

step('the new issuer is accepted, as other API servers may sign with it already', async () => {
  await writeKeys([first, 'active'])
  const early = await tokenOfAnotherServer()
  expect(await userOf(early)).toBeUndefined()
  const signing = ['--service-account-signing-key-file', at('old.key'), ...OLD_KEY]
  const move = ['--old-issuer', OLD_ISSUER, '--move', 'accept']
  await restartWith(await printedFlags('--dir', 'issuer', ...move, ...signing))
  expect(await userOf(early)).toBe('system:serviceaccount:default:default')
  const { claims } = await makeToken('of the old issuer, while the new one is accepted')
  expect(claims).toMatchObject({ iss: OLD_ISSUER, aud: [OLD_ISSUER, ISSUER] })
})

/** As the API server of another control plane node makes it, which is a step further. */
async function tokenOfAnotherServer(): Promise<string> {
  const { metadata } = await admin().get(SERVICE_ACCOUNTS, ACCOUNT)
  const now = Math.floor(Date.now() / 1000)
  const token = await signToken(first, {
    iss: ISSUER,
    sub: 'system:serviceaccount:default:default',
    aud: [ISSUER],
    iat: now,
    nbf: now,
    exp: now + 3600,
    'kubernetes.io': {
      namespace: 'default',
      serviceaccount: { name: 'default', uid: metadata.uid ?? '' },
    },
  })
  return token.reveal()
}

step('it signs, with the folder’s key and no longer than the folder says', async () => {
  const flags = await printedFlags('--dir', 'issuer', '--old-issuer', OLD_ISSUER, ...OLD_KEY)
  await restartWith(flags)
  const { kid, claims } = await makeToken('of the new issuer', 2 * DAY_SECONDS)
  expect([kid, claims.iss]).toEqual([first.kid, ISSUER])
  expect(claims.exp - (claims.iat ?? 0)).toBe(DAY_SECONDS)
  const document: unknown = await (
    await admin().raw('GET', '/.well-known/openid-configuration')
  ).json()
  expect(document).toMatchObject({ issuer: ISSUER, jwks_uri: `${ISSUER}/keys.json` })
})

step('what pods use with the API server is not extended to a year', async () => {
  const pod = { apiVersion: 'v1', kind: 'Pod', name: 'a' }
  const container = { name: 'main', image: 'none' }
  await admin().raw('POST', '/api/v1/namespaces/default/pods', {
    body: { metadata: { name: 'a' }, spec: { containers: [container] } },
  })
  const path = '/api/v1/namespaces/default/serviceaccounts/default/token'
  const spec = { expirationSeconds: 3607, boundObjectRef: pod }
  const answer = await admin().raw('POST', path, {
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec },
  })
  const { status } = (await answer.json()) as { status: { token: string } }
  const { claims } = decodeToken(status.token)
  expect(claims.exp - (claims.iat ?? 0)).toBe(3607)
})

step('its key is rotated: verified first, then it signs', async () => {
  const flags = () => printedFlags('--dir', 'issuer', '--old-issuer', OLD_ISSUER, ...OLD_KEY)
  await writeKeys([first, 'active'], [second, 'prepared'])
  await restartWith(await flags())
  const published = (await readApiServerKeys(admin())).map(({ kid }) => kid)
  expect(published).toEqual(expect.arrayContaining([first.kid, second.kid]))
  expect((await makeToken('while the next key is prepared')).kid).toBe(first.kid)
  await writeKeys([first, 'retiring'], [second, 'active'])
  await restartWith(await flags())
  expect((await makeToken('of the next key')).kid).toBe(second.kid)
})

step('in the end the old issuer’s tokens are refused, and no others', async () => {
  const ofOld = inUse.filter(([, token]) => decodeToken(token).claims.iss === OLD_ISSUER)
  const others = inUse.filter((one) => !ofOld.includes(one))
  inUse.splice(0, inUse.length, ...others)
  await restartWith(await printedFlags('--dir', 'issuer', ...OLD_KEY))
  expect(ofOld).toHaveLength(2)
  for (const [, token] of ofOld) expect(await userOf(token)).toBeUndefined()
})

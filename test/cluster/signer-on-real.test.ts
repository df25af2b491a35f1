/** kube-apiserver 1.36 that has no key of its own: `podrole issuer signer` signs for it. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readApiServerKeys } from '../../src/issuer/cluster-keys.ts'
import { publishedJwks } from '../../src/issuer/key-lists.ts'
import { generateSigningKey, type SigningKey } from '../../src/issuer/keys.ts'
import type { KeyState } from '../../src/issuer/rotation/state.ts'
import type { KubeClient } from '../../src/kube/client.ts'
import { createKubeClient } from '../../src/kube/transport.ts'
import { createKeySet } from '../../src/token/jwks.ts'
import { type DecodedToken, decodeToken, verifyToken } from '../../src/token/verify.ts'
import { type ChildProgram, startProgram } from '../support/child-program.ts'
import { writeIssuerFolder } from '../support/issuer-folder.ts'
import { PODROLE } from '../support/issuer-journey.ts'
import { findKubernetes } from '../support/kubernetes-binaries.ts'
import { type RealCluster, startRealCluster } from '../support/real-cluster.ts'
import { lacks } from '../support/tools.ts'

const kubernetes = await findKubernetes()
const isSkipped = lacks('the signer on a real API server', kubernetes.missing)

const ISSUER = 'https://idp.example.com/c1'
const AUDIENCE = 'sts.amazonaws.com'
/** The refresh hint is half of it: the API server asks every second. */
const SETTLE_SECONDS = 2
const MAX_TOKEN_SECONDS = 7200
const ACCOUNT = { namespace: 'default', name: 'default' }
const FIVE_MINUTES_MS = 300_000

const root = mkdtempSync(join(tmpdir(), 'podrole-signer-real-'))
const folder = join(root, 'issuer')
const socket = join(root, 'run', 'signer.sock')
let signer: ChildProgram
let cluster: RealCluster
let client: KubeClient

const writeKeys = (...keys: readonly (readonly [SigningKey, KeyState])[]): Promise<void> =>
  writeIssuerFolder(
    folder,
    { issuer: ISSUER, settleSeconds: SETTLE_SECONDS, maxTokenSeconds: MAX_TOKEN_SECONDS },
    ...keys,
  )

const startSigner = (): ChildProgram =>
  startProgram(
    PODROLE,
    ['issuer', 'signer', '--socket', socket, '--dir', folder, '--log-level', 'debug'],
    { logFile: join(root, 'signer.log'), cwd: root },
  )

const until = async (isSo: () => Promise<boolean> | boolean): Promise<void> => {
  while (!(await isSo())) await Bun.sleep(100)
}

/** What the API server publishes itself. */
const publishedKids = async (): Promise<readonly string[]> =>
  (await readApiServerKeys(client)).map(({ kid }) => kid)

/** A token of the API server's, verified with the keys that it publishes. */
async function makeToken(expirationSeconds = 3600): Promise<DecodedToken & { text: string }> {
  const text = await client.createToken(ACCOUNT, { audiences: [AUDIENCE], expirationSeconds })
  const keys = createKeySet(publishedJwks(await readApiServerKeys(client)))
  await verifyToken(text, { keys, nowMs: Date.now(), issuer: ISSUER })
  return { text, ...decodeToken(text) }
}

/** The API server's own verdict. */
async function isAuthenticated(token: string): Promise<boolean> {
  const response = await client.raw('POST', '/apis/authentication.k8s.io/v1/tokenreviews', {
    body: {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token, audiences: [AUDIENCE] },
    },
  })
  const { status } = (await response.json()) as { status: { authenticated?: boolean } }
  return status.authenticated === true
}

const keys = await Promise.all([1, 2].map(() => generateSigningKey()))
const [first, second] = keys as [SigningKey, SigningKey]

beforeAll(async () => {
  if (isSkipped) return
  await writeKeys([first, 'active'])
  signer = startSigner()
  await until(() => existsSync(socket))
  cluster = await startRealCluster({
    programs: kubernetes.folder ?? '',
    name: 'signed',
    issuer: ISSUER,
    signingEndpoint: socket,
    apiAudiences: ['https://kubernetes.default.svc', AUDIENCE],
  })
  client = createKubeClient({
    server: cluster.server,
    ca: cluster.certificateAuthority,
    token: () => cluster.adminToken,
  })
}, FIVE_MINUTES_MS)
afterAll(async () => {
  if (!isSkipped) await cluster?.stop()
  await signer?.stop()
  rmSync(root, { recursive: true, force: true })
}, FIVE_MINUTES_MS)

test.skipIf(isSkipped)(
  'a token is signed by the folder’s key, published and taken by the API server itself',
  async () => {
    const { text, header, claims } = await makeToken()
    expect(header).toEqual({ alg: 'ES256', kid: first.kid })
    expect(claims).toMatchObject({ iss: ISSUER, sub: 'system:serviceaccount:default:default' })
    expect(await isAuthenticated(text)).toBe(true)
    const kubectl = Bun.spawn(
      [join(kubernetes.folder ?? '', 'kubectl'), 'create', 'token', 'default'],
      { stdio: ['ignore', 'pipe', 'pipe'], env: { KUBECONFIG: await kubeconfigFile() } },
    )
    expect((await kubectl.stdout.text()).split('.')).toHaveLength(3)
    expect(await kubectl.exited).toBe(0)
  },
  FIVE_MINUTES_MS,
)

const kubeconfigFile = async (): Promise<string> => {
  const file = join(root, 'kubeconfig')
  await Bun.write(file, cluster.kubeconfig(), { mode: 0o600 })
  return file
}

test.skipIf(isSkipped)(
  'the issuer’s longest life of a token is the API server’s own limit',
  async () => {
    const { claims } = await makeToken(10 * MAX_TOKEN_SECONDS)
    expect(claims.exp - (claims.iat ?? 0)).toBe(MAX_TOKEN_SECONDS)
  },
  FIVE_MINUTES_MS,
)

test.skipIf(isSkipped)(
  'a key is rotated with no restart: published before it signs, the old one’s tokens hold',
  async () => {
    const before = await makeToken()
    await writeKeys([first, 'active'], [second, 'prepared'])
    await until(async () => (await publishedKids()).includes(second.kid))
    expect((await makeToken()).header.kid).toBe(first.kid)
    await writeKeys([first, 'retiring'], [second, 'active'])
    await until(async () => (await makeToken()).header.kid === second.kid)
    const after = await makeToken()
    expect([await isAuthenticated(before.text), await isAuthenticated(after.text)]).toEqual([
      true,
      true,
    ])
    await writeKeys([first, 'retired'], [second, 'active'])
    await until(async () => (await publishedKids()).length === 1)
    // The API server keeps its own verdicts on tokens for ten seconds.
    await until(async () => !(await isAuthenticated(before.text)))
    expect(await isAuthenticated(after.text)).toBe(true)
  },
  FIVE_MINUTES_MS,
)

test.skipIf(isSkipped)(
  'a signer that is killed and started anew: the API server waits for it, and goes on',
  async () => {
    await signer.kill()
    expect(existsSync(socket)).toBe(true)
    const waiting = client.createToken(ACCOUNT, { audiences: [AUDIENCE], expirationSeconds: 3600 })
    await Bun.sleep(3000)
    signer = startSigner()
    expect((await waiting).split('.')).toHaveLength(3)
    expect((await makeToken()).header.kid).toBe(second.kid)
  },
  FIVE_MINUTES_MS,
)

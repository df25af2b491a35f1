/** `podrole issuer signer`, as typed. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportSigningKey, generateSigningKey } from '../../src/issuer/keys.ts'
import { createSignerClient, type SignerClient } from '../../src/issuer/signer/signer-client.ts'
import { segmentOf, tokenClaims } from '../../src/issuer/signer/signer.suite.ts'
import { SECRETS } from '../../src/kube/client.ts'
import { createKubeClient } from '../../src/kube/transport.ts'
import { createCertificateAuthority } from '../../src/lib/certificates.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { silentLog } from '../../src/lib/log.ts'
import { startCluster } from '../../src/sandbox/cluster/cluster.ts'
import { State } from '../../src/sandbox/state.ts'
import { type ChildProgram, startProgram } from '../support/child-program.ts'
import { writeIssuerFolder } from '../support/issuer-folder.ts'
import { PODROLE } from '../support/issuer-journey.ts'

const root = mkdtempSync(join(tmpdir(), 'podrole-signer-'))
const at = (name: string): string => join(root, name)
const socket = at('run/signer.sock')
const readyFile = at('ready.json')
const key = await generateSigningKey()
const started: ChildProgram[] = []

beforeAll(async () => {
  const issuer = 'https://idp.example.com/c1'
  const times = { settleSeconds: 60, maxTokenSeconds: 7200 }
  await writeIssuerFolder(at('issuer'), { issuer, ...times }, [key, 'active'])
})
afterAll(async () => {
  for (const program of started) await program.stop()
  rmSync(root, { recursive: true, force: true })
})

const startSigner = (...words: string[]): ChildProgram => {
  const args = ['issuer', 'signer', '--socket', socket, '--ready-file', readyFile, ...words]
  const program = startProgram(PODROLE, args, { logFile: at('log'), cwd: root })
  started.push(program)
  return program
}

async function ready(program: ChildProgram): Promise<ChildProgram> {
  while (!existsSync(readyFile)) {
    if (program.exitCode() !== undefined) throw new Error(program.lastLines())
    await Bun.sleep(30)
  }
  rmSync(readyFile)
  return program
}

/** The kid that signs, and how long a token may live. */
async function signedBy(client: SignerClient): Promise<{ kid: string; seconds: number }> {
  const { header } = await client.sign(segmentOf(tokenClaims(Date.now())))
  const { kid } = JSON.parse(Buffer.from(header, 'base64url').toString()) as { kid: string }
  return { kid, seconds: (await client.metadata()).maxTokenExpirationSeconds }
}

test('signs until SIGTERM, which ends it well; after SIGKILL the next one takes its socket', async () => {
  const first = await ready(startSigner('--dir', at('issuer')))
  expect(statSync(socket).mode & 0o777).toBe(0o600)
  const client = createSignerClient(socket)
  expect(await signedBy(client)).toEqual({ kid: key.kid, seconds: 7200 })
  await first.kill()
  expect(existsSync(socket)).toBe(true)
  const second = await ready(startSigner('--dir', at('issuer')))
  expect(await signedBy(client)).toEqual({ kid: key.kid, seconds: 7200 })
  await second.stop()
  expect([second.exitCode(), existsSync(socket)]).toEqual([0, false])
  client.close()
  expect(readFileSync(at('log'), 'utf8')).not.toContain('PRIVATE KEY')
})

test('a Secret of another cluster is a source too, with legacy keys for the API server alone', async () => {
  const authority = await createCertificateAuthority({ commonName: 'test management' })
  const cluster = await startCluster({
    name: 'management',
    issuer: 'https://management.issuer.sandbox',
    state: new State(),
    clock: systemClock,
    log: silentLog,
    authority,
  })
  const kube = createKubeClient({
    server: cluster.server,
    ca: cluster.certificateAuthority,
    token: () => cluster.adminToken,
  })
  const legacy = await generateSigningKey('RS256')
  const metadata = { namespace: 'kube-system', name: 'c1-sa' }
  const data = { 'tls.key': btoa(exportSigningKey(key).reveal()) }
  await kube.create(SECRETS, { metadata, data } as never)
  writeFileSync(at('kubeconfig'), cluster.kubeconfig(), { mode: 0o600 })
  writeFileSync(at('legacy.json'), JSON.stringify({ keys: [legacy.publicJwk] }))
  const from = ['--secret', 'kube-system/c1-sa', '--kubeconfig', at('kubeconfig')]
  const more = ['--verify-only', at('legacy.json'), '--max-token-expiration', '2h']
  const program = await ready(startSigner(...from, ...more))
  const client = createSignerClient(socket)
  expect(await signedBy(client)).toEqual({ kid: key.kid, seconds: 7200 })
  const { keys } = await client.fetchKeys()
  expect(keys.map((one) => [one.keyId, one.excludeFromOidcDiscovery])).toEqual([
    [key.kid, false],
    [legacy.kid, true],
  ])
  client.close()
  await program.stop()
  await cluster.stop()
})

describe('a self-managed cluster of the sandbox', () => {
  const sandbox = (...words: string[]): { readonly out: string; readonly err: string } => {
    const { stdout, stderr } = Bun.spawnSync(
      [
        PODROLE,
        'sandbox',
        '--port',
        '0',
        '--self-managed-cluster',
        'edge=https://edge.issuer.sandbox',
        ...words,
      ],
      { cwd: root, env: { PATH: process.env['PATH'] ?? '', HOME: root } },
    )
    return { out: stdout.toString(), err: stderr.toString() }
  }
  const ask = ['--', PODROLE, 'issuer', 'keys', '--from-api-server']

  test('has its tokens signed by it, and publishes its keys', async () => {
    const program = await ready(startSigner('--dir', at('issuer')))
    const { out, err } = sandbox('--service-account-signing-endpoint', `edge=${socket}`, ...ask)
    expect([err, JSON.parse(out || '{}')]).toEqual(['', { keys: [key.publicJwk] }])
    await program.stop()
  })

  test('is named with it, or nothing starts', () => {
    const { out, err } = sandbox('--service-account-signing-endpoint', `other=${socket}`, ...ask)
    expect(out).toBe('')
    expect(err).toContain('wanted NAME=SOCKET of a --self-managed-cluster')
  })
})

describe('is refused', () => {
  test.each([
    ['no source', [], 'no keys are named'],
    ['two sources', ['--dir', 'issuer', '--secret', 'a/b'], 'two sources of keys'],
    ['no such folder', ['--dir', 'none'], 'none cannot be read: ENOENT'],
    [
      'a life of tokens beside the folder’s own',
      ['--dir', 'issuer', '--max-token-expiration', '1h'],
      '--max-token-expiration is not for an issuer folder',
    ],
    ['a stale time that is none', ['--dir', 'issuer', '--max-stale', 'x'], 'duration "x" is not'],
  ] as const)('%s', async (_what, words, message) => {
    const program = startSigner(...words)
    while (program.exitCode() === undefined) await Bun.sleep(20)
    expect([program.exitCode(), existsSync(socket)]).toEqual([1, false])
    expect(program.lastLines()).toContain(message)
  })
})

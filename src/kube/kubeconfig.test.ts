import { afterAll, expect, test } from 'bun:test'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { ManualClock } from '../lib/clock.ts'
import { Secret } from '../lib/secret.ts'
import { loadKubeAccess, type LoadOptions, writeKubeconfig } from './kubeconfig.ts'

const folder = mkdtempSync(join(tmpdir(), 'podrole-kubeconfig-'))
afterAll(() => rmSync(folder, { recursive: true }))

let files = 0
function write(value: unknown): string {
  files += 1
  const path = join(folder, `config-${files}`)
  writeFileSync(path, typeof value === 'string' ? value : stringify(value))
  return path
}

const environment = { HOME: folder, PATH: process.env['PATH'] }

function config(user: object, cluster: object = {}): object {
  return {
    'current-context': 'one',
    clusters: [{ name: 'c', cluster: { server: 'https://127.0.0.1:6443', ...cluster } }],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'one', context: { cluster: 'c', user: 'u', namespace: 'team' } }],
  }
}

const load = (user: object, more: Partial<LoadOptions> = {}): ReturnType<typeof loadKubeAccess> =>
  loadKubeAccess({ kubeconfig: write(config(user)), environment, ...more })

test('what is written can be read', async () => {
  const text = writeKubeconfig({
    name: 'sandbox',
    server: 'https://[::1]:6443',
    ca: 'PEM\n',
    token: new Secret('t'),
  })
  const access = await loadKubeAccess({ kubeconfig: write(text), environment })
  expect(access).toMatchObject({ server: 'https://[::1]:6443', ca: 'PEM\n', context: 'sandbox' })
  expect((await access.token?.())?.reveal()).toBe('t')
})

test('KUBECONFIG: several files, the first that names a thing wins, missing ones are passed', async () => {
  const other = { ...config({ token: 'second' }), 'current-context': 'two' }
  const first = { ...config({ token: 'first' }), contexts: [], 'current-context': '' }
  const KUBECONFIG = [join(folder, 'missing'), write(first), write(other)].join(':')
  await expect(
    loadKubeAccess({ environment: { ...environment, KUBECONFIG } }),
  ).rejects.toMatchObject({ code: 'InvalidKubeconfig', message: expect.stringContaining('"two"') })
  const access = await loadKubeAccess({
    environment: { ...environment, KUBECONFIG },
    context: 'one',
  })
  expect((await access.token?.())?.reveal()).toBe('first')
  expect(access.namespace).toBe('team')
})

test('client certificates by data and by a file beside the config', async () => {
  writeFileSync(join(folder, 'client.key'), 'KEY')
  const access = await load({
    'client-certificate-data': Buffer.from('CERT').toString('base64'),
    'client-key': 'client.key',
  })
  const certificate = access.clientCertificate as { cert: string; key: Secret }
  expect(certificate.cert).toBe('CERT')
  expect(certificate.key.reveal()).toBe('KEY')
  await expect(load({ 'client-key': 'client.key' })).rejects.toMatchObject({
    code: 'InvalidKubeconfig',
  })
})

test('a token file is read again each minute, and what was read outlives the file', async () => {
  const clock = new ManualClock()
  const path = join(folder, 'token-file')
  writeFileSync(path, 'one\n')
  const { token } = await load({ tokenFile: 'token-file', token: 'ignored' }, { clock })
  const read = async (): Promise<string | undefined> => (await token?.())?.reveal()
  expect(await read()).toBe('one')
  writeFileSync(path, 'two\n')
  expect(await read()).toBe('one')
  clock.advance(60_000)
  expect(await read()).toBe('two')
  rmSync(path)
  clock.advance(60_000)
  expect(await read()).toBe('two')
})

test('in a cluster', async () => {
  const serviceAccountFolder = join(folder, 'sa')
  mkdirSync(serviceAccountFolder)
  writeFileSync(join(serviceAccountFolder, 'token'), 'pod-token')
  writeFileSync(join(serviceAccountFolder, 'ca.crt'), 'CA')
  writeFileSync(join(serviceAccountFolder, 'namespace'), 'system\n')
  const access = await loadKubeAccess({
    environment: {
      ...environment,
      KUBERNETES_SERVICE_HOST: 'fd00::1',
      KUBERNETES_SERVICE_PORT: '443',
    },
    serviceAccountFolder,
  })
  expect(access).toMatchObject({ server: 'https://[fd00::1]:443', ca: 'CA', namespace: 'system' })
  expect((await access.token?.())?.reveal()).toBe('pod-token')
})

function plugin(script: string, more: object = {}): object {
  files += 1
  const path = join(folder, `plugin-${files}`)
  writeFileSync(path, `#!/bin/sh\n${script}\n`)
  chmodSync(path, 0o755)
  return {
    exec: { apiVersion: 'client.authentication.k8s.io/v1', command: `./plugin-${files}`, ...more },
  }
}

const credential = (status: object): string =>
  `'${JSON.stringify({ apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status })}'`

test('an exec plugin runs once until its credentials are about to end', async () => {
  const clock = new ManualClock()
  const runs = join(folder, 'runs')
  const status = {
    token: 'exec-token',
    expirationTimestamp: new Date(clock.now() + 600_000).toISOString(),
  }
  const user = plugin(
    `echo "$KUBERNETES_EXEC_INFO $FOO $1" >> ${runs}; echo ${credential(status)}`,
    {
      args: ['an argument'],
      env: [{ name: 'FOO', value: 'foo' }],
      provideClusterInfo: true,
    },
  )
  const { token } = await load(user, { clock })
  const both = await Promise.all([token?.(), token?.()])
  expect(both.map((secret) => secret?.reveal())).toEqual(['exec-token', 'exec-token'])
  clock.advance(539_000)
  await token?.()
  const once = await Bun.file(runs).text()
  expect(once).toMatch(/^\{.*"server":"https:\/\/127.0.0.1:6443".*\} foo an argument\n$/)
  clock.advance(1000)
  await token?.()
  expect((await Bun.file(runs).text()).split('\n')).toHaveLength(3)
})

test('an exec plugin that fails is told of without what it printed', async () => {
  const cases: [object, string][] = [
    [plugin('exit 3'), 'ended with exit code 3'],
    [plugin('echo secret-token'), 'did not print JSON'],
    [plugin(`echo '{"kind":"ExecCredential"}'`), 'did not print an ExecCredential'],
    [plugin(`echo ${credential({})}`), 'neither a token nor a client certificate'],
    [plugin('head -c 3000000 /dev/zero; sleep 100'), 'printed more than 1 MB'],
    [
      { exec: { apiVersion: 'client.authentication.k8s.io/v1', command: '/no/such' } },
      'cannot be run',
    ],
  ]
  for (const [user, message] of cases) {
    const { token } = await load(user)
    const fault = await Promise.resolve(token?.()).catch((error: unknown) => error)
    expect(fault).toMatchObject({
      code: 'ExecPluginFailed',
      message: expect.stringContaining(message),
    })
    expect(String(fault)).not.toContain('secret-token')
  }
})

test('an exec plugin may give a client certificate', async () => {
  const user = plugin(`echo ${credential({ clientCertificateData: 'CERT', clientKeyData: 'KEY' })}`)
  const access = await load(user)
  expect(await access.token?.()).toBeUndefined()
  const supply = access.clientCertificate as () => Promise<{ cert: string; key: Secret }>
  expect((await supply()).cert).toBe('CERT')
})

const REFUSED: readonly [string, unknown, string][] = [
  ['a server without a scheme', config({}, { server: '127.0.0.1:6443' }), 'InvalidKubeconfig'],
  [
    'no TLS verification beside an authority',
    config({}, { 'insecure-skip-tls-verify': true, 'certificate-authority-data': 'eA==' }),
    'InvalidKubeconfig',
  ],
  ['a SOCKS proxy', config({}, { 'proxy-url': 'socks5://p:1080' }), 'UnsupportedProxy'],
  [
    'a removed auth provider',
    config({ 'auth-provider': { name: 'gcp' } }),
    'UnsupportedKubeconfig',
  ],
  ['a password', config({ username: 'u', password: 'p' }), 'UnsupportedKubeconfig'],
  [
    'an old exec version',
    config({ exec: { apiVersion: 'client.authentication.k8s.io/v1alpha1', command: 'x' } }),
    'UnsupportedKubeconfig',
  ],
  [
    'a terminal',
    config({
      exec: {
        apiVersion: 'client.authentication.k8s.io/v1',
        command: 'x',
        interactiveMode: 'Always',
      },
    }),
    'UnsupportedKubeconfig',
  ],
  ['what is not YAML', 'token: "abc\n  - {', 'InvalidKubeconfig'],
  ['wrong types', { clusters: 'x', users: [{ name: 1 }] }, 'InvalidKubeconfig'],
  ['no context', {}, 'InvalidKubeconfig'],
  ['a cluster that is missing', { ...config({}), clusters: [] }, 'InvalidKubeconfig'],
  ['a user that is missing', { ...config({}), users: [] }, 'InvalidKubeconfig'],
]

test.each(REFUSED)('refused: %s', async (_name, value, code) => {
  const loading = loadKubeAccess({ kubeconfig: write(value), environment })
  await expect(loading).rejects.toMatchObject({ code })
})

test('nothing to find', async () => {
  await expect(loadKubeAccess({ environment })).rejects.toMatchObject({ code: 'NoKubeAccess' })
  await expect(
    loadKubeAccess({ environment, kubeconfig: join(folder, 'missing') }),
  ).rejects.toMatchObject({ code: 'NoKubeAccess' })
})

import { createPublicKey } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { chmod, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { SECRETS, type KubeClient } from '../../kube/client.ts'
import { createKubeClient } from '../../kube/transport.ts'
import { createCertificateAuthority } from '../../lib/certificates.ts'
import { systemClock } from '../../lib/clock.ts'
import { codeOf } from '../../lib/errors.ts'
import { silentLog } from '../../lib/log.ts'
import { type AwsFixture, startAwsFixture } from '../../sandbox/aws/aws-fixture.suite.ts'
import { callKms } from '../../sandbox/aws/kms/kms.suite.ts'
import { type ServedCluster, startCluster } from '../../sandbox/cluster/cluster.ts'
import { State } from '../../sandbox/state.ts'
import {
  exportSigningKey,
  generateSigningKey,
  type PublicSigningKey,
  suitableKey,
} from '../keys.ts'
import { ISSUER_FILE } from '../rotation/issuer-folder.ts'
import type { IssuerState, KeyState, RotationKey } from '../rotation/state.ts'
import { folderSource } from './folder-source.ts'
import { createKmsKeys, type KmsKeys } from './kms-key.ts'
import { PRIVATE_KEY, secretSource } from './secret-source.ts'
import { describeSigningSource, type SourceUnderTest } from './signing-source.suite.ts'
import type { SigningSource } from './signing-source.ts'

let aws: AwsFixture
let kms: KmsKeys
let cluster: ServedCluster
let client: KubeClient
beforeAll(async () => {
  aws = await startAwsFixture()
  kms = createKmsKeys({ endpoint: aws.endpoint, credentials: aws.admin })
  const authority = await createCertificateAuthority({ commonName: 'test sources' })
  cluster = await startCluster({
    name: 'management',
    issuer: 'https://management.issuer.sandbox',
    state: new State(),
    clock: systemClock,
    log: silentLog,
    authority,
  })
  client = createKubeClient({
    server: cluster.server,
    ca: cluster.certificateAuthority,
    token: () => cluster.adminToken,
  })
})
afterAll(async () => {
  await cluster.stop()
  await aws.stop()
})

/** Where the files of an issuer are: a folder, or a Secret. */
interface Place {
  readonly source: SigningSource
  readonly write: (files: Readonly<Record<string, string>>) => Promise<void>
  readonly stop: () => Promise<void>
}

async function folderPlace(): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), 'podrole-source-'))
  return {
    source: folderSource(folder, kms),
    write: async (files) => {
      for (const [name, text] of Object.entries(files)) {
        await writeFile(join(folder, name), text, { mode: 0o600 })
      }
    },
    stop: async () => rmSync(folder, { recursive: true }),
  }
}

let secrets = 0
async function secretPlace(): Promise<Place & { readonly name: string }> {
  secrets += 1
  const name = `sa-${secrets}`
  const ref = { namespace: 'kube-system', name }
  await client.create(SECRETS, { metadata: ref } as never)
  const secret = { ...ref, key: PRIVATE_KEY }
  return {
    name,
    source: secretSource({ client, secret, maxTokenSeconds: 86_400, kms }),
    write: async (files) => {
      const encoded = Object.entries(files).map(([file, text]) => [file, btoa(text)])
      await client.mergePatch(SECRETS, ref, { data: Object.fromEntries(encoded) })
    },
    stop: async () => undefined,
  }
}

interface Half {
  readonly key: PublicSigningKey
  readonly source: RotationKey['source']
  readonly files: Readonly<Record<string, string>>
}

async function fileHalf(): Promise<Half> {
  const key = await generateSigningKey()
  const file = `${key.kid}.pem`
  return { key, source: { file }, files: { [file]: exportSigningKey(key).reveal() } }
}

const kmsHalf = (KeySpec: string) => async (): Promise<Half> => {
  const { body: made } = await callKms(aws, 'CreateKey', { KeySpec, KeyUsage: 'SIGN_VERIFY' })
  const { Arn, KeyId } = made['KeyMetadata'] as { Arn: string; KeyId: string }
  const { body: found } = await callKms(aws, 'GetPublicKey', { KeyId })
  const der = Buffer.from(String(found['PublicKey']), 'base64')
  const load = (): ReturnType<typeof createPublicKey> =>
    createPublicKey({ key: der, format: 'der', type: 'spki' })
  return { key: suitableKey(load, Arn), source: { kms: Arn }, files: {} }
}

const entry = ({ key, source }: Half, state: KeyState): RotationKey => ({
  kid: key.kid,
  publicJwk: key.publicJwk as RotationKey['publicJwk'],
  state,
  source,
  preparedAt: '2026-01-01T00:00:00.000Z',
})

async function openState(
  openPlace: () => Promise<Place>,
  makeHalf: () => Promise<Half>,
): Promise<SourceUnderTest> {
  const place = await openPlace()
  const [first, second, old] = await Promise.all([makeHalf(), makeHalf(), fileHalf()])
  const halves = [first, second]
  const write = async (keys: readonly RotationKey[], maxTokenSeconds = 86_400): Promise<void> => {
    const state: IssuerState = {
      version: 1,
      issuer: 'https://idp.example.com/c1',
      settleSeconds: 7200,
      maxTokenSeconds,
      keys: [...keys, entry(old, 'retired')],
    }
    const files = Object.assign({}, ...halves.map((half) => half.files)) as Record<string, string>
    await place.write({ ...files, [ISSUER_FILE]: JSON.stringify(state) })
  }
  const activate = (index: 0 | 1, maxTokenSeconds?: number): Promise<void> => {
    const states =
      index === 0 ? (['active', 'prepared'] as const) : (['retiring', 'active'] as const)
    return write([entry(first, states[0]), entry(second, states[1])], maxTokenSeconds)
  }
  return {
    source: place.source,
    kids: [first.key.kid, second.key.kid],
    activate,
    damage: () => place.write({ [ISSUER_FILE]: '{"version":' }),
    swapHalves: async () => {
      await activate(0)
      const [name] = Object.keys(first.files)
      const [other = ''] = Object.values(second.files)
      if (name !== undefined) return place.write({ [name]: other })
      await write([{ ...entry(first, 'active'), source: second.source }, entry(second, 'prepared')])
    },
    limitTokens: (seconds) => activate(0, seconds),
    stop: place.stop,
  }
}

describeSigningSource('an issuer folder', () => openState(folderPlace, fileHalf))
describeSigningSource('the files of one in a Secret', () => openState(secretPlace, fileHalf))
for (const spec of ['ECC_NIST_P256', 'ECC_NIST_P384', 'ECC_NIST_P521', 'RSA_2048']) {
  describeSigningSource(`an issuer folder, its keys in AWS KMS (${spec})`, () =>
    openState(folderPlace, kmsHalf(spec)),
  )
}
describeSigningSource('the files of one in a Secret, its keys in AWS KMS', () =>
  openState(secretPlace, kmsHalf('ECC_NIST_P256')),
)

describeSigningSource('a Secret with a bare key, as cluster-api writes it', async () => {
  const place = await secretPlace()
  const keys = await Promise.all([generateSigningKey('RS256'), generateSigningKey('RS256')])
  const publicPem = (index: 0 | 1): string =>
    createPublicKey(keys[index].privateKey).export({ format: 'pem', type: 'spki' })
  const activate = (index: 0 | 1): Promise<void> =>
    place.write({
      'tls.key': exportSigningKey(keys[index]).reveal(),
      'tls.crt': publicPem(0) + publicPem(1),
    })
  const limit = { maxTokenSeconds: 86_400 }
  const secret = { namespace: 'kube-system', name: place.name, key: PRIVATE_KEY }
  return {
    source: { ...place.source, read: () => secretSource({ client, secret, kms, ...limit }).read() },
    kids: [keys[0].kid, keys[1].kid],
    activate,
    damage: () => place.write({ 'tls.key': exportSigningKey(keys[0]).reveal().slice(0, 600) }),
    limitTokens: async (seconds) => {
      limit.maxTokenSeconds = seconds
      await activate(0)
    },
    stop: place.stop,
  }
})

test('an issuer folder without an active key, or that others may read, signs nothing', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'podrole-source-'))
  const half = await fileHalf()
  const state: IssuerState = {
    version: 1,
    issuer: 'https://idp.example.com/c1',
    settleSeconds: 60,
    maxTokenSeconds: 3600,
    keys: [entry(half, 'prepared')],
  }
  await writeFile(join(folder, ISSUER_FILE), JSON.stringify(state), { mode: 0o600 })
  expect(await folderSource(folder).read().catch(codeOf)).toBe('NoActiveKey')
  await chmod(folder, 0o755)
  expect(await folderSource(folder).read().catch(codeOf)).toBe('OpenToOthers')
  rmSync(folder, { recursive: true })
})

test('KMS: an alias, another service and a key that is disabled are refused by name', async () => {
  const { key, source } = await kmsHalf('ECC_NIST_P256')()
  const arn = 'kms' in source ? source.kms : ''
  const alias = arn.replace(/key\/.*/, 'alias/mine')
  const of = (name: string): Promise<unknown> => kms(name, key).catch(codeOf)
  expect(await of(alias)).toBe('InvalidKmsKey')
  expect(await of(arn.replace(':kms:', ':s3:'))).toBe('InvalidKmsKey')
  const missing = arn.replace(/key\/.*/, 'key/00000000-0000-0000-0000-000000000000')
  expect(await of(missing)).toBe('NotFound')
  const active = await kms(arn, key)
  await callKms(aws, 'DisableKey', { KeyId: arn })
  const signing = Promise.resolve(active.sign(Buffer.from('a.b')))
  expect(await signing.catch(codeOf)).toBe('Disabled')
})

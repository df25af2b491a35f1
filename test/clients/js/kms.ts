import {
  type AliasListEntry,
  type KeyListEntry,
  type KeyMetadata,
  KMS,
  paginateListAliases,
  paginateListKeys,
} from '@aws-sdk/client-kms'
import { createHash, createPublicKey, verify } from 'node:crypto'
import {
  did,
  equal,
  includes,
  listed,
  mapped,
  present,
  refused,
  sameJson,
  SETTINGS,
} from './checks.ts'

export async function runKms(): Promise<void> {
  const kms = new KMS(SETTINGS)
  const ids: string[] = []
  for (const KeySpec of ['ECC_NIST_P256', 'RSA_2048'] as const) {
    const made = await kms.createKey({ KeySpec, KeyUsage: 'SIGN_VERIFY', Description: 'signs' })
    equal("a new key's state", made.KeyMetadata?.KeyState, 'Enabled')
    ids.push(present(made.KeyMetadata?.KeyId))
  }
  const [KeyId = ''] = ids
  did('kms', 'key', 'create')
  const read = async (): Promise<KeyMetadata> =>
    present((await kms.describeKey({ KeyId })).KeyMetadata)
  equal("a key's description", (await read()).Description, 'signs')
  did('kms', 'key', 'read')
  const idsOf = (keys: readonly KeyListEntry[] | undefined): string[] =>
    mapped(keys, (one) => one.KeyId)
  const all = idsOf((await kms.listKeys({})).Keys)
  includes('keys', all, ...ids)
  did('kms', 'key', 'list')
  const pages = paginateListKeys({ client: kms, pageSize: 1 }, {})
  equal('keys by pages', idsOf(await listed(pages, (page) => page.Keys)), all)
  did('kms', 'key', 'pages')
  await aliases(kms, ids)
  await signatures(kms, KeyId)
  await keyPolicy(kms, await read())
  await kms.disableKey({ KeyId })
  equal("a disabled key's state", (await read()).KeyState, 'Disabled')
  await kms.enableKey({ KeyId })
  equal("an enabled key's state", (await read()).KeyState, 'Enabled')
  did('kms', 'key', 'update')
  await kms.scheduleKeyDeletion({ KeyId, PendingWindowInDays: 7 })
  equal('a key that goes', (await read()).KeyState, 'PendingDeletion')
  await refused('KMSInvalidStateException', kms.getPublicKey({ KeyId }))
  did('kms', 'key', 'delete')
}

async function aliases(kms: KMS, ids: readonly string[]): Promise<void> {
  const [first = '', second = ''] = ids
  const targets = (found: readonly AliasListEntry[] | undefined): unknown =>
    mapped(found, (one) => `${one.AliasName} ${one.TargetKeyId}`)
  const list = async (): Promise<unknown> => targets((await kms.listAliases({})).Aliases)
  for (const AliasName of ['alias/first', 'alias/second']) {
    await kms.createAlias({ AliasName, TargetKeyId: first })
  }
  const both = [`alias/first ${first}`, `alias/second ${first}`]
  equal('aliases', await list(), both)
  did('kms', 'alias', 'create', 'list')
  const pages = paginateListAliases({ client: kms, pageSize: 1 }, {})
  equal('aliases by pages', targets(await listed(pages, (page) => page.Aliases)), both)
  did('kms', 'alias', 'pages')

  await kms.updateAlias({ AliasName: 'alias/second', TargetKeyId: second })
  equal("an alias's new key", await list(), [both[0], `alias/second ${second}`])
  did('kms', 'alias', 'update')
  await kms.deleteAlias({ AliasName: 'alias/second' })
  equal('the alias that is left', await list(), [both[0]])
  did('kms', 'alias', 'delete')
}

async function signatures(kms: KMS, KeyId: string): Promise<void> {
  const { PublicKey } = await kms.getPublicKey({ KeyId })
  const key = Buffer.from(present(PublicKey))
  const publicKey = createPublicKey({ key, format: 'der', type: 'spki' })
  equal('an EC key', publicKey.asymmetricKeyType, 'ec')
  did('kms', 'public-key', 'read')
  const message = Buffer.from('header.payload')
  const how = { KeyId: 'alias/first', SigningAlgorithm: 'ECDSA_SHA_256' } as const
  const digest = createHash('sha256').update(message).digest()
  const { Signature } = await kms.sign({ ...how, Message: digest, MessageType: 'DIGEST' })
  const isKnown = verify('sha256', message, publicKey, present(Signature))
  equal('the public key knows the signature', isKnown, true)
  did('kms', 'signature', 'create')
  const verified = await kms.verify({ ...how, Message: message, Signature })
  equal('KMS knows it', verified.SignatureValid, true)
  const other = { ...how, Message: Buffer.from('other'), Signature }
  await refused('KMSInvalidSignatureException', kms.verify(other))
  did('kms', 'signature', 'read')
}

async function keyPolicy(kms: KMS, key: KeyMetadata): Promise<void> {
  const KeyId = present(key.KeyId)
  const read = async (): Promise<string | undefined> => (await kms.getKeyPolicy({ KeyId })).Policy
  const policyOf = (Id: string, Sid: string): string => {
    const Principal = { AWS: `arn:aws:iam::${key.AWSAccountId}:root` }
    const Statement = [{ Sid, Effect: 'Allow', Principal, Action: 'kms:*', Resource: '*' }]
    return JSON.stringify({ Version: '2012-10-17', Id, Statement })
  }
  const first = policyOf('key-default-1', 'Enable IAM User Permissions')
  sameJson("a new key's policy", await read(), first)
  did('kms', 'key-policy', 'read')
  const own = policyOf('own', 'Own')
  await kms.putKeyPolicy({ KeyId, Policy: own })
  sameJson("a key's new policy", await read(), own)
  did('kms', 'key-policy', 'update')
}

import { describe, expect, test } from 'bun:test'
import { createPublicKey } from 'node:crypto'
import { PodroleError } from '../lib/errors.ts'
import type { KubeClient } from '../kube/client.ts'
import { parseSecretKeyName, readApiServerKeys, readSecretKeys } from './cluster-keys.ts'
import { publishedJwks } from './key-lists.ts'
import { exportSigningKey, generateSigningKey } from './keys.ts'

const key = await generateSigningKey('RS256')
const publicPem = createPublicKey(key.privateKey).export({ format: 'pem', type: 'spki' })
const privatePem = exportSigningKey(key).reveal()
const published = [{ kid: key.kid, publicJwk: key.publicJwk }]

/** A cluster with one Secret, in the form that cluster-api gives `CLUSTER-sa`. */
function clusterWith(data: Record<string, string>, jwks = ''): KubeClient {
  const encoded = Object.entries(data).map(([name, text]) => [name, btoa(text)])
  const cluster: Partial<KubeClient> = {
    server: 'https://127.0.0.1:6443',
    get: async (_type, { namespace, name }) => {
      if (`${namespace}/${name}` !== 'eksa-system/edge-sa') {
        throw new PodroleError('NotFound', `secrets "${name}" not found`, { status: 404 })
      }
      return { metadata: { name }, data: Object.fromEntries(encoded) } as never
    },
    raw: async (_method, path, init) => {
      expect(path).toBe('/openid/v1/jwks')
      expect(init?.accept).toContain('application/jwk-set+json')
      return new Response(jwks)
    },
  }
  return cluster as KubeClient
}

describe('a Secret', () => {
  const name = parseSecretKeyName('eksa-system/edge-sa')

  test('of EKS Anywhere: the public key is in tls.crt', async () => {
    const client = clusterWith({ 'tls.crt': publicPem, 'tls.key': privatePem })
    expect(await readSecretKeys(client, name)).toEqual(published)
  })

  test('any other key of it may be named', async () => {
    const client = clusterWith({ 'sa.pub': publicPem })
    expect(await readSecretKeys(client, { ...name, key: 'sa.pub' })).toEqual(published)
    await expect(readSecretKeys(client, name)).rejects.toMatchObject({
      code: 'NoKeyFound',
      message: 'secret eksa-system/edge-sa has no tls.crt: it has sa.pub',
    })
    await expect(readSecretKeys(clusterWith({}), { ...name, key: 'constructor' })).rejects.toThrow(
      'has no constructor: it has nothing',
    )
  })

  test('its private half is refused, and not quoted', async () => {
    const client = clusterWith({ 'tls.crt': publicPem, 'tls.key': privatePem })
    const refused = readSecretKeys(client, { ...name, key: 'tls.key' })
    await expect(refused).rejects.toMatchObject({
      code: 'PrivateKeyGiven',
      message:
        'key 1 of tls.key of secret eksa-system/edge-sa is a private key: wanted the public key',
    })
  })

  test('that is not there', async () => {
    const client = clusterWith({})
    await expect(readSecretKeys(client, { ...name, name: 'other-sa' })).rejects.toMatchObject({
      code: 'NoSuchSecret',
      message: 'secret eksa-system/other-sa is not in the cluster at https://127.0.0.1:6443',
    })
  })

  test.each([
    '',
    'edge-sa',
    'eksa-system/',
    '/edge-sa',
    'a/b/c',
    'A/b',
    'a/b:',
    'a/b:c:d',
    'a/b:../c',
  ])('%j is no name of one', (text) => {
    expect(() => parseSecretKeyName(text)).toThrow('wanted NAMESPACE/NAME or NAMESPACE/NAME:KEY')
  })
  test('NAMESPACE/NAME:KEY', () => {
    expect(parseSecretKeyName('kube-system/sa.keys:sa.pub')).toEqual({
      namespace: 'kube-system',
      name: 'sa.keys',
      key: 'sa.pub',
    })
  })
})

describe("an API server's own JWKS", () => {
  test('is read with its kids', async () => {
    const { keys } = publishedJwks(published)
    const text = JSON.stringify({ keys: keys.map((jwk) => ({ ...jwk, kid: 'signer-1' })) })
    const [found] = await readApiServerKeys(clusterWith({}, text))
    expect(found).toEqual({ kid: 'signer-1', publicJwk: { ...key.publicJwk, kid: 'signer-1' } })
  })

  test('of more than a megabyte is not read to its end', async () => {
    const read = readApiServerKeys(clusterWith({}, 'x'.repeat(1_000_001)))
    await expect(read).rejects.toMatchObject({ code: 'KeyTextTooLong' })
  })
})

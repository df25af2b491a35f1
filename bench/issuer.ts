/** The issuer's documents as they are served, and what publishing them costs a store. */
import * as sdk from '@aws-sdk/client-s3'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { publishedJwks } from '../src/issuer/key-lists.ts'
import { generateSigningKey, type PublicSigningKey } from '../src/issuer/keys.ts'
import { createIssuerNames } from '../src/issuer/outside/issuer-names.ts'
import { publish } from '../src/issuer/publishing/publish.ts'
import { createS3Store } from '../src/issuer/publishing/s3-store.ts'
import { startIssuer } from '../src/issuer/start-issuer.ts'
import type { Handler } from '../src/lib/handler.ts'
import { systemClock } from '../src/lib/clock.ts'
import { serveHttp } from '../src/lib/serve.ts'
import { createAws } from '../src/sandbox/aws/aws.ts'
import { State } from '../src/sandbox/state.ts'
import { ACCOUNT, REGION } from './fixtures.ts'
import {
  bareFloor,
  type Bench,
  compareServers,
  type Comparison,
  type Counted,
  droppingLog,
} from './measure.ts'

const ISSUER = 'https://idp.example.com/c1'
const KEYS = 50

/** Both documents over TLS, and what a publication reads and writes. */
export async function measureIssuer(bench: Bench): Promise<(Comparison | Counted)[]> {
  const keys = await makeKeys(KEYS + 1)
  return [...(await measureServing(bench, keys.slice(0, KEYS))), ...(await countPublishing(keys))]
}

const makeKeys = (count: number): Promise<readonly PublicSigningKey[]> =>
  Promise.all(
    Array.from({ length: count }, async () => {
      const { kid, publicJwk } = await generateSigningKey('ES256')
      return { kid, publicJwk }
    }),
  )

async function measureServing(
  bench: Bench,
  keys: readonly PublicSigningKey[],
): Promise<Comparison[]> {
  const folder = mkdtempSync(join(tmpdir(), 'podrole-bench-'))
  const certificate = await bench.authority.issue({ names: ['127.0.0.1'] })
  const files = { cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key') }
  writeFileSync(files.cert, certificate.cert)
  writeFileSync(files.key, certificate.key, { mode: 0o600 })
  const server = await startIssuer({
    issuer: ISSUER,
    readKeys: async () => keys,
    certificateFiles: files,
    hostname: '127.0.0.1',
    port: 0,
    maxAgeSeconds: 300,
    log: droppingLog,
  })
  const documents = [
    {
      name: `JWKS of ${KEYS} keys`,
      path: '/c1/keys.json',
      expected: publishedJwks(keys).keys[0]?.kid,
    },
    { name: 'discovery document', path: '/c1/.well-known/openid-configuration', expected: ISSUER },
  ]
  const found: Comparison[] = []
  for (const { name, path, expected = '' } of documents) {
    const requests = [{ method: 'GET', path, headers: { accept: 'application/json' } } as const]
    const measure = { name: `issuer: ${name}`, url: server.url, requests, expected }
    found.push(await compareServers(bench, measure))
    found.push(await compareServers(bench, { ...measure, floor: bareFloor(bench, 'https') }))
  }
  await server.stop()
  rmSync(folder, { recursive: true })
  return found
}

/** What reaches S3: the sandbox's, behind the AWS SDK. */
async function countPublishing(keys: readonly PublicSigningKey[]): Promise<Counted[]> {
  const aws = createAws({
    state: new State(),
    clock: systemClock,
    log: droppingLog,
    accountIds: [ACCOUNT],
    region: REGION,
    names: createIssuerNames(),
  })
  const count = { reads: 0, writes: 0 }
  const handler: Handler = (request, client) => {
    if (request.method === 'GET') count.reads += 1
    else count.writes += 1
    return aws.handler(request, client)
  }
  const server = serveHttp({ hostname: '127.0.0.1', port: 0, handler })
  const { accessKeyId, secretAccessKey } = aws.adminCredentials()
  const client = new sdk.S3Client({
    region: REGION,
    endpoint: server.url,
    credentials: { accessKeyId, secretAccessKey: secretAccessKey.reveal() },
    forcePathStyle: true,
  })
  const Bucket = 'published'
  const CreateBucketConfiguration = { LocationConstraint: REGION } as const
  await client.send(new sdk.CreateBucketCommand({ Bucket, CreateBucketConfiguration }))
  const store = createS3Store({ sdk, client }, { bucket: Bucket, prefix: 'c1' })
  const rounds = [
    ['the first time', keys.slice(0, KEYS), []],
    ['nothing changed', keys.slice(0, KEYS), []],
    ['one key more', keys, []],
    ['one key less', keys.slice(1), [keys[0]?.kid ?? '']],
  ] as const
  const found: Counted[] = []
  for (const [name, published, mayDrop] of rounds) {
    Object.assign(count, { reads: 0, writes: 0 })
    const startedAt = performance.now()
    const wanted = { issuer: ISSUER, keys: published, mayDrop, keepPublished: false }
    await publish(store, { ...wanted, maxAgeSeconds: 300 })
    const ms = performance.now() - startedAt
    found.push({ name: `issuer: publish ${KEYS} keys, ${name}`, ...count, ms })
  }
  client.destroy()
  await server.stop(0)
  return found
}

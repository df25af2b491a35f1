/** `podrole issuer keys|document|publish|check|serve`, as typed, against `podrole sandbox`. */
import {
  CreateBucketCommand,
  DeleteBucketPolicyCommand,
  PutBucketPolicyCommand,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { loadSigningKey } from '../../src/issuer/keys.ts'
import { NAMESPACES, SECRETS } from '../../src/kube/client.ts'
import { loadKubeAccess } from '../../src/kube/kubeconfig.ts'
import type { KubeObject } from '../../src/kube/objects.ts'
import { createKubeClient } from '../../src/kube/transport.ts'
import { createCertificateAuthority } from '../../src/lib/certificates.ts'
import {
  type IssuerJourney,
  PODROLE,
  type Ran,
  startIssuerJourney,
} from '../support/issuer-journey.ts'

const ACCOUNT = '111122223333'

interface PrintedJwks {
  readonly keys: readonly { readonly kid: string; readonly kty: string }[]
}
const kidsIn = ({ keys }: PrintedJwks): string[] => keys.map(({ kid }) => kid)

let journey: IssuerJourney
beforeAll(async () => {
  journey = await startIssuerJourney()
})
afterAll(() => journey.stop())

describe('podrole issuer keys', () => {
  test('makes a pair once, for its owner alone, and prints no secret', async () => {
    const words = ['keys', '--generate', 'p-384', '--private-key-file', journey.at('made.key')]
    const { code, out, err } = await journey.issuer(...words)
    expect(code).toBe(0)
    const pem = readFileSync(journey.at('made.key'), 'utf8')
    expect(statSync(journey.at('made.key')).mode & 0o777).toBe(0o600)
    const { keys } = JSON.parse(out) as PrintedJwks
    expect(keys).toEqual([{ ...loadSigningKey(pem).publicJwk }] as never)
    for (const line of pem.split('\n').slice(1, -2)) expect(out + err).not.toContain(line)
    const again = await journey.issuer(...words)
    expect(again).toMatchObject({ code: 1, out: '' })
    expect(again.err).toContain('is there already: a key is never overwritten')
    expect(readFileSync(journey.at('made.key'), 'utf8')).toBe(pem)
  })

  test("reads EKS Anywhere's Secret, an API server, files and standard input", async () => {
    const client = createKubeClient(await loadKubeAccess({ environment: journey.environment }))
    await client.create(NAMESPACES, { metadata: { name: 'eksa-system' } })
    const encoded = (file: string): string => readFileSync(journey.at(file)).toString('base64')
    const secret: KubeObject & Record<string, unknown> = {
      metadata: { namespace: 'eksa-system', name: 'c1-sa' },
      type: 'cluster.x-k8s.io/secret',
      data: { 'tls.crt': encoded('one.pub'), 'tls.key': encoded('one.key') },
    }
    await client.create(SECRETS, secret)
    const [one, two] = await Promise.all(
      ['one.pub', 'two.pub'].map(
        async (file) => kidsIn(await journey.read('keys', journey.at(file)))[0] ?? '',
      ),
    )
    const own = (await (await client.raw('GET', '/openid/v1/jwks')).json()) as PrintedJwks
    const words = [
      '--secret',
      'eksa-system/c1-sa',
      '--from-api-server',
      journey.at('two.pub'),
      journey.at('one.pub'),
    ]
    expect(kidsIn(await journey.read('keys', ...words))).toEqual([
      two,
      one,
      ...kidsIn(own),
    ] as string[])

    const wrong = await journey.issuer('keys', '--secret', 'eksa-system/c1-sa:tls.key')
    expect(wrong).toMatchObject({ code: 1, out: '' })
    expect(wrong.err).toContain('is a private key: wanted the public key')
    const piped = await journey.run([
      'sh',
      '-c',
      `cat one.pub | "${PODROLE}" issuer keys - -o table`,
    ])
    expect(piped.out).toMatch(/^KID +TYPE +ALGORITHM\n\S{43} +RSA 2048 +RS256\n$/)
  })

  test('--legacy-empty-kid is the jq line of the document, and says what it is for', async () => {
    const { out, err } = await journey.issuer('keys', journey.at('one.pub'), '--legacy-empty-kid')
    const [first, second] = (JSON.parse(out) as PrintedJwks).keys
    expect(second).toEqual({ ...first!, kid: '' })
    expect(err).toContain('for tokens without a kid')
  })
})

test("podrole issuer document has IAM's six members, and the keys' own algorithms", async () => {
  const url = 'https://s3.us-east-1.amazonaws.com/c1'
  const words = [
    'document',
    '--issuer',
    url,
    '--jwks',
    journey.at('one.pub'),
    journey.at('two.pub'),
  ]
  expect(await journey.read(...words)).toEqual({
    issuer: url,
    jwks_uri: `${url}/keys.json`,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['ES256', 'RS256'],
    claims_supported: ['aud', 'iat', 'iss', 'sub'],
  })
  const none = await journey.issuer('document', '--issuer', url)
  expect(none.err).toContain('no keys are named')
})

describe('podrole issuer publish', () => {
  test('to a new bucket; STS then takes tokens of that issuer, by what eval gave', async () => {
    const script = `set -eu
      eval "$("${PODROLE}" issuer publish one.pub --to s3://my.issuer/c1 --create-bucket --region eu-west-1 -o env)"
      echo "$ISSUER_URL|$ISSUER_HOSTPATH|$S3_BUCKET|$OIDC_PROVIDER_ARN"`
    const { code, out, err } = await journey.run(['sh', '-c', script])
    expect({ code, out }).toEqual({
      code: 0,
      out: `https://s3.eu-west-1.amazonaws.com/my.issuer/c1|s3.eu-west-1.amazonaws.com/my.issuer/c1|my.issuer|arn:aws:iam::${ACCOUNT}:oidc-provider/s3.eu-west-1.amazonaws.com/my.issuer/c1\n`,
    })
    expect(err).toContain(
      'BlockPublicPolicy and RestrictPublicBuckets switched off, on this bucket alone',
    )
    expect(err).toContain('wrote keys.json, then .well-known/openid-configuration')
    expect(err).toContain('seen from outside at https://s3.eu-west-1.amazonaws.com/my.issuer/c1')
    const [url = ''] = out.split('|')
    expect(await exchange(url, 'one.key')).toContain('assumed-role/reader-')
    await expect(exchange(url, 'two.key')).rejects.toThrow("Couldn't retrieve verification key")
  })

  test('nothing changed: nothing is written; a key more, one write; a key less, refused', async () => {
    const to = ['--to', 's3://my.issuer/c1', '--region', 'eu-west-1']
    expect(await journey.read('publish', journey.at('one.pub'), ...to)).toMatchObject({
      written: [],
      findings: [],
    })
    const more = await journey.read<{ kids: string[] }>(
      'publish',
      journey.at('one.pub'),
      journey.at('three.pub'),
      ...to,
    )
    expect(more).toMatchObject({ written: ['keys.json'], added: [more.kids[1]] })

    const before = await journey.objectText('my.issuer', 'c1/keys.json', 'eu-west-1')
    const less = await journey.issuer('publish', journey.at('three.pub'), ...to)
    expect(less).toMatchObject({ code: 1, out: '' })
    expect(less.err).toContain(`1 published key(s) would be dropped: "${more.kids[0]}"`)
    expect(await journey.objectText('my.issuer', 'c1/keys.json', 'eu-west-1')).toBe(before ?? '')

    const kept = await journey.read('publish', journey.at('two.pub'), '--keep-published', ...to)
    expect(kept).toMatchObject({ written: ['keys.json', '.well-known/openid-configuration'] })
    const url = 'https://s3.eu-west-1.amazonaws.com/my.issuer/c1'
    for (const key of ['one.key', 'two.key', 'three.key']) {
      expect(await exchange(url, key)).toContain('assumed-role/reader-')
    }
    const dropped = ['--drop-key', more.kids[0] ?? '', '--drop-key', more.kids[1] ?? '']
    expect(await journey.read('publish', journey.at('two.pub'), ...dropped, ...to)).toMatchObject({
      written: ['.well-known/openid-configuration', 'keys.json'],
      dropped: more.kids,
    })
    await expect(exchange(url, 'one.key')).rejects.toThrow("Couldn't retrieve verification key")
  })

  test('ended between its two writes, the next one goes on', async () => {
    const Bucket = 'half-written'
    await journey.s3().send(new CreateBucketCommand({ Bucket }))
    const discovery = '.well-known/openid-configuration'
    const Statement = {
      Effect: 'Deny',
      Principal: '*',
      Action: 's3:PutObject',
      Resource: `arn:aws:s3:::${Bucket}/${discovery}`,
    }
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement })
    await journey.s3().send(new PutBucketPolicyCommand({ Bucket, Policy }))
    const words = [journey.at('one.pub'), '--to', `s3://${Bucket}`, '--create-bucket']
    const half = await journey.issuer('publish', ...words)
    expect(half).toMatchObject({ code: 1, out: '' })
    expect(half.err).toContain(`S3 refused PutObject on bucket ${Bucket}`)
    expect(await journey.objectText(Bucket, 'keys.json')).toContain('"kid"')
    expect(await journey.objectText(Bucket, discovery)).toBeUndefined()
    await journey.s3().send(new DeleteBucketPolicyCommand({ Bucket }))
    expect(await journey.read('publish', ...words)).toMatchObject({
      written: [discovery],
      findings: [],
    })
  })

  test('a bucket first, the keys when there is a cluster', async () => {
    const words = ['--to', 's3://later', '--bucket-only', '--create-bucket']
    const { out } = await journey.issuer('publish', ...words, '-o', 'env')
    expect(out).toContain("export ISSUER_HOSTPATH='s3.us-east-1.amazonaws.com/later'\n")
    expect(await journey.objectText('later', 'keys.json')).toBeUndefined()
    const published = await journey.read('publish', journey.at('one.pub'), '--to', 's3://later')
    expect(published).toMatchObject({ written: ['keys.json', '.well-known/openid-configuration'] })
  })

  test('by ACLs, only when that is asked for', async () => {
    await journey.read(
      'publish',
      journey.at('one.pub'),
      '--to',
      's3://by-acl',
      '--create-bucket',
      '--acl',
    )
    const enforced = await journey.issuer(
      'publish',
      journey.at('two.pub'),
      '--to',
      's3://later/x',
      '--acl',
    )
    expect(enforced).toMatchObject({ code: 1, out: '' })
    expect(enforced.err).toContain('takes no ACLs: its object ownership is BucketOwnerEnforced')
    expect(await journey.objectText('later', 'x/keys.json')).toBeUndefined()
  })

  test('an account that blocks public policies is told of, and what to do', async () => {
    await journey.orderFaults(['s3:PutBucketPolicy=error:AccessDenied:403'])
    const words = ['--to', 's3://closed', '--create-bucket']
    const { code, out, err } = await journey.issuer('publish', journey.at('one.pub'), ...words)
    await journey.orderFaults([])
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toContain('an account that blocks public policies may answer so too')
    expect(await journey.objectText('closed', 'keys.json')).toBeUndefined()
  })

  test('what is published is not what is seen: exit code 1, and nothing for eval', async () => {
    const words = ['--to', 's3://behind-a-cdn', '--create-bucket', '--wait', '0s']
    const url = ['--issuer-url', 'https://nobody.issuer.sandbox']
    const { code, out, err } = await journey.issuer(
      'publish',
      journey.at('one.pub'),
      ...words,
      ...url,
      '-o',
      'env',
    )
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toContain('answers with HTTP 404 (DocumentStatus)')
    expect(await journey.objectText('behind-a-cdn', 'keys.json')).toBeDefined()
  })
})

describe('podrole issuer serve', () => {
  const HOST = 'idp.example.com'
  let serving: Bun.Subprocess | undefined
  let outside: Record<string, string> = {}

  beforeAll(async () => {
    const authority = await createCertificateAuthority({ commonName: 'idp' })
    const { cert, key } = await authority.issue({ names: [HOST] })
    for (const [name, text] of Object.entries({
      'tls.crt': cert,
      'tls.key': key,
      'ca.pem': authority.cert,
    })) {
      writeFileSync(journey.at(name), text)
    }
    const words = ['publish', journey.at('one.pub'), '--to', journey.at('tree'), '--no-check']
    await journey.read(...words, '--issuer-url', `https://${HOST}/c1`)
    const ready = journey.at('serve.json')
    const flags = {
      issuer: `https://${HOST}/c1`,
      keys: journey.at('tree/keys.json'),
      cert: journey.at('tls.crt'),
      key: journey.at('tls.key'),
      port: '0',
      'ready-file': ready,
      'log-level': 'error',
    }
    const served = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value])
    serving = Bun.spawn([PODROLE, 'issuer', 'serve', ...served], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    while (!existsSync(ready)) await Bun.sleep(20)
    const { port } = JSON.parse(readFileSync(ready, 'utf8')) as { port: number }
    outside = {
      PODROLE_RESOLVE: `${HOST}=127.0.0.1:${port}`,
      PODROLE_CA_FILE: journey.at('ca.pem'),
    }
  })
  afterAll(async () => {
    serving?.kill('SIGTERM')
    expect(await serving?.exited).toBe(0)
  })

  const check = (...words: string[]): Promise<Ran> =>
    journey.run([PODROLE, 'issuer', 'check', '--issuer', `https://${HOST}/c1`, ...words], outside)

  test('issuer check sees the documents; a key that is not there is a finding', async () => {
    expect(await check(journey.at('one.pub'), '-o', 'json')).toMatchObject({ code: 0, out: '[]\n' })
    const missing = await check(journey.at('two.pub'))
    expect(missing.code).toBe(1)
    expect(missing.out).toContain('KeyMissing')
    expect((await check(journey.at('two.pub'), '--fail-on', 'never')).code).toBe(0)
  })

  test('publishing into its folder waits until the new key is seen', async () => {
    const words = [
      'publish',
      journey.at('one.pub'),
      journey.at('two.pub'),
      '--to',
      journey.at('tree'),
      '-o',
      'json',
    ]
    const url = ['--issuer-url', `https://${HOST}/c1`]
    const { code, out, err } = await journey.run([PODROLE, 'issuer', ...words, ...url], outside)
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({ findings: [] })
    expect(err).toContain('not there yet, looking again for')
    expect(err).toContain(`seen from outside at https://${HOST}/c1`)
    expect((await check(journey.at('two.pub'))).code).toBe(0)
  })

  test("the table of names counts only beside a sandbox's AWS", async () => {
    const real = { ...outside, AWS_ENDPOINT_URL: 'https://sts.amazonaws.com' }
    const words = ['check', '--issuer', `https://${HOST}/c1`]
    const { code, out, err } = await journey.run([PODROLE, 'issuer', ...words], real)
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toContain('PODROLE_RESOLVE and PODROLE_CA_FILE are for a sandbox alone')
  })
})

/** Exchanges a token of that issuer at STS for a role's session. */
const exchange = (url: string, keyFile: string): Promise<string> =>
  journey.exchange(url, loadSigningKey(readFileSync(journey.at(keyFile), 'utf8')))

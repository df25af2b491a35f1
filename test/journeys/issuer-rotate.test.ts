/** `podrole issuer rotate`, as typed, against the sandbox's S3 and STS. */
import { CreateKeyCommand, type CreateKeyCommandInput, KMSClient } from '@aws-sdk/client-kms'
import { afterAll, beforeAll, describe, expect, test, setDefaultTimeout } from 'bun:test'
import { chmodSync, cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TOKEN_EXPIRY } from '../../src/token/seen-tokens.ts'
import { folderSource } from '../../src/issuer/signer/folder-source.ts'
import { createKmsKeys } from '../../src/issuer/signer/kms-key.ts'
import type { IssuerState } from '../../src/issuer/rotation/state.ts'
import {
  type IssuerJourney,
  PODROLE,
  type Ran,
  startIssuerJourney,
} from '../support/issuer-journey.ts'
import { type RotatedIssuer, rotatedIssuer } from '../support/rotated-issuer.ts'

// Each test starts podrole several times, on a machine that may be busy.
setDefaultTimeout(60_000)

const DAY_MS = 86_400_000
const TAKEN = 'assumed-role/reader-'
const UNKNOWN_KEY = "Couldn't retrieve verification key"

let journey: IssuerJourney
beforeAll(async () => {
  journey = await startIssuerJourney()
})
afterAll(() => journey.stop())

const issuerOf = (name: string, run: IssuerJourney = journey): RotatedIssuer =>
  rotatedIssuer(name, run)

const refused = (ran: Ran, message: string): void => {
  expect(ran).toMatchObject({ code: 1, out: '' })
  expect(ran.err).toContain(message)
}
const done = ({ code, err }: Ran): void => {
  expect({ code, err: code === 0 ? '' : err }).toEqual({ code: 0, err: '' })
}

describe('a rotation', () => {
  test('goes from prepare to retire, each step when it is time, and STS takes every token', async () => {
    const issuer = issuerOf('whole-rotation')
    const begun = await issuer.init()
    done(begun)
    expect(begun.err).toContain(`seen from outside at ${issuer.url}`)
    const old = issuer.kid('active')
    expect(await issuer.exchange(old)).toContain(TAKEN)

    done(await issuer.rotate('prepare'))
    const next = issuer.kid('prepared')
    expect(await issuer.published()).toEqual([old, next].sort())
    expect(issuer.kid('active')).toBe(old)
    const before = readFileSync(join(issuer.folder, 'issuer.json'), 'utf8')
    refused(await issuer.rotate('activate'), 'was first seen from outside at')
    refused(await issuer.rotate('retire'), 'no key is retiring')
    expect(readFileSync(join(issuer.folder, 'issuer.json'), 'utf8')).toBe(before)

    issuer.pass(DAY_MS - 60_000)
    refused(await issuer.rotate('activate'), 'wait until then (settle time: 86400 s)')
    issuer.pass(61_000)
    const oldKey = issuer.keyOf(old)
    done(await issuer.rotate('activate'))
    expect(issuer.kid('active')).toBe(next)
    expect(await issuer.exchange(next)).toContain(TAKEN)
    expect(await issuer.exchange(old)).toContain(TAKEN)
    refused(await issuer.rotate('retire'), `tokens of key ${old} may be in use`)

    // The longest token, five minutes of STS, and the hour that a signer may be behind.
    issuer.pass(DAY_MS + 3_900_000 - 60_000)
    refused(await issuer.rotate('retire'), 'wait until then (longest token: 86400 s)')
    const status = await issuer.rotate('status', '-o', 'json')
    expect(JSON.parse(status.out)).toMatchObject({
      keys: [
        { kid: old, state: 'retiring', waitsFor: 'its longest tokens to end' },
        { kid: next, state: 'active' },
      ],
    })
    issuer.pass(61_000)
    done(await issuer.rotate('retire'))
    expect(await issuer.published()).toEqual([next])
    expect(issuer.pems()).toEqual([next])
    expect(await issuer.exchange(next)).toContain(TAKEN)
    await expect(issuer.exchangeWith(oldKey)).rejects.toThrow(UNKNOWN_KEY)
    refused(await issuer.rotate('abort'), 'no activation can be taken back')
  })

  test('takes each step back until the next', async () => {
    const issuer = issuerOf('taken-back')
    done(await issuer.init())
    const old = issuer.kid('active')
    done(await issuer.rotate('prepare'))
    done(await issuer.rotate('abort'))
    expect(await issuer.published()).toEqual([old])
    expect(issuer.pems()).toEqual([old])

    done(await issuer.rotate('prepare', '--key-kind', 'rsa-2048'))
    const next = issuer.kid('prepared')
    issuer.pass(DAY_MS)
    done(await issuer.rotate('activate'))
    const back = await issuer.rotate('abort')
    done(back)
    expect(back.err).toContain(`key ${old} signs from now on`)
    expect([issuer.kid('active'), issuer.kid('prepared')]).toEqual([old, next])
    // Tokens that it signed meanwhile are still taken.
    expect(await issuer.exchange(next)).toContain(TAKEN)
    refused(await issuer.rotate('abort'), `tokens of key ${next} may be in use`)
    issuer.pass(DAY_MS + 3_901_000)
    done(await issuer.rotate('abort'))
    expect(await issuer.published()).toEqual([old])
    expect(await issuer.exchange(old)).toContain(TAKEN)
  })

  test('begins with the key that signs today, and leaves keys of others published', async () => {
    const issuer = issuerOf('taken-over')
    const to = ['--to', 's3://taken-over', '--create-bucket']
    await journey.read('publish', journey.at('one.pub'), journey.at('three.pub'), ...to)
    const [first = '', second = ''] = await issuer.published()
    done(await issuer.init('--private-key-file', journey.at('one.key')))
    const active = issuer.kid('active')
    expect([first, second]).toContain(active)
    expect(await issuer.exchange(active)).toContain(TAKEN)
    done(await issuer.rotate('prepare'))
    const all = [first, second, issuer.kid('prepared')].sort()
    expect(await issuer.published()).toEqual(all)
    // The folder is a source of keys by itself.
    const { kids } = await journey.read<{ kids: string[] }>(
      'publish',
      issuer.folder,
      '--keep-published',
      '--to',
      's3://taken-over',
    )
    expect(kids.sort()).toEqual(all)
  })
})

describe('a key of AWS KMS', () => {
  /** Its ARN; made by the sandbox's administrator. */
  async function makeKmsKey(
    spec: Pick<CreateKeyCommandInput, 'KeySpec' | 'KeyUsage'>,
  ): Promise<string> {
    const kms = new KMSClient(journey.awsConfig())
    const { KeyMetadata } = await kms.send(new CreateKeyCommand(spec))
    return KeyMetadata?.Arn ?? ''
  }

  test('is published, signs and goes as one in a file does', async () => {
    const issuer = issuerOf('kms-keys')
    const first = await makeKmsKey({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' })
    done(await issuer.init('--kms-key', first))
    const old = issuer.kid('active')
    // A killed init is asked again in the same words.
    done(await issuer.init('--kms-key', first))
    expect(issuer.pems()).toEqual([])
    refused(
      await issuer.rotate('prepare', '--kms-key', first),
      `is key ${old}, which this issuer has already`,
    )

    const second = await makeKmsKey({ KeySpec: 'RSA_2048', KeyUsage: 'SIGN_VERIFY' })
    done(await issuer.rotate('prepare', '--kms-key', second))
    const next = issuer.kid('prepared')
    expect(await issuer.published()).toEqual([old, next].sort())
    refused(await issuer.rotate('prepare', '--kms-key', first), `key ${next} is prepared already`)
    issuer.pass(DAY_MS)
    const activated = await issuer.rotate('activate')
    done(activated)
    expect(activated.err).toContain(`key ${next} signs from now on; it is ${second}`)

    // What the signer does with the folder: KMS's own public half is the one that was published.
    const { accessKeyId, secretAccessKey } = journey.awsConfig().credentials
    const { endpoint } = journey.awsConfig()
    const kms = createKmsKeys({ endpoint, credentials: { accessKeyId, secretAccessKey } })
    const { active } = await folderSource(issuer.folder, kms).read()
    expect(active.kid).toBe(next)
    expect((await active.sign(Buffer.from('x'))).byteLength).toBe(256)

    issuer.pass(DAY_MS + 3_901_000)
    const retired = await issuer.rotate('retire')
    done(retired)
    expect(retired.err).toContain(`key ${old} is ${first} in AWS KMS, which is left as it is`)
    expect(await issuer.published()).toEqual([next])
  })

  test('that cannot sign tokens, or is none, is refused', async () => {
    const issuer = issuerOf('kms-refused')
    done(await issuer.init())
    const encrypts = await makeKmsKey({ KeyUsage: 'ENCRYPT_DECRYPT' })
    for (const [arn, why] of [
      [encrypts, 'GetPublicKey'],
      [`${encrypts.slice(0, -36)}${crypto.randomUUID()}`, 'GetPublicKey'],
      ['arn:aws:kms:us-east-1:111122223333:alias/x', 'is no key of AWS KMS'],
    ] as const) {
      refused(await issuer.rotate('prepare', '--kms-key', arn), why)
    }
    const both = ['--kms-key', encrypts, '--key-kind', 'p-256']
    refused(await issuer.rotate('prepare', ...both), 'cannot be used with option')
    expect(issuer.kid('prepared')).toBe('')
  })
})

describe('a census', () => {
  test('holds a key that time would let go, until the token that was seen has ended', async () => {
    const issuer = issuerOf('seen-tokens')
    done(await issuer.init('--longest-token', '10m'))
    const old = issuer.kid('active')
    done(await issuer.rotate('prepare'))
    issuer.pass(DAY_MS)
    done(await issuer.rotate('activate'))
    issuer.pass(DAY_MS)
    // By time it may go.
    expect((await issuer.rotate('status')).out).toContain('retire')

    const inAnHour = Math.floor(Date.now() / 1000) + 3600
    let answer = pageOf(old, inAnHour)
    const server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response(answer) })
    const url = `${server.url.origin}/metrics`
    const asked = ['--metrics', url]
    try {
      const until = new Date((inAnHour + 300) * 1000).toISOString()
      refused(await issuer.rotate('retire', ...asked), `seen by ${url} that STS takes until`)
      expect(JSON.parse((await issuer.rotate('status', ...asked, '-o', 'json')).out)).toMatchObject(
        {
          keys: [
            { kid: old, waitsFor: 'a token that was seen to end', seenBy: url, until },
            { state: 'active' },
          ],
        },
      )
      expect((await issuer.rotate('plan', ...asked)).out).toContain(until)

      // What does not answer, or with half a page, may have seen a token: no step, and no key is lost.
      const file = journey.at('half.txt')
      writeFileSync(file, answer.slice(0, -7))
      const both = ['--metrics-file', file, '--metrics', `${url},http://127.0.0.1:1/metrics`]
      refused(await issuer.rotate('retire', ...both), 'http://127.0.0.1:1/metrics cannot be read')
      refused(await issuer.rotate('retire', '--metrics-file', file), 'it was cut off')
      refused(await issuer.rotate('status', '--metrics-file', file), 'it was cut off')
      expect(await issuer.published()).toContain(old)

      answer = pageOf(old, inAnHour - 3600 - 301)
      done(await issuer.rotate('retire', ...asked))
      expect(await issuer.published()).toEqual([issuer.kid('active')])
    } finally {
      await server.stop(true)
    }
  })

  test('of an audit log holds a key for the longest token that it tells of', async () => {
    const issuer = issuerOf('audited-tokens')
    done(await issuer.init('--longest-token', '10m'))
    const old = issuer.kid('active')
    done(await issuer.rotate('prepare'))
    issuer.pass(DAY_MS)
    done(await issuer.rotate('activate'))
    issuer.pass(DAY_MS)
    const day = journey.at('audit.log')
    const activatedMs = Date.now() - DAY_MS
    writeFileSync(
      day,
      [auditLine(activatedMs - 2 * DAY_MS), auditLine(activatedMs, 2 * 86_400)].join('\n'),
    )
    refused(
      await issuer.rotate('retire', '--audit-log', day),
      `seen by the audit log (the longest is of shop/till) that STS takes until ${new Date(activatedMs + 2 * DAY_MS + 300_000).toISOString()}`,
    )
    // For another audience it is no token of STS.
    done(await issuer.rotate('retire', '--audit-log', day, '--audit-audience', 'vault'))
    expect(await issuer.published()).not.toContain(old)
  })
})

const pageOf = (kid: string, seconds: number): string =>
  `# TYPE ${TOKEN_EXPIRY} gauge\n${TOKEN_EXPIRY}{kid="${kid}"} ${seconds}\n# EOF\n`

/** An API server's event; with a lifetime a token for STS of so many seconds. */
const auditLine = (atMs: number, expirationSeconds?: number): string =>
  JSON.stringify({
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level: 'Request',
    stage: 'ResponseComplete',
    stageTimestamp: new Date(atMs).toISOString(),
    verb: 'create',
    objectRef:
      expirationSeconds === undefined
        ? { resource: 'pods' }
        : { resource: 'serviceaccounts', subresource: 'token', namespace: 'shop', name: 'till' },
    ...(expirationSeconds !== undefined && {
      requestObject: { spec: { audiences: ['sts.amazonaws.com'], expirationSeconds } },
    }),
  })

describe('killed in the middle', () => {
  /** Runs a command, and kills it when the state is so. */
  async function killWhen(
    issuer: RotatedIssuer,
    command: string,
    isSo: (state: IssuerState) => boolean,
  ): Promise<void> {
    const child = Bun.spawn([PODROLE, 'issuer', 'rotate', command, '--dir', issuer.folder], {
      stdio: ['ignore', 'ignore', 'ignore'],
      env: { PATH: process.env['PATH'] ?? '', HOME: issuer.folder, ...journey.environment },
    })
    const deadline = Date.now() + 20_000
    while (!isSo(issuer.read()) && Date.now() < deadline) await Bun.sleep(5)
    const meanwhile = await issuer.rotate('abort')
    refused(meanwhile, `${issuer.folder} is being changed by another podrole (process `)
    child.kill('SIGKILL')
    await child.exited
    expect(isSo(issuer.read())).toBe(true)
  }

  test('prepare goes on with the key that it had recorded', async () => {
    const issuer = issuerOf('killed-prepare')
    done(await issuer.init())
    const old = issuer.kid('active')
    await journey.orderFaults(['s3:GetObject=delay:30s'])
    await killWhen(issuer, 'prepare', ({ keys }) => keys.length === 2)
    await journey.orderFaults([])
    const next = issuer.kid('prepared')
    expect(await issuer.published()).toEqual([old])
    refused(await issuer.rotate('activate'), `key ${next} was not seen from outside yet`)
    done(await issuer.rotate('prepare'))
    expect(issuer.kid('prepared')).toBe(next)
    expect(await issuer.published()).toEqual([old, next].sort())
    expect(issuer.pems()).toEqual([old, next].sort())
  })

  test('retire goes on, and deletes what it had decided to', async () => {
    const issuer = issuerOf('killed-retire')
    done(await issuer.init())
    const old = issuer.kid('active')
    done(await issuer.rotate('prepare'))
    issuer.pass(DAY_MS)
    done(await issuer.rotate('activate'))
    const next = issuer.kid('active')
    issuer.pass(DAY_MS + 3_901_000)
    await journey.orderFaults(['s3:PutObject=delay:30s'])
    await killWhen(issuer, 'retire', ({ keys }) => keys.some(({ state }) => state === 'retired'))
    await journey.orderFaults([])
    // A write that was under way when its writer was killed is done, or not.
    expect(await issuer.published()).toContain(next)
    expect(issuer.pems()).toEqual([old, next].sort())
    const again = await issuer.rotate('retire')
    done(again)
    expect(again.err).toContain(`ended what was begun before: ${old}`)
    expect(await issuer.published()).toEqual([next])
    expect(issuer.pems()).toEqual([next])
  })

  test('init goes on with the key that it had made', async () => {
    const issuer = issuerOf('killed-init')
    await journey.orderFaults(['s3:PutObject=error:InternalError:500'])
    expect((await issuer.init()).code).toBe(1)
    await journey.orderFaults([])
    const kid = issuer.kid('active')
    done(await issuer.init())
    expect(issuer.kid('active')).toBe(kid)
    expect(await issuer.exchange(kid)).toContain(TAKEN)
  })
})

describe('an STS that keeps keys', () => {
  let caching: IssuerJourney
  beforeAll(async () => {
    caching = await startIssuerJourney(['--sts-key-cache', '4s'])
  })
  afterAll(() => caching.stop())

  test('takes every token in order, and refuses them where the order is forced', async () => {
    const issuer = issuerOf('kept-keys', caching)
    done(await issuer.init('--settle', '4s', '--max-age', '1s'))
    const old = issuer.kid('active')
    expect(await issuer.exchange(old)).toContain(TAKEN)
    done(await issuer.rotate('prepare'))
    const next = issuer.kid('prepared')

    // In a copy, by hand: no option does this.
    const forced = issuerOf('forced-order', caching)
    cpSync(issuer.folder, forced.folder, { recursive: true })
    forced.write({
      ...forced.read(),
      keys: forced.read().keys.map((key) => ({
        ...key,
        state: key.kid === next ? ('active' as const) : ('retiring' as const),
      })),
    })
    await expect(issuer.exchangeWith(forced.keyOf(forced.kid('active')))).rejects.toThrow(
      UNKNOWN_KEY,
    )

    refused(await issuer.rotate('activate'), 'was first seen from outside at')
    for (let tries = 0; (await issuer.rotate('activate')).code !== 0; tries += 1) {
      expect(tries).toBeLessThan(100)
      expect(await issuer.exchange(issuer.kid('active'))).toContain(TAKEN)
    }
    expect(issuer.kid('active')).toBe(next)
    expect(await issuer.exchange(next)).toContain(TAKEN)
    expect(await issuer.exchange(old)).toContain(TAKEN)
  })
})

describe('what podrole issuer rotate refuses', () => {
  test.each([
    ['no issuer', [], 'no issuer is named'],
    ['a port', ['--issuer-url', 'https://idp.example.com:8443'], 'has a port'],
    ['no place in S3', ['--to', 's3://x'], 'is no place in S3'],
    ['a folder without a URL', ['--to', 'docs'], 'a folder does not say which issuer it is'],
    [
      'a region of nothing',
      ['--issuer-url', 'https://a.example', '--region', 'x'],
      'none is named',
    ],
    [
      'a settle time below max-age',
      ['--issuer-url', 'https://a.example', '--settle', '1m'],
      'is shorter than --max-age 300s',
    ],
    [
      'a life below any token',
      ['--issuer-url', 'https://a.example', '--longest-token', '9m'],
      'is shorter than any token',
    ],
  ] satisfies [string, string[], string][])(
    'init: %s; no folder is left',
    async (_, words, fault) => {
      refused(await journey.issuer('rotate', 'init', '--dir', journey.at('none'), ...words), fault)
      expect(existsSync(journey.at('none'))).toBe(false)
    },
  )

  test('a folder that others can read, and one that is none', async () => {
    const issuer = issuerOf('open-folder')
    done(await journey.issuer('rotate', 'init', '--dir', issuer.folder, '--issuer-url', issuer.url))
    refused(await issuer.init(), `is the folder of ${issuer.url} already`)
    chmodSync(issuer.folder, 0o755)
    refused(await issuer.rotate('status'), `chmod 700 ${issuer.folder}`)
    refused(await journey.issuer('rotate', 'prepare', '--dir', journey.at('none')), 'ENOENT')
    expect(existsSync(journey.at('none'))).toBe(false)
  })

  test('a key that the outside has lost does not sign', async () => {
    const issuer = issuerOf('lost-key')
    done(await issuer.init())
    const old = issuer.kid('active')
    done(await issuer.rotate('prepare'))
    issuer.pass(DAY_MS)
    const drop = ['--drop-key', issuer.kid('prepared'), '--to', 's3://lost-key', '--no-check']
    await journey.read('publish', '--keep-published', ...drop, join(journey.at('.'), 'one.pub'))
    refused(await issuer.rotate('activate'), 'STS could not use')
    expect(issuer.kid('active')).toBe(old)
    done(await issuer.rotate('prepare'))
    refused(await issuer.rotate('activate'), 'was first seen from outside at')
    const plan = JSON.parse((await issuer.rotate('plan', '-o', 'json')).out) as object[]
    expect(plan).toMatchObject([
      { command: 'prepare', when: 'now' },
      { command: 'activate', when: 'later' },
      { command: 'retire', when: 'no', why: 'no key is retiring' },
      { command: 'abort', when: 'now' },
    ])
  })
})

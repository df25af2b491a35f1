import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, beforeEach, describe, expect, test } from 'bun:test'
import { ManualClock } from '../lib/clock.ts'
import { createLog, silentLog } from '../lib/log.ts'
import { type Listening, serveHttp } from '../lib/serve.ts'
import { type AwsCredentials, nodeCredentials } from './credentials.ts'
import type { Environment } from './endpoints.ts'

const folder = mkdtempSync(join(tmpdir(), 'podrole-credentials-'))
const START = Date.UTC(2026, 0, 1)
const HOUR = 3_600_000
const ROLE_PATH = '/latest/meta-data/iam/security-credentials/'

const asked: string[] = []
/** What the metadata service does next; undefined answers as it should. */
let imdsFault: ((path: string) => Response | undefined) | undefined
let expiresAt = START + 6 * HOUR
let issued = 0

const imds: Listening = serveHttp({
  hostname: '127.0.0.1',
  port: 0,
  handler: async (request) => {
    const { pathname } = new URL(request.url)
    asked.push(`${request.method} ${pathname}`)
    const fault = imdsFault?.(pathname)
    if (fault !== undefined) return fault
    if (pathname === '/latest/api/token') {
      const ttl = request.headers.get('x-aws-ec2-metadata-token-ttl-seconds')
      return request.method === 'PUT' && ttl === '21600'
        ? new Response('imds-token')
        : new Response(null, { status: 400 })
    }
    if (request.headers.get('x-aws-ec2-metadata-token') !== 'imds-token') {
      return new Response(null, { status: 401 })
    }
    if (pathname === ROLE_PATH) return new Response('node-role')
    // Slow enough that concurrent callers meet.
    await Bun.sleep(5)
    issued += 1
    return Response.json({
      Code: 'Success',
      AccessKeyId: `ASIA${issued}`,
      SecretAccessKey: 'imds-secret',
      Token: 'imds-session',
      Expiration: new Date(expiresAt).toISOString().replace('.000', ''),
    })
  },
})

afterAll(async () => {
  rmSync(folder, { recursive: true })
  await imds.stop(100)
})
beforeEach(() => {
  asked.length = 0
  imdsFault = undefined
  expiresAt = START + 6 * HOUR
  issued = 0
})

const provider = (environment: Environment, clock = new ManualClock(START), log = silentLog) =>
  nodeCredentials({ environment, clock, log, imdsEndpoint: imds.url })

const revealed = ({ secretAccessKey, sessionToken, ...rest }: AwsCredentials): object => ({
  ...rest,
  secretAccessKey: secretAccessKey.reveal(),
  sessionToken: sessionToken?.reveal(),
})

const KEYS = { AWS_ACCESS_KEY_ID: 'AKIAENV', AWS_SECRET_ACCESS_KEY: 'env-secret' }

describe('environment', () => {
  test('keys win over all else', async () => {
    expect(revealed(await provider(KEYS)())).toEqual({
      accessKeyId: 'AKIAENV',
      secretAccessKey: 'env-secret',
      sessionToken: undefined,
    })
    const temporary = {
      ...KEYS,
      AWS_SESSION_TOKEN: 'env-session',
      AWS_CREDENTIAL_EXPIRATION: '2026-01-01T01:00:00Z',
    }
    expect(revealed(await provider(temporary)())).toMatchObject({
      sessionToken: 'env-session',
      expirationMs: START + HOUR,
    })
    expect(asked).toBeEmpty()
  })

  test('half a pair is none', async () => {
    const found = await provider({ AWS_ACCESS_KEY_ID: 'AKIAENV' })()
    expect(found.accessKeyId).toBe('ASIA1')
  })

  test('credentials do not print', async () => {
    const printed = inspect(await provider(KEYS)()) + JSON.stringify(await provider(KEYS)())
    expect(printed).not.toContain('env-secret')
  })
})

describe('profile', () => {
  const file = join(folder, 'credentials')
  const FILE = { AWS_SHARED_CREDENTIALS_FILE: file, AWS_EC2_METADATA_DISABLED: 'true' }
  const write = (id: string): void =>
    writeFileSync(
      file,
      `# comment\n[default]\naws_access_key_id = ${id}\naws_secret_access_key=a=b/+ \nnested =\n  aws_access_key_id = no\n\n` +
        `[profile other]\r\nAWS_ACCESS_KEY_ID=AKIAOTHER\r\naws_secret_access_key = s\r\naws_session_token = t\r\n[role]\nrole_arn = x\n`,
    )

  test('is read, and read again when the file changes', async () => {
    write('AKIAFILE')
    const credentials = provider(FILE)
    expect(revealed(await credentials())).toMatchObject({
      accessKeyId: 'AKIAFILE',
      secretAccessKey: 'a=b/+',
      sessionToken: undefined,
    })
    write('AKIANEW1')
    utimesSync(file, 2_000_000_000, 2_000_000_000)
    expect((await credentials()).accessKeyId).toBe('AKIANEW1')
    rmSync(file)
    await expect(credentials()).rejects.toMatchObject({ code: 'NoAwsCredentials' })
    write('AKIABACK')
    expect((await credentials()).accessKeyId).toBe('AKIABACK')
  })

  test('is the one that AWS_PROFILE names', async () => {
    write('AKIAFILE')
    expect(revealed(await provider({ ...FILE, AWS_PROFILE: 'other' })())).toMatchObject({
      accessKeyId: 'AKIAOTHER',
      sessionToken: 't',
    })
  })

  test('without keys says so, and so does the error that names what was tried', async () => {
    write('AKIAFILE')
    const call = provider({ ...FILE, AWS_PROFILE: 'role' })()
    await expect(call).rejects.toThrow(
      `no AWS credentials: AWS_ACCESS_KEY_ID is not set; profile "role" in ${file} has no static keys; AWS_EC2_METADATA_DISABLED is set`,
    )
    await expect(provider({ AWS_EC2_METADATA_DISABLED: 'TRUE' })()).rejects.toThrow(
      'AWS_SHARED_CREDENTIALS_FILE is not set',
    )
    const missing = { ...FILE, AWS_SHARED_CREDENTIALS_FILE: join(folder, 'none') }
    await expect(provider(missing)()).rejects.toThrow('cannot be read (ENOENT)')
  })
})

describe('instance metadata', () => {
  test('gives the role credentials with a session token of version 2', async () => {
    expect(revealed(await provider({})())).toEqual({
      accessKeyId: 'ASIA1',
      secretAccessKey: 'imds-secret',
      sessionToken: 'imds-session',
      expirationMs: START + 6 * HOUR,
    })
    expect(asked).toEqual([
      'PUT /latest/api/token',
      `GET ${ROLE_PATH}`,
      `GET ${ROLE_PATH}node-role`,
    ])
  })

  test('is asked once by concurrent callers, and again 5 minutes before the end', async () => {
    const clock = new ManualClock(START)
    const credentials = provider({}, clock)
    const all = await Promise.all(Array.from({ length: 50 }, () => credentials()))
    expect(new Set(all.map(({ accessKeyId }) => accessKeyId))).toEqual(new Set(['ASIA1']))
    clock.advance(6 * HOUR - 300_001)
    expect((await credentials()).accessKeyId).toBe('ASIA1')
    expiresAt += 6 * HOUR
    clock.advance(1)
    expect((await credentials()).accessKeyId).toBe('ASIA2')
    expect(issued).toBe(2)
  })

  test('while it fails the last credentials are kept until they expire, not longer', async () => {
    const clock = new ManualClock(START)
    const lines: string[] = []
    const log = createLog('debug', { write: (line) => lines.push(line) })
    const credentials = provider({}, clock, log)
    await credentials()
    imdsFault = () => new Response('secret text', { status: 503 })
    clock.advance(6 * HOUR - 60_000)
    expect((await credentials()).accessKeyId).toBe('ASIA1')
    expect((await credentials()).accessKeyId).toBe('ASIA1')
    expect(lines).toHaveLength(1)
    expect(lines.join()).toContain('status 503')
    expect(lines.join()).not.toMatch(/secret|imds-/)
    clock.advance(60_000)
    await expect(credentials()).rejects.toMatchObject({ code: 'NoAwsCredentials' })
    imdsFault = undefined
    expiresAt += 12 * HOUR
    expect((await credentials()).accessKeyId).toBe('ASIA2')
  })

  test('a passing 5xx is tried again', async () => {
    let left = 2
    imdsFault = () => (left-- > 0 ? new Response(null, { status: 500 }) : undefined)
    expect((await provider({})()).accessKeyId).toBe('ASIA1')
  })

  test.each([
    ['no role', ROLE_PATH, () => new Response(null, { status: 404 }), 'status 404'],
    ['an empty role', ROLE_PATH, () => new Response(''), 'has no role'],
    ['a role that is a path', ROLE_PATH, () => new Response('../../x'), 'has no role'],
    [
      'version 2 refused',
      '/latest/api/token',
      () => new Response(null, { status: 403 }),
      'status 403',
    ],
    ['no JSON', `${ROLE_PATH}node-role`, () => new Response('<html>'), 'not JSON'],
    [
      'a failure',
      `${ROLE_PATH}node-role`,
      () => Response.json({ Code: 'AssumeRoleUnauthorizedAccess' }),
      'AssumeRoleUnauthorizedAccess',
    ],
    [
      'half an answer',
      `${ROLE_PATH}node-role`,
      () => Response.json({ Code: 'Success', AccessKeyId: 'A' }),
      'lacks credentials',
    ],
    [
      'an answer without an end',
      ROLE_PATH,
      () => new Response('x'.repeat(70_000)),
      'more than 65536',
    ],
    ['a redirect', ROLE_PATH, () => Response.redirect('http://127.0.0.1:1/'), 'gave none'],
  ])('%s is a clear error', async (_name, path, answer, text) => {
    imdsFault = (asked) => (asked === path ? answer() : undefined)
    await expect(provider({})()).rejects.toThrow(text)
  })

  test('that nobody serves is a clear error', async () => {
    const call = nodeCredentials({
      environment: {},
      clock: new ManualClock(START),
      log: silentLog,
      imdsEndpoint: 'http://127.0.0.1:1',
    })()
    await expect(call).rejects.toThrow('at http://127.0.0.1:1 gave none (ECONNREFUSED)')
  })
})

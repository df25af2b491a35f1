import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PodroleError } from '../../lib/errors.ts'
import { TOKEN_EXPIRY } from '../../token/seen-tokens.ts'
import { readAuditCensus, readCensusFiles } from './census-files.ts'
import type { IssuerState, RotationKey } from './state.ts'

const folder = mkdtempSync(join(tmpdir(), 'podrole-census-'))
afterAll(() => rmSync(folder, { recursive: true }))

const HOUR_MS = 3_600_000
const START_MS = Date.UTC(2026, 0, 1)
const iso = (hours: number): string => new Date(START_MS + hours * HOUR_MS).toISOString()

function fileOf(name: string, text: string): string {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}

const faultOf = (read: () => unknown): PodroleError => {
  try {
    read()
  } catch (error) {
    if (error instanceof PodroleError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

const page = (kid: string, seconds: number): string =>
  `# TYPE ${TOKEN_EXPIRY} gauge\n${TOKEN_EXPIRY}{kid="${kid}"} ${seconds}\n# EOF\n`

test('pages in files are one census, and each says whose word it is', () => {
  const paths = [
    fileOf('one', page('a', 7)),
    fileOf('two', page('a', 5)),
    fileOf('b', page('b', 1)),
  ]
  expect([...readCensusFiles(paths)]).toEqual([
    ['a', { lastExpMs: 7000, seenBy: join(folder, 'one') }],
    ['b', { lastExpMs: 1000, seenBy: join(folder, 'b') }],
  ])
})

test('a page that is cut off, not there or endless is a fault', () => {
  const good = fileOf('good', page('a', 7))
  const whole = page('a', 7)
  const cut = fileOf('cut', whole.slice(0, whole.indexOf('# EOF')))
  expect(faultOf(() => readCensusFiles([good, cut])).message).toContain(`${cut} are of no use`)
  const none = join(folder, 'none')
  expect(faultOf(() => readCensusFiles([good, none])).code).toBe('UnreadableFile')
  expect(faultOf(() => readCensusFiles([good, '/dev/zero'])).code).toBe('CensusUnusable')
})

const key = (kid: string, more: Partial<RotationKey>): RotationKey => ({
  kid,
  publicJwk: { use: 'sig', kty: 'EC', kid, alg: 'ES256' },
  source: { file: `${kid}.pem` },
  state: 'retiring',
  preparedAt: iso(0),
  ...more,
})

const STATE: IssuerState = {
  version: 1,
  issuer: 'https://idp.example.com',
  settleSeconds: 0,
  maxTokenSeconds: 3600,
  followSeconds: 60,
  keys: [
    key('gone', { state: 'retired', activatedAt: iso(0), stoppedAt: iso(1), retiredAt: iso(9) }),
    key('old', { activatedAt: iso(1), stoppedAt: iso(4) }),
    key('back', { state: 'prepared', activatedAt: iso(6), stoppedAt: iso(7) }),
    key('stopping', { activatedAt: iso(7) }),
    key('signs', { state: 'active', activatedAt: iso(8) }),
    key('next', { state: 'prepared' }),
  ],
}

const line = (hours: number, seconds?: number): string =>
  JSON.stringify({
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    stage: 'ResponseComplete',
    stageTimestamp: iso(hours),
    verb: seconds === undefined ? 'list' : 'create',
    user: { username: 'system:node:ñ1' },
    objectRef:
      seconds === undefined
        ? { resource: 'pods' }
        : { resource: 'serviceaccounts', subresource: 'token', namespace: 'shop', name: 'till' },
    ...(seconds !== undefined && {
      requestObject: { spec: { audiences: ['sts.amazonaws.com'], expirationSeconds: seconds } },
    }),
  })

const log = (...paths: string[]) => ({
  paths,
  audiences: ['sts.amazonaws.com'],
  apiAudiences: ['https://idp.example.com'],
})

test('of each key that signed, the end of the last token signed meanwhile, over rotated files', () => {
  const filler = Array.from({ length: 500 }, () => line(0)).join('\n')
  const paths = [
    fileOf('audit-1.log', `${filler}\n${line(0, 90_000)}\n${line(2, 86_400)}\n`),
    // Signed later and ending earlier; of the other key, longer; of nobody who signs no more.
    fileOf('audit.log', `${line(3, 600)}\n${line(6.5, 600)}\n${line(8, 900_000)}`),
  ]
  const seenBy = 'the audit log (the longest is of shop/till)'
  expect([...readAuditCensus(STATE, log(...paths))]).toEqual([
    ['old', { lastExpMs: START_MS + 26 * HOUR_MS, seenBy }],
    ['back', { lastExpMs: START_MS + 6.5 * HOUR_MS + 600_000, seenBy }],
  ])
})

test('the clocks of API servers may be some minutes off', () => {
  const file = fileOf('clocks', [line(0), line(0.95, 7200), line(4.1, 7200)].join('\n'))
  const late = fileOf('late', [line(0), line(4.11, 9000)].join('\n'))
  const lastOf = (path: string) => readAuditCensus(STATE, log(path)).get('old')?.lastExpMs
  expect(lastOf(file)).toBe(START_MS + 6.1 * HOUR_MS)
  expect(lastOf(late)).toBeUndefined()
})

test('a log that begins after a key does is a fault, and one without end too', () => {
  const late = fileOf('begins-late', line(2))
  expect(faultOf(() => readAuditCensus(STATE, log(late)))).toMatchObject({
    code: 'AuditLogUnusable',
    hint: 'name the rotated files before it too, oldest first',
  })
  expect(faultOf(() => readAuditCensus(STATE, log('/dev/zero'))).code).toBe('AuditLogUnusable')
  expect(faultOf(() => readAuditCensus(STATE, log(join(folder, 'none')))).code).toBe(
    'UnreadableFile',
  )
})

test('where no key waits for its tokens no log is read', () => {
  expect(readAuditCensus({ ...STATE, keys: [] }, log(join(folder, 'none'))).size).toBe(0)
})

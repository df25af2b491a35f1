import { expect, test } from 'bun:test'
import type { Census } from './decide.ts'
import { commandOutlooks, type KeyOutlook, keyOutlooks } from './outlook.ts'
import type { IssuerState, RotationKey } from './state.ts'

const HOUR_MS = 3_600_000
const NOW_MS = Date.UTC(2026, 0, 2)
const iso = (hours: number): string => new Date(NOW_MS + hours * HOUR_MS).toISOString()

const key = (kid: string, more: Partial<RotationKey>): RotationKey => ({
  kid,
  publicJwk: { use: 'sig', kty: 'EC', kid, alg: 'ES256' },
  source: { file: `${kid}.pem` },
  state: 'active',
  preparedAt: iso(-20),
  ...more,
})
const stateOf = (...keys: RotationKey[]): IssuerState => ({
  version: 1,
  issuer: 'https://idp.example.com',
  settleSeconds: 3600,
  maxTokenSeconds: 7200,
  followSeconds: 600,
  keys,
})
const active = key('signs', { activatedAt: iso(-1), seenAt: iso(-2), before: 'old' })
const retiring = key('old', { state: 'retiring', activatedAt: iso(-9), stoppedAt: iso(-1) })
/** Two hours, ten minutes and five after it had stopped. */
const END = iso(1.25)

const facts = (census: Census = new Map()) => ({ nowMs: NOW_MS, census })
const outlookOf = (one: RotationKey, census?: Census) =>
  keyOutlooks(stateOf(one, active), facts(census))[0]

test.each<
  [
    name: string,
    RotationKey,
    Census | undefined,
    wanted: Omit<KeyOutlook, 'kid' | 'algorithm' | 'state'>,
  ]
>([
  ['signs, and was seen', active, undefined, { since: iso(-1) }],
  [
    'a first key that was not seen',
    key('new', { activatedAt: iso(-3) }),
    undefined,
    { since: iso(-3), waitsFor: 'to be seen from outside' },
  ],
  [
    'prepared and not seen',
    key('next', { state: 'prepared' }),
    undefined,
    { since: iso(-20), waitsFor: 'to be seen from outside' },
  ],
  [
    'prepared and settling',
    key('next', { state: 'prepared', seenAt: iso(-0.5) }),
    undefined,
    { since: iso(-20), waitsFor: 'the settle time', until: iso(0.5) },
  ],
  [
    'prepared and settled',
    key('next', { state: 'prepared', seenAt: iso(-1) }),
    undefined,
    { since: iso(-20), waitsFor: 'activate' },
  ],
  [
    'retiring by time',
    retiring,
    undefined,
    { since: iso(-1), waitsFor: 'its longest tokens to end', until: END },
  ],
  [
    'retiring, and a token was seen that ends before',
    retiring,
    new Map([['old', { lastExpMs: NOW_MS, seenBy: 'a' }]]),
    { since: iso(-1), waitsFor: 'its longest tokens to end', until: END },
  ],
  [
    'retiring, and a token was seen that ends later',
    retiring,
    new Map([['old', { lastExpMs: NOW_MS + 5 * HOUR_MS, seenBy: 'http://a/metrics' }]]),
    {
      since: iso(-1),
      waitsFor: 'a token that was seen to end',
      until: iso(5 + 1 / 12),
      seenBy: 'http://a/metrics',
    },
  ],
  [
    'retiring, and a token of another key was seen',
    { ...retiring, stoppedAt: iso(-9) },
    new Map([['signs', { lastExpMs: NOW_MS + HOUR_MS, seenBy: 'a' }]]),
    { since: iso(-9), waitsFor: 'retire' },
  ],
  [
    'it is not recorded that it stopped',
    key('old', { state: 'retiring', activatedAt: iso(-9) }),
    undefined,
    { since: iso(-9), waitsFor: 'a command to record that it stopped signing' },
  ],
  [
    'retired and not gone',
    key('old', { state: 'retired', activatedAt: iso(-9), stoppedAt: iso(-8), retiredAt: iso(-1) }),
    undefined,
    { since: iso(-1), waitsFor: 'retire, to be unpublished and deleted' },
  ],
])('a key: %s', (_, one, census, wanted) => {
  const { kid, state } = one
  expect(outlookOf(one, census)).toEqual({ kid, algorithm: 'ES256', state, ...wanted })
})

test('keys that are gone are not told of', () => {
  const gone = key('gone', { state: 'retired', retiredAt: iso(-3), removedAt: iso(-2) })
  expect(keyOutlooks(stateOf(gone, active), facts()).map(({ kid }) => kid)).toEqual(['signs'])
})

test('each command tells when it can be, and why not', () => {
  expect(commandOutlooks(stateOf(retiring, active), facts())).toEqual([
    {
      command: 'prepare',
      when: 'now',
      does: ['make a key', 'publish it beside the others', 'look from outside until it is seen'],
    },
    {
      command: 'activate',
      when: 'no',
      why: `no key is prepared; signs signs since ${iso(-1)}`,
      does: [],
    },
    {
      command: 'retire',
      when: 'later',
      until: END,
      why: `tokens of key old may be in use: it signed until ${iso(-1)}, and its longest tokens are taken until ${END}`,
      does: [],
    },
    {
      command: 'abort',
      when: 'now',
      does: ['have key old sign again', 'keep key signs published, prepared'],
    },
  ])
})

test('a token that was seen puts retire off, and says whose word it is', () => {
  const ripe = stateOf({ ...retiring, stoppedAt: iso(-9) }, active)
  const retireOf = (census?: Census) =>
    commandOutlooks(ripe, facts(census)).find(({ command }) => command === 'retire')
  expect(retireOf()).toEqual({
    command: 'retire',
    when: 'now',
    does: ['publish key old no more', 'delete its private half'],
  })
  expect(retireOf(new Map([['old', { lastExpMs: NOW_MS, seenBy: 'audit.log' }]]))).toEqual({
    command: 'retire',
    when: 'later',
    until: iso(1 / 12),
    why: `tokens of key old may be in use: a token of it was seen by audit.log that STS takes until ${iso(1 / 12)}`,
    does: [],
  })
})

test('what a killed command left is ended first', () => {
  const left = key('old', {
    state: 'retired',
    activatedAt: iso(-9),
    stoppedAt: iso(-8),
    retiredAt: iso(-1),
  })
  const does = ['publish key old no more', 'delete its private half']
  expect(commandOutlooks(stateOf(left, active), facts())).toMatchObject([
    { command: 'prepare' },
    { command: 'activate' },
    { command: 'retire', when: 'now', does },
    { command: 'abort', when: 'now', does },
  ])
})

import { expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { ManualClock } from '../lib/clock.ts'
import { Registry } from '../lib/metrics/registry.ts'
import { MAX_KIDS, SeenTokens, TOKEN_EXPIRY, TOKEN_EXPIRY_DROPPED } from './seen-tokens.ts'

function started() {
  const clock = new ManualClock()
  const seen = new SeenTokens(clock)
  const registry = new Registry()
  seen.addTo(registry)
  const linesOf = (name: string): string[] =>
    registry
      .page('openmetrics')
      .split('\n')
      .filter((line) => line.startsWith(name))
  const now = () => clock.now() / 1000
  return {
    clock,
    seen,
    now,
    kids: () => linesOf(TOKEN_EXPIRY),
    dropped: () => linesOf(TOKEN_EXPIRY_DROPPED),
  }
}

test('before the first token the page has the type and no value', () => {
  const registry = new Registry()
  new SeenTokens(new ManualClock()).addTo(registry)
  expect(registry.page('openmetrics').split('\n')).toContain(`# TYPE ${TOKEN_EXPIRY} gauge`)
  expect(started().kids()).toEqual([])
})

test('of every key the latest end, whatever the order', () => {
  const kid = fc.constantFrom('a', 'b', 'c"\\\n')
  const token = fc.tuple(kid, fc.integer({ min: 0, max: 100_000 }))
  fc.assert(
    fc.property(fc.array(token, { maxLength: 30 }), (tokens) => {
      const { kids, now, seen } = started()
      const wanted = new Map<string, number>()
      for (const [name, later] of tokens) {
        seen.see(name, now() + later)
        wanted.set(name, Math.max(wanted.get(name) ?? 0, now() + later))
      }
      const told = [...wanted].map(([name, exp]) => {
        const escaped = name.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
        return `${TOKEN_EXPIRY}{kid="${escaped}"} ${exp}`
      })
      expect(kids().sort()).toEqual(told.sort())
    }),
  )
})

test('a token that names no key is not told of', () => {
  const { kids, now, seen } = started()
  seen.see(undefined, now() + 10)
  seen.see('', now() + 10)
  expect(kids()).toEqual([])
})

test('a key goes a day after its last token', () => {
  const { clock, kids, now, seen } = started()
  seen.see('a', now() + 60)
  clock.advance(60_000 + 86_400_000)
  expect(kids()).toHaveLength(1)
  clock.advance(1000)
  expect(kids()).toEqual([])
})

test('too many keys are told of as such, and no live one is forgotten for another', () => {
  const { clock, dropped, kids, now, seen } = started()
  for (let at = 0; at < MAX_KIDS; at += 1) seen.see(`k${at}`, now() + (at === 0 ? 60 : 3600))
  seen.see('one more', now() + 3600)
  seen.see('k1', now() + 7200)
  expect(kids()).toHaveLength(MAX_KIDS)
  expect(kids()).toContain(`${TOKEN_EXPIRY}{kid="k1"} ${now() + 7200}`)
  expect(dropped()).toEqual([`${TOKEN_EXPIRY_DROPPED} 1`])
  // When STS takes the first one's token no more, there is room for another.
  clock.advance(60_000 + 300_001)
  seen.see('one more', now() + 3600)
  expect(kids()).toContain(`${TOKEN_EXPIRY}{kid="one more"} ${now() + 3600}`)
  expect(dropped()).toEqual([`${TOKEN_EXPIRY_DROPPED} 1`])
})

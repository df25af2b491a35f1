import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { codeOf } from '../../lib/errors.ts'
import { parsePolicy } from '../policy.ts'
import {
  COMPACT_RULES,
  type CompactOptions,
  type CompactRules,
  compactTrust,
  type JoinedStatements,
} from './compact.ts'
import { proveSame } from './differences.ts'
import { admittedOf, trustPolicies, UNIVERSE } from './policies.suite.ts'
import { shardTrust } from './shards.ts'

const CASES = join(import.meta.dir, 'testdata')

interface HandCase {
  /** What it is about, for whoever reads it. */
  readonly about: string
  /** A policy, or its exact text. */
  readonly before: object | string
  /** None where it stays as it is. */
  readonly after?: object
  /** What must be in the new text to the last character. */
  readonly text?: string
  readonly options?: CompactOptions
  readonly joined?: readonly JoinedStatements[]
  readonly kept?: readonly string[]
  readonly disowned?: readonly string[]
}

const parse = (text: string): ReturnType<typeof parsePolicy> => parsePolicy(text, 'trust')
const SEED = 7
const RUNS = 500
const AT_ONCE = 50
/** How many policies a broken compactor must be found out by. */
const FAULTS_WANTED = 2

describe(`${RUNS} generated policies`, () => {
  const policies = fc.sample(trustPolicies, { seed: SEED, numRuns: RUNS })
  const sound = policies.map((policy) => compactTrust(policy).after)

  for (let from = 0; from < RUNS; from += AT_ONCE) {
    test(`${from} and on: each admits the same, token by token, and is never longer`, () => {
      let shorter = 0
      let admitted = 0
      for (const [at, before] of policies.slice(from, from + AT_ONCE).entries()) {
        const after = sound[from + at] ?? ''
        const was = admittedOf([parse(before)])
        if (after !== before && admittedOf([parse(after)]) !== was) {
          throw new Error(`not the same: ${before}\n${after}`)
        }
        expect(after.length).toBeLessThanOrEqual(before.length)
        if (was.includes('1')) admitted += 1
        if (JSON.stringify(JSON.parse(before)).length > after.length) shorter += 1
      }
      expect(UNIVERSE.length).toBeGreaterThan(900)
      expect(admitted).toBeGreaterThan(AT_ONCE * 0.8)
      expect(shorter).toBeGreaterThan(AT_ONCE * 0.4)
    })
  }

  test('the proof asks of each what it admits and what it just does not', () => {
    for (const [at, policy] of policies.entries()) {
      if (at % 50 > 0 || sound[at] === policy) continue
      const { asked, admitted } = proveSame(policy, [sound[at] ?? ''])
      expect(asked).toBeGreaterThan(admitted)
    }
  })

  test('what was compacted once is not compacted again', () => {
    for (const after of sound) {
      const again = compactTrust(after).after
      expect(again.length).toBe(after.length)
    }
  })

  test('editable: the same too', () => {
    for (const policy of policies.slice(0, AT_ONCE)) {
      const { after } = compactTrust(policy, { editable: true })
      expect(admittedOf([parse(after)])).toBe(admittedOf([parse(policy)]))
    }
  })

  describe('a compactor that is broken is found out by the enumeration and by the proof', () => {
    const broken: Readonly<Record<string, Partial<CompactRules>>> = {
      'a pattern covers what begins like it': {
        covers: (_axis, wide, narrow) => narrow.startsWith(wide.replace(/[*?].*$/, '')),
      },
      'a question mark covers a star': {
        covers: (axis, wide, narrow) =>
          COMPACT_RULES.covers(axis, wide, narrow) ||
          (wide === 'b:?' && narrow === 'b:*') ||
          (wide === 'x*' && narrow === 'z'),
      },
      'values cover one another without case and length': {
        covers: (_axis, wide, narrow) => wide.slice(0, 3) === narrow.slice(0, 3),
      },
      'lists that share a value are the same': {
        isSame: (one, other) => one.some((value) => other.includes(value)),
      },
      'lists of one length are the same': { isSame: (one, other) => one.length === other.length },
      'conditions that are wholes do not count': {
        frameOf: (box) => COMPACT_RULES.frameOf({ ...box, fixed: [] }),
      },
      'a condition that is missing does not count': {
        frameOf: (box) => box.principalType,
      },
      'what asks for more admits more': {
        asksLess: (wide, narrow) => COMPACT_RULES.asksLess(narrow, wide),
      },
      'wholes do not count where one is within another': {
        asksLess: (wide, narrow) => COMPACT_RULES.asksLess({ ...wide, fixed: [] }, narrow),
      },
    }
    for (const [name, rules] of Object.entries(broken)) {
      test(name, () => {
        const found: { readonly isProven: boolean }[] = []
        for (const [at, policy] of policies.entries()) {
          const { after } = compactTrust(policy, {}, { ...COMPACT_RULES, ...rules })
          if (after === sound[at] || admittedOf([parse(after)]) === admittedOf([parse(policy)]))
            continue
          // What the enumeration sees, the proof that stands before every write sees too.
          found.push({ isProven: isProvenSame(policy, after) })
          if (found.length === FAULTS_WANTED) break
        }
        expect(found).toEqual(Array.from({ length: FAULTS_WANTED }, () => ({ isProven: false })))
      })
    }
  })
})

function isProvenSame(before: string, after: string): boolean {
  try {
    proveSame(before, [after])
    return true
  } catch (error) {
    expect(codeOf(error)).toBe('NotTheSameTrust')
    return false
  }
}

describe('by hand', () => {
  for (const file of readdirSync(CASES)) {
    test(file, () => {
      const it = JSON.parse(readFileSync(join(CASES, file), 'utf8')) as HandCase
      const before = typeof it.before === 'string' ? it.before : JSON.stringify(it.before)
      const { after, disowned, joined, kept } = compactTrust(before, it.options)
      const { asked } = proveSame(before, [after])
      expect(asked).toBeGreaterThanOrEqual(0)
      expect(JSON.parse(after)).toEqual(it.after ?? JSON.parse(before))
      if (it.text !== undefined) expect(after).toContain(it.text)
      const said: unknown = { joined, kept: kept.map(({ statement }) => statement), disowned }
      expect(said).toEqual({
        joined: it.joined ?? [],
        kept: it.kept ?? [],
        disowned: it.disowned ?? [],
      })
    })
  }
})

describe('shards', () => {
  const statement = (namespace: string): object => ({
    Effect: 'Allow',
    Principal: { Federated: 'arn:aws:iam::111122223333:oidc-provider/i.example.com' },
    Action: 'sts:AssumeRoleWithWebIdentity',
    Condition: {
      StringEquals: {
        'i.example.com:aud': 'sts.amazonaws.com',
        'i.example.com:sub': Array.from(
          { length: 40 },
          (_, at) => `system:serviceaccount:${namespace}:worker-${at}`,
        ),
      },
    },
  })
  const deny = {
    Sid: 'No',
    Effect: 'Deny',
    Principal: '*',
    Action: 'sts:*',
    Condition: { StringLike: { 'i.example.com:sub': '*:worker-7' } },
  }
  const long = JSON.stringify({
    Version: '2012-10-17',
    Statement: [statement('a'), deny, statement('b')],
  })

  test('each fits, each denies, and together they admit the same', () => {
    const { after } = compactTrust(long)
    const shards = shardTrust(after, 2048)
    expect(shards.length).toBe(2)
    for (const shard of shards) {
      expect(shard.length).toBeLessThanOrEqual(2048)
      expect(shard).toContain(JSON.stringify(deny))
    }
    expect(proveSame(long, shards).admitted).toBeGreaterThan(70)
    expect(() => proveSame(long, shards.slice(1))).toThrow('refuses')
  })

  test('what fits is one', () => expect(shardTrust(long, long.length)).toEqual([long]))

  test('where not even one value fits, it says so', () => {
    expect(() => shardTrust(long, 300)).toThrow('and 300 are allowed')
  })
})

import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { readSaid, shown } from './said.ts'

const IDENTITY = 'arn:aws:sts::111122223333:assumed-role/orders/session'
const log = (...lines: readonly string[]): string =>
  lines.map((line) => `podrole: ${line}\n`).join('')
const WHOLE = ['provider container-role', `identity ${IDENTITY}`, 'end']

describe('what is not whole is not believed', () => {
  test.each([
    ['nothing', '', 'it ends too early'],
    ['no end', log(...WHOLE.slice(0, 2)), 'it ends too early'],
    ['a cut line', log(...WHOLE).slice(0, -1), 'its last line is cut'],
    [
      'a line of something else',
      `${log(...WHOLE.slice(0, 1))}hello\n`,
      'line 2 is not one of podrole',
    ],
    ['a line behind the end', log(...WHOLE, 'end'), 'line 3 is not what comes there'],
    [
      'two identities',
      log('provider env', `identity ${IDENTITY}`, `identity ${IDENTITY}`, 'end'),
      'line 3 is not',
    ],
    ['an identity that is no ARN', log('provider env', 'identity root', 'end'), 'line 2 is not'],
    [
      'an ARN with an escape',
      log('provider env', `identity ${IDENTITY}\u001b[2J`, 'end'),
      'line 2 is not',
    ],
    [
      'a check that was not asked for',
      log(...WHOLE.slice(0, 2), 'check 1 succeeded, with the text', 'end'),
      'line 4',
    ],
    [
      'checks out of order',
      log(...WHOLE.slice(0, 2), 'check 2 succeeded, with the text', 'end'),
      'its checks are out of order',
    ],
  ])('%s', (_, text, why) => {
    expect(readSaid(text, 0)).toEqual({ kind: 'unreadable', why: expect.stringContaining(why) })
  })
})

test('nothing of a log that is not whole is told', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), fc.nat(3), (text, checks) => {
      const read = readSaid(`secret ${text}\n`, checks)
      expect(read.kind).toBe('unreadable')
      expect(read.kind === 'unreadable' && read.why).not.toContain('secret')
    }),
  )
})

test('keys, tokens and what moves a cursor are not shown', () => {
  const token = 'eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln-_'
  const text = `a \u001b[31m${token} AKIAIOSFODNN7EXAMPLE ASIAIOSFODNN7EXAMPLE IQoJb3JpZ2luX2VjE= \u202eb`
  expect(shown(text)).toBe('a  [31m[secret] [secret] [secret] [secret]  b')
  const said = readSaid(log('no provider: x', `no identity: ${token}`, 'end'), 0)
  expect(said).toMatchObject({ kind: 'complete', said: { identityFault: '[secret]' } })
})

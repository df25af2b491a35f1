import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { PodroleError } from '../../../lib/errors.ts'
import { createFaultBoard } from './board.ts'
import { parseFaultRule, parseFaultRules } from './rules.ts'

const runs = Math.ceil(300 * Number(process.env['PODROLE_TEST_SCALE'] ?? 1))

describe('a fault as it is ordered', () => {
  test('every effect, with counts and probabilities', () => {
    const rule = parseFaultRule(
      'sts:AssumeRole=delay:1s500ms@50%,throttle:3,throttle:.1,error:Odd.Code:418@2,outage@0.25,half-answer@1',
    )
    expect(rule).toMatchObject({ service: 'sts', operation: 'AssumeRole' })
    expect(rule.effects).toEqual([
      { effect: { kind: 'delay', delayMs: 1500 }, occurrence: { kind: 'share', share: 0.5 } },
      { effect: { kind: 'throttle' }, occurrence: { kind: 'count', count: 3 } },
      { effect: { kind: 'throttle' }, occurrence: { kind: 'share', share: 0.1 } },
      {
        effect: { kind: 'error', code: 'Odd.Code', status: 418 },
        occurrence: { kind: 'count', count: 2 },
      },
      { effect: { kind: 'outage' }, occurrence: { kind: 'share', share: 0.25 } },
      { effect: { kind: 'half-answer' }, occurrence: { kind: 'count', count: 1 } },
    ])
    expect(parseFaultRule('*:*=error:X').effects[0]?.effect).toMatchObject({ status: 400 })
    expect(parseFaultRule('eks:*=eventual:200ms').effects[0]?.effect).toEqual({
      kind: 'eventual',
      delayMs: 200,
    })
  })

  test.each([
    ['', 'wanted SERVICE:OPERATION=EFFECT'],
    ['sts=outage', 'wanted SERVICE:OPERATION=EFFECT'],
    ['sqs:*=outage', 'wanted one of the services sts, iam'],
    ['sts:*=explode', 'wanted SERVICE:OPERATION=EFFECT'],
    ['sts:*=constructor', 'wanted SERVICE:OPERATION=EFFECT'],
    ['sts:*=outage,', 'wanted SERVICE:OPERATION=EFFECT'],
    ['sts:*=outage:1', 'says too much'],
    ['sts:*=delay', 'a duration is missing'],
    ['sts:*=delay:soon', 'duration "soon" is not one'],
    ['sts:*=delay:2m', 'is over 60s'],
    ['sts:*=throttle:0', 'no count and no probability'],
    ['sts:*=throttle:1.5', 'no count and no probability'],
    ['sts:*=throttle:150%', 'no count and no probability'],
    ['sts:*=throttle:1@1', 'two counts'],
    ['sts:*=error', 'wanted error:CODE'],
    ['sts:*=error:X:200', 'wanted 400 to 599'],
    ['sts:*=eventual:1s', 'eventual is a property of a service'],
    ['iam:GetRole=eventual:1s', 'eventual is a property of a service'],
    ['iam:*=eventual:1s@2', 'eventual has no count'],
    ['iam:*=eventual:2h', 'is over 3600s'],
  ])('%p is refused: %p', (text, why) => {
    expect(() => parseFaultRule(text)).toThrow(why)
  })

  test('at most 100', () => {
    expect(() => parseFaultRules(Array.from({ length: 101 }, () => '*:*=outage'))).toThrow('100')
  })

  test('any text is read or refused in words', () => {
    const part = fc.constantFrom('sts', '*', ':', '=', ',', '@', 'delay', '1s', 'error', '0.5', 'x')
    const text = fc.oneof(
      fc.string(),
      fc.array(part, { maxLength: 12 }).map((all) => all.join('')),
    )
    fc.assert(
      fc.property(text, (order) => {
        try {
          expect(parseFaultRule(order).effects.length).toBeGreaterThan(0)
        } catch (error) {
          expect(error).toBeInstanceOf(PodroleError)
        }
      }),
      { numRuns: runs },
    )
  })
})

describe('the faults in force', () => {
  test('counts are used up, one refusal at a time', () => {
    const board = createFaultBoard(['sts:*=throttle:1', '*:AssumeRole=error:A:500@1,delay:10ms'])
    expect(board.take('sts', 'AssumeRole')).toEqual({
      delayMs: 10,
      halfAnswer: false,
      refusal: { kind: 'throttle' },
    })
    expect(board.take('sts', 'AssumeRole').refusal).toMatchObject({ kind: 'error', code: 'A' })
    expect(board.take('sts', 'AssumeRole')).toEqual({ delayMs: 10, halfAnswer: false })
    expect(board.take('iam', 'GetRole')).toEqual({ delayMs: 0, halfAnswer: false })
    expect(board.list()).toEqual([
      { fault: 'sts:*=throttle:1', applied: 1, remaining: [0] },
      { fault: '*:AssumeRole=error:A:500@1,delay:10ms', applied: 4, remaining: [0] },
    ])
  })

  test('probabilities', () => {
    const numbers = [0.19, 0.2, 0.99, 0]
    const board = createFaultBoard(['s3:*=outage@20%'], () => numbers.shift() ?? 1)
    const came = Array.from({ length: 4 }, () => board.take('s3', 'GetObject').refusal?.kind)
    expect(came).toEqual(['outage', undefined, undefined, 'outage'])
  })

  test('a refused order leaves what was', () => {
    const board = createFaultBoard(['iam:*=eventual:2s', '*:*=eventual:1s'])
    expect(() => board.replace(['*:*=outage', 'nonsense'])).toThrow('nonsense')
    expect([board.eventualMs('iam'), board.eventualMs('eks')]).toEqual([2000, 1000])
    board.replace([])
    expect(board.eventualMs('iam')).toBe(0)
  })
})

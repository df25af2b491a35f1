import { describe, expect, test } from 'bun:test'
import {
  labelSelectorOf,
  matchFields,
  parseFieldSelector,
  parseLabelSelector,
} from './selectors.ts'

describe('label selectors', () => {
  const labels = { app: 'web', tier: 'front', size: '5' }
  test.each([
    ['', true],
    ['app=web', true],
    ['app==web,tier=front', true],
    ['app=db', false],
    ['app!=db', true],
    ['missing!=x', true],
    ['app in (db, web)', true],
    ['app notin (db,web),tier=front', false],
    ['app', true],
    ['missing', false],
    ['!missing', true],
    ['!app', false],
    ['size>4', true],
    ['size<5', false],
    ['app in (db,web),tier in (front),!gone', true],
  ])('%p', (selector, expected) => {
    expect(parseLabelSelector(selector)(labels)).toBe(expected)
  })

  test.each(['a=b=c', 'a in b', '=x', ',', 'a,', 'a,,b', 'a=$', 'size>x', 'a b'])(
    '%p is refused',
    (selector) => {
      expect(() => parseLabelSelector(selector)).toThrow()
    },
  )

  test('selector objects: {} is everything, nothing is nothing, all conditions must hold', () => {
    expect(labelSelectorOf({})(labels)).toBe(true)
    expect(labelSelectorOf(undefined)(labels)).toBe(false)
    const selector = {
      matchLabels: { app: 'web' },
      matchExpressions: [
        { key: 'tier', operator: 'NotIn', values: ['back'] },
        { key: 'gone', operator: 'DoesNotExist' },
      ],
    }
    expect(labelSelectorOf(selector)(labels)).toBe(true)
    expect(labelSelectorOf(selector)({ ...labels, gone: '' })).toBe(false)
  })
})

describe('field selectors', () => {
  test('equality and inequality', () => {
    const fields = { 'spec.nodeName': 'a', 'status.phase': 'Running' }
    const matches = (text: string): boolean => matchFields(parseFieldSelector(text), fields)
    expect(matches('spec.nodeName=a,status.phase!=Failed')).toBe(true)
    expect(matches('spec.nodeName==b')).toBe(false)
    expect(matches('status.phase!=Running')).toBe(false)
  })
  test('what has no sign is refused', () => {
    expect(() => parseFieldSelector('spec.nodeName')).toThrow('invalid selector')
  })
})

import { describe, expect, test } from 'bun:test'
import { applyStrategicMerge } from './strategic-merge.ts'
import cases from './testdata/strategic-merge.json'
import { METADATA } from './types/metadata.ts'
import { POD_SPEC } from './types/pod-schema.ts'

describe('a strategic merge patch', () => {
  test.each(cases.map((one) => [one.name, one] as const))('%s', (_name, one) => {
    const original = structuredClone(one.original)
    expect(applyStrategicMerge(POD_SPEC, one.original, one.patch)).toEqual(one.result)
    expect(one.original).toEqual(original)
  })

  test('scalars of a set are added, and removed by $deleteFromPrimitiveList', () => {
    const original = { finalizers: ['a/a', 'b/b'] }
    expect(applyStrategicMerge(METADATA, original, { finalizers: ['c/c', 'a/a'] })).toEqual({
      finalizers: ['a/a', 'b/b', 'c/c'],
    })
    const patch = { '$deleteFromPrimitiveList/finalizers': ['a/a'] }
    expect(applyStrategicMerge(METADATA, original, patch)).toEqual({ finalizers: ['b/b'] })
  })

  test('an element without its merge key is refused', () => {
    const patch = { containers: [{ image: 'x' }] }
    expect(() => applyStrategicMerge(POD_SPEC, {}, patch)).toThrow(
      'does not contain declared merge key: name',
    )
  })
})

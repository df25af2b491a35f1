import { describe, expect, test } from 'bun:test'
import { nearestOf } from './nearest.ts'

const KNOWN = ['roleARN', 'roleName', 'namespace', 'policy', 'tags']

describe('nearestOf', () => {
  test.each([
    ['roleArn', 'roleARN'],
    ['ROLEARN', 'roleARN'],
    ['rolename', 'roleName'],
    ['namepsace', 'namespace'],
    ['namespaces', 'namespace'],
    ['polcy', 'policy'],
    ['tag', 'tags'],
    ['instanceType', undefined],
    ['', undefined],
    ['n'.repeat(10_000), undefined],
  ])('%p means %p', (text, wanted) => {
    expect(nearestOf(text, KNOWN)).toBe(wanted)
  })
})

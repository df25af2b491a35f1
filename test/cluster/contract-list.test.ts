import { expect, test } from 'bun:test'
import { countCases, readCases } from './contract-cases.ts'

const cases = readCases()

test('the contract suite is broad, and a third of it are refusals', () => {
  process.stderr.write(`contract suite\n  ${countCases(cases).join('\n  ')}\n`)
  expect(cases.length).toBeGreaterThanOrEqual(300)
  const refusals = cases.filter(({ isRefusal }) => isRefusal).length
  expect(refusals / cases.length).toBeGreaterThanOrEqual(1 / 3)
})

test('every case has a name of its own', () => {
  const names = cases.map(({ group, name }) => `${group}: ${name}`)
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([])
})

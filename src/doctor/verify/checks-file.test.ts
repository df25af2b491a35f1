import { expect, test } from 'bun:test'
import { parseChecks } from './checks-file.ts'
import { messageOf } from '../../lib/errors.ts'

const faultsOf = (text: string): readonly string[] => {
  try {
    parseChecks(text, 'checks.yaml')
  } catch (error) {
    return messageOf(error).split('\n').slice(1)
  }
  return []
}

test('each kind of expectation', () => {
  const text = `
checks:
  - { name: lists, command: [s3, ls, s3://shop-orders], expect: success }
  - { name: may not delete, command: [s3api, delete-bucket, --bucket, b], expect: access-denied }
  - { name: reads tea, command: [s3, cp, s3://shop-orders/today.txt, '-'], expect: { output: tea } }
`
  expect(parseChecks(text, 'checks.yaml').map(({ expect: wanted }) => wanted)).toEqual([
    { kind: 'success' },
    { kind: 'access-denied' },
    { kind: 'output', text: 'tea' },
  ])
})

test('all faults in one pass, with their paths', () => {
  const text = `
more: 1
checks:
  - { name: '', command: [], expect: success }
  - { name: a, command: [--debug, s3], expect: failure }
  - { name: b, command: [s3, "ls\\nrm"], expect: { output: '' }, timeout: 3 }
`
  const faults = faultsOf(text).join('\n')
  for (const path of [
    'checks.0.name: ',
    'checks.0.command: ',
    'checks.1.command.0: --debug prints credentials',
    'checks.1.expect: wanted success, access-denied or {output: TEXT}',
    'checks.2.command.1: wanted one line',
    'checks.2.expect',
    'checks.2: Unrecognized key: "timeout"',
    'it: Unrecognized key: "more"',
  ]) {
    expect(faults).toContain(path)
  }
})

test.each([
  ['no YAML', 'checks: [', 1],
  ['a key twice', 'checks: []\nchecks: []', 1],
  ['an alias', 'checks: &a [*a]', 1],
  ['no checks', 'checks: []', 1],
  ['nothing', '', 1],
  [
    'two of a name',
    'checks: [{name: a, command: [s3], expect: success}, {name: a, command: [s3], expect: success}]',
    1,
  ],
  [
    'commands longer than a pod takes',
    JSON.stringify({
      checks: Array.from({ length: 40 }, (_, at) => ({
        name: String(at),
        command: ['s3', 'x'.repeat(2000)],
        expect: 'success',
      })),
    }),
    1,
  ],
  ['a file that is too long', ' '.repeat((1 << 18) + 1), 1],
])('%s is a fault', (_, text, count) => {
  expect(faultsOf(text).length).toBeGreaterThanOrEqual(count)
})

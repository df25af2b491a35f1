/** docs/operating/broker.md: its example is one that a broker takes, its table has every setting. */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { BROKER_SETTINGS, readBrokerConfig } from '../../src/broker/config.ts'

const PAGE = readFileSync(
  join(import.meta.dir, '..', '..', 'docs', 'operating', 'broker.md'),
  'utf8',
)
const EXAMPLE: unknown = parse(/```yaml\n([^`]*)```/.exec(PAGE)?.[1] ?? '')

test('the example is taken as it stands, and holds no default that would do', () => {
  const config = readBrokerConfig(EXAMPLE)
  expect(config.signingKeys).toEqual({
    sealing: { file: '/etc/podrole/sealing/keys' },
    rotateEvery: 90 * 86_400,
    settle: 86_400,
  })
})

test('every setting has a row', () => {
  const table = PAGE.split('\n').filter((line) => line.startsWith('| `'))
  const rows = table.flatMap((line) => [...(line.split('|')[1] ?? '').matchAll(/`([\w.]+)`/g)])
  expect(rows.map(([, name]) => name ?? '').sort()).toEqual([...BROKER_SETTINGS].sort())
})

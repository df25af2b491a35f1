/**
 * `testdata/read/NAME.yaml` is read as `NAME.json` says. `testdata/faults/NAME.yaml` begins with
 * the faults that it has, a `#! ` line each. PODROLE_WRITE_TESTDATA=1 writes what is found; read
 * the difference before it is kept.
 */
import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Glob } from 'bun'
import * as fc from 'fast-check'
import { parseAllDocuments } from 'yaml'
import { codeOf, messageOf } from '../../lib/errors.ts'
import type { FragmentTarget } from './desired-state.ts'
import { DOCUMENT_LIMITS } from './documents.ts'
import { describeFault } from './faults.ts'
import { examineDesired, readDesired } from './read-desired.ts'

const TESTDATA = join(import.meta.dir, 'testdata')
const isWriting = process.env['PODROLE_WRITE_TESTDATA'] === '1'

const casesIn = (folder: string): string[] =>
  [...new Glob('*.yaml').scanSync({ cwd: join(TESTDATA, folder) })].sort()

const textOf = (folder: string, name: string): string =>
  readFileSync(join(TESTDATA, folder, name), 'utf8')

/** `# target: --cluster C --region R` */
function targetOf(text: string): FragmentTarget {
  const [, cluster] = /^# target:.* --cluster (\S+)/m.exec(text) ?? []
  const [, region] = /^# target:.* --region (\S+)/m.exec(text) ?? []
  return { ...(cluster !== undefined && { cluster }), ...(region !== undefined && { region }) }
}

describe('what is read', () => {
  test.each(casesIn('read'))('%s', (name) => {
    const text = textOf('read', name)
    const state = readDesired([{ name, text }], targetOf(text))
    const file = join(TESTDATA, 'read', name.replace('.yaml', '.json'))
    if (isWriting) writeFileSync(file, `${JSON.stringify(state, null, 2)}\n`)
    const wanted: unknown = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined
    expect(JSON.parse(JSON.stringify(state))).toEqual(wanted)
  })
})

describe('what is refused', () => {
  test.each(casesIn('faults'))('%s', (name) => {
    const text = textOf('faults', name)
    const { faults } = examineDesired([{ name: 'input.yaml', text }], targetOf(text))
    const found = faults.map((fault) => describeFault({ ...fault, source: at(fault.source) }))
    if (isWriting) {
      const body = text.replaceAll(/^#!.*\n/gm, '')
      writeFileSync(
        join(TESTDATA, 'faults', name),
        `${found.map((line) => `#! ${line}\n`).join('')}${body}`,
      )
    }
    const wanted = [...text.matchAll(/^#! (.*)$/gm)].map(([, line = '']) => line)
    expect(found).toEqual(wanted)
    expect(found.length).toBeGreaterThan(0)
  })

  /** Which document it is, where there are several. */
  const at = (source: string): string => source.replace(/^input\.yaml/, '')
})

describe('readDesired', () => {
  test('throws every fault in one', () => {
    const thrown = thrownBy(() =>
      readDesired([{ name: 'a.yaml', text: textOf('faults', 'mk8s.yaml') }]),
    )
    expect(codeOf(thrown)).toBe('InvalidDesiredState')
    expect(messageOf(thrown)).toContain('4 things are wrong')
    expect(messageOf(thrown)).toContain('a.yaml#2: name: it is missing')
  })

  test('tells of two hundred at most', () => {
    const item = '    - { namespace: A, serviceAccountName: b, roleARN: c }\n'
    const text = `iam:\n  podIdentityAssociations:\n${item.repeat(1000)}`
    const thrown = thrownBy(() => readDesired([{ name: 'a.yaml', text }]))
    expect(messageOf(thrown)).toContain('201 things are wrong')
    expect(messageOf(thrown)).toMatch(/and \d+ more things are wrong/)
  })

  test('reads no more than its bounds', () => {
    const text = ' '.repeat(DOCUMENT_LIMITS.characters + 1)
    const { faults } = examineDesired([{ name: 'a.yaml', text }])
    expect(faults.map(({ message }) => message)).toEqual([
      'it has 16777217 characters: wanted at most 16777216',
    ])
    const many = '---\na: 1\n'.repeat(DOCUMENT_LIMITS.documents + 1)
    expect(examineDesired([{ name: 'a.yaml', text: many }]).faults).toEqual([
      { source: 'a.yaml', path: '', message: 'it has 1001 documents: wanted at most 1000' },
    ])
  })

  test('throws nothing, whatever stands where', () => {
    const documents = casesIn('read').flatMap((name) =>
      parseAllDocuments(textOf('read', name), { merge: true }).map((one): unknown => one.toJS()),
    )
    const odd = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.string(), fc.constant(undefined))
    fc.assert(
      fc.property(
        fc.constantFrom(...documents),
        fc.array(fc.nat(), { maxLength: 6 }),
        odd,
        (document, path, value) => {
          const changed = replaceAt(document, path, value)
          const target = { cluster: 'c', region: 'eu-central-1' }
          const text = JSON.stringify(changed) ?? ''
          const { faults, state } = examineDesired([{ name: 'x', text }], target)
          expect(faults.every(({ message }) => message !== '')).toBe(true)
          expect(faults.length > 0 || state.clusters.length + state.leftAlone.length > 0).toBe(true)
        },
      ),
      { numRuns: 500 * SCALE },
    )
  })
})

const SCALE = Number(process.env['PODROLE_TEST_SCALE'] ?? 1)

/** The value with something else at a place that the numbers lead to. */
function replaceAt(value: unknown, path: readonly number[], other: unknown): unknown {
  const [step, ...rest] = path
  if (step === undefined || typeof value !== 'object' || value === null) return other
  const keys = Object.keys(value)
  const key = keys[step % Math.max(keys.length, 1)]
  if (key === undefined) return other
  const child = replaceAt(Reflect.get(value, key), rest, other)
  if (Array.isArray(value)) return value.with(Number(key), child)
  return { ...value, [key]: child }
}

function thrownBy(act: () => unknown): unknown {
  try {
    return act()
  } catch (error) {
    return error
  }
}

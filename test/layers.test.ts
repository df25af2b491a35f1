/** The dependency rules of src/, in one table: a folder may import only the folders named beside it. */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { basename, dirname, join, normalize, sep } from 'node:path'
import { Glob } from 'bun'

const LAYERS: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  iam: ['lib'],
  token: ['lib'],
  kube: ['lib'],
  aws: ['lib', 'iam'],
  associations: ['lib', 'iam'],
  issuer: ['lib', 'iam', 'token', 'kube', 'aws'],
  webhook: ['lib', 'iam', 'kube', 'associations'],
  agent: ['lib', 'token', 'aws', 'kube'],
  broker: ['lib', 'iam', 'token', 'kube', 'aws', 'associations', 'issuer'],
  manage: ['lib', 'iam', 'kube', 'aws', 'associations', 'issuer'],
  doctor: ['lib', 'iam', 'token', 'kube', 'aws', 'associations', 'issuer', 'webhook', 'manage'],
  sandbox: ['lib', 'iam', 'token', 'kube', 'aws', 'associations', 'issuer', 'broker'],
  cli: ['*'],
}

const ROOT = join(import.meta.dir, '..')
const IMPORT =
  /^\s*(?:import|export)\b[^'"]*?from\s*['"](\.[^'"]+)['"]|^\s*import\s*['"](\.[^'"]+)['"]|\bimport\(\s*['"](\.[^'"]+)['"]/gm

interface Edge {
  readonly from: string
  readonly to: string
}

const folder = (path: string): string => path.split(sep)[1] ?? ''

/** Every import that leaves its folder; tests may reach into any folder, so they are left out. */
function crossings(): Edge[] {
  const sources = [...new Glob('src/*/**/*.{ts,tsx}').scanSync({ cwd: ROOT })].filter(
    (file) => !/\.(?:test|suite)\.tsx?$/.test(file),
  )
  const edges = sources.flatMap((from) =>
    [...readFileSync(join(ROOT, from), 'utf8').matchAll(IMPORT)].map((match) => ({
      from,
      to: normalize(join(dirname(from), match[1] ?? match[2] ?? match[3] ?? '')),
    })),
  )
  expect(edges.length).toBeGreaterThan(0)
  return edges.filter(({ from, to }) => folder(from) !== folder(to))
}

const complain = (edges: readonly Edge[]): string[] =>
  edges.map(({ from, to }) => `${from} must not import ${to}`)

test('every folder of src/ has a row in the layer table', () => {
  const files = [...new Glob('src/*/**/*').scanSync({ cwd: ROOT })]
  const found = new Set(files.map(folder))
  expect([...found].filter((name) => !(name in LAYERS))).toEqual([])
})

test('every row of the layer table has a folder', () => {
  const found = new Set([...new Glob('src/*/**/*').scanSync({ cwd: ROOT })].map(folder))
  expect(Object.keys(LAYERS).filter((name) => !found.has(name))).toEqual([])
})

test('imports only go down the layer table', () => {
  const wrong = crossings().filter(({ from, to }) => {
    const allowed = LAYERS[folder(from)] ?? []
    return !allowed.includes('*') && !allowed.includes(folder(to))
  })
  expect(complain(wrong)).toEqual([])
})

test('a file named _like-this.ts is private to its folder', () => {
  const wrong = crossings().filter(({ to }) => basename(to).startsWith('_'))
  expect(complain(wrong)).toEqual([])
})

test('the layer table itself has no cycle', () => {
  const names = Object.keys(LAYERS)
  const wrong = names.filter((name, at) =>
    LAYERS[name]?.some((below) => below !== '*' && names.indexOf(below) >= at),
  )
  expect(wrong).toEqual([])
})

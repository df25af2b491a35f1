/**
 * docs/reference/sandbox-operations.md is what the tables of the sandbox's AWS, its tests and
 * AWS's own service models (botocore's) say; and what goes over the wire in those tests keeps to
 * the models. `PODROLE_WRITE_DOCS=1` writes the page.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SERVED_SERVICES } from '../../src/sandbox/aws/served-operations.ts'
import type { Exchange } from '../../src/sandbox/aws/wire-record.suite.ts'
import { exchangeFaults, type Model, operationOf, readModel } from '../support/aws-models.ts'
import { findPython } from '../support/python.ts'
import { lacks } from '../support/tools.ts'

const ROOT = join(import.meta.dir, '..', '..')
const PAGE = join(ROOT, 'docs', 'reference', 'sandbox-operations.md')
const python = await findPython()
const isSkipped = lacks("the sandbox's operations against AWS's service models", python.missing)
const folder = mkdtempSync(join(tmpdir(), 'podrole-operations-'))

const models = new Map<string, Model>()
/** `service:Operation` → the codes it was refused with. */
const refusals = new Map<string, Set<string>>()
const faults = new Set<string>()
let exchanges = 0

beforeAll(async () => {
  if (isSkipped) return
  for (const { name } of SERVED_SERVICES) models.set(name, readModel(python.bin ?? '', name))
  const log = join(folder, 'wire.jsonl')
  writeFileSync(log, '')
  // Generated requests are refused in other ways each time.
  const files = [...new Bun.Glob('src/sandbox/aws/**/*.test.ts').scanSync({ cwd: ROOT })].filter(
    (file) => !file.includes('.fuzz.'),
  )
  const child = Bun.spawn([process.execPath, 'test', ...files.map((file) => `./${file}`)], {
    cwd: ROOT,
    env: { ...process.env, PODROLE_WIRE_LOG: log },
    stdio: ['ignore', 'ignore', 'ignore'],
  })
  // Whether those tests hold is theirs to say: here it is what they sent that counts.
  await child.exited
  for (const line of readFileSync(log, 'utf8').split('\n')) {
    if (line !== '') judge(JSON.parse(line) as Exchange)
  }
}, 180_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function judge(exchange: Exchange): void {
  const service = exchange.service === '' ? 'sts' : exchange.service
  const model = models.get(service)
  if (model === undefined) return
  const operation = operationOf(model, exchange)
  if (operation === undefined) return
  exchanges += 1
  if (exchange.status >= 400) {
    const key = `${service}:${operation.name}`
    const code = exchange.error || codeOf(exchange.response)
    refusals.set(key, (refusals.get(key) ?? new Set()).add(code))
  } else {
    for (const fault of exchangeFaults(model, operation, exchange))
      faults.add(`${service}: ${fault}`)
  }
}

function codeOf(body: string): string {
  const [, code] = /<Code>([^<]*)<|"(?:__type|Code)":"([^"]*)"/.exec(body) ?? []
  return code ?? 'refused'
}

function renderPage(): string {
  const lines = [
    "# The sandbox's AWS, by operation",
    '',
    'Written by `PODROLE_WRITE_DOCS=1 npm test -- test/docs/operations` from the tables that answer',
    'the calls, from the tests of `src/sandbox/aws`, and from AWS’s own service models (botocore’s),',
    'which every answer in those tests keeps to. "Refusals tested" is how many different error codes',
    'an operation is refused with there.',
  ]
  for (const { name, title, operations } of SERVED_SERVICES) {
    const all = Object.keys(models.get(name)?.operations ?? {})
    const served = new Set(operations)
    lines.push('', `## ${title}: ${served.size} of ${all.length}`, '')
    lines.push('| operation | served | refusals tested |', '| --- | --- | --- |')
    const rows = all.length > 120 ? [...served].toSorted() : all
    for (const operation of rows) {
      const count = refusals.get(`${name}:${operation}`)?.size ?? 0
      const isServed = served.has(operation)
      lines.push(`| ${operation} | ${isServed ? 'yes' : '–'} | ${isServed ? count : '–'} |`)
    }
    if (all.length > 120) lines.push('', `${all.length - served.size} others are not served.`)
  }
  return `${lines.join('\n')}\n`
}

describe.skipIf(isSkipped)("the sandbox's AWS", () => {
  test('serves operations that AWS has', () => {
    const unknown = SERVED_SERVICES.flatMap(({ name, operations }) =>
      operations
        .filter((operation) => !Object.hasOwn(models.get(name)?.operations ?? {}, operation))
        .map((operation) => `${name}:${operation}`),
    )
    expect(unknown).toEqual([])
  })

  test("keeps to AWS's models, field by field", () => {
    expect(exchanges).toBeGreaterThan(500)
    expect([...faults].toSorted()).toEqual([])
  })

  test('a misspelt field is found', () => {
    const model = models.get('eks')
    const exchange = {
      method: 'GET',
      target: '/clusters/blue',
      service: 'eks',
      operation: '',
      isCopy: false,
      request: '',
      status: 200,
      error: '',
      response: JSON.stringify({ cluster: { name: 'blue', roleARN: 'x', createdAt: '2026' } }),
    }
    const operation = model && operationOf(model, exchange)
    if (model === undefined || operation === undefined) throw new Error('no DescribeCluster')
    expect(exchangeFaults(model, operation, exchange)).toEqual([
      'DescribeCluster.cluster.roleARN: not in the model',
      'DescribeCluster.cluster.createdAt: string in place of timestamp',
    ])
  })

  test("a misspelt element of S3's is found, in the operation that its query names", () => {
    const model = models.get('s3')
    const exchange = {
      method: 'GET',
      target: '/bucket/?encryption&x-id=1',
      service: 's3',
      operation: '',
      isCopy: false,
      request: '',
      status: 200,
      error: '',
      response: '<Configuration><Rule><Bucketkey>true</Bucketkey></Rule></Configuration>',
    }
    const operation = model && operationOf(model, exchange)
    if (model === undefined || operation === undefined) throw new Error('no GetBucketEncryption')
    expect(exchangeFaults(model, operation, exchange)).toEqual([
      'GetBucketEncryption.Rule[].Bucketkey: not in the model',
    ])
    const part = { ...exchange, method: 'PUT', target: '/bucket/a?partNumber=1&uploadId=2' }
    expect(operationOf(model, part)?.name).toBe('UploadPart')
    expect(operationOf(model, { ...part, isCopy: true })?.name).toBe('UploadPartCopy')
  })

  test('is told by docs/reference/sandbox-operations.md', () => {
    const page = renderPage()
    if (process.env['PODROLE_WRITE_DOCS'] === '1') writeFileSync(PAGE, page)
    const kept = readFileSync(PAGE, 'utf8')
    const withoutCounts = (text: string): string => text.replaceAll(/\| \d+ +\|$/gm, '|')
    expect(withoutCounts(kept)).toBe(withoutCounts(page))
    // Tests may have come since it was written; none of those it counts may have gone.
    const countsOf = (text: string): number[] =>
      [...text.matchAll(/\| (\d+) +\|$/gm)].map(([, count]) => Number(count))
    const now = countsOf(page)
    expect(countsOf(kept).filter((count, index) => count > (now[index] ?? 0))).toEqual([])
  })
})

/**
 * The decoder's table is what the generator makes, and the decoder reads every kind of it as Go
 * does: k8s.io/api holds each kind with all fields set, as protobuf and as JSON.
 */
import { describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { decodeProtobuf } from '../../src/sandbox/cluster/protobuf/decoding.ts'
import { messageOfKind } from '../../src/sandbox/cluster/protobuf/fields.ts'
import { lacks } from '../support/tools.ts'
import { FIELDS_FILE, generateFields, moduleFolder } from './protobuf-fields.ts'

const [api, apimachinery] = [moduleFolder('api'), moduleFolder('apimachinery')]
const isSkipped = lacks(
  'the protobuf table against k8s.io/api',
  api === undefined || apimachinery === undefined
    ? { tool: 'the Go module k8s.io/api', get: 'bun test/generate/protobuf-fields.ts downloads it' }
    : undefined,
)

interface Golden {
  readonly name: string
  readonly json: { readonly apiVersion: string; readonly kind: string }
  readonly bytes: Uint8Array
}

function goldens(): Golden[] {
  const folder = join(api ?? '', 'testdata', 'HEAD')
  return readdirSync(folder)
    .filter((file) => file.endsWith('.pb'))
    .map((file) => {
      const name = file.slice(0, -'.pb'.length)
      return {
        name,
        json: JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')),
        bytes: readFileSync(join(folder, file)),
      }
    })
    .filter(({ json }) => messageOfKind(json.apiVersion, json.kind) !== undefined)
}

describe.skipIf(isSkipped)('the protobuf table', () => {
  test('is the one that the generator makes', () => {
    const made = generateFields(api ?? '', apimachinery ?? '')
    expect(JSON.parse(readFileSync(FIELDS_FILE, 'utf8'))).toEqual(JSON.parse(JSON.stringify(made)))
  })

  test("reads Go's own examples of every kind", () => {
    const examples = goldens()
    expect(examples.length).toBeGreaterThan(45)
    for (const { name, json, bytes } of examples) {
      expect({ name, ...decodeProtobuf(bytes) }).toEqual({ name, ...json })
    }
  })
})

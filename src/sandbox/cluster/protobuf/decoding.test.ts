import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { call, makeCluster, settle } from '../cluster.suite.ts'
import type { JsonRecord } from '../objects.ts'
import { decodeProtobuf, PROTOBUF_TYPE } from './decoding.ts'
import { ProtobufFault } from './wire.ts'

const RUNS = Math.ceil(2000 * Number(process.env['PODROLE_TEST_SCALE'] ?? 1))

const varint = (value: number): number[] => {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, BigInt(value))
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
  return [...bytes, Number(rest)]
}
const text = (value: string): number[] => [...new TextEncoder().encode(value)]
const field = (number: number, content: readonly number[]): number[] => [
  ...varint(number * 8 + 2),
  ...varint(content.length),
  ...content,
]
const number = (at: number, value: number): number[] => [...varint(at * 8), ...varint(value)]
const body = (apiVersion: string, kind: string, raw: readonly number[]): Uint8Array =>
  Uint8Array.from([
    ...text('k8s\0'),
    ...field(1, [...field(1, text(apiVersion)), ...field(2, text(kind))]),
    ...field(2, raw),
    ...field(3, []),
    ...field(4, []),
  ])
const named = (name: string): number[] => field(1, [...field(1, text(name)), ...field(8, [])])

function outcome(bytes: Uint8Array): JsonRecord | string {
  try {
    return decodeProtobuf(bytes)
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(ProtobufFault)
    return (thrown as Error).message
  }
}

describe('decodeProtobuf', () => {
  test('gives the JSON of an object, without what is empty', () => {
    const raw = [
      ...named('a'),
      ...field(2, [...field(1, text('kéy')), ...field(2, text('__proto__'))]),
      ...field(2, [...field(1, text('__proto__')), ...field(2, text('v'))]),
      ...number(4, 0),
    ]
    const decoded = decodeProtobuf(body('v1', 'ConfigMap', raw))
    expect(JSON.stringify(decoded)).toBe(
      '{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a"},"data":{"kéy":"__proto__","__proto__":"v"},"immutable":false}',
    )
  })

  test('embedded structs, negative numbers, packed lists, times and quantities', () => {
    const volume = [...field(1, text('v')), ...field(2, field(6, field(1, text('s'))))]
    const spec = [...field(1, volume), ...number(4, -5)]
    expect(decodeProtobuf(body('v1', 'Pod', [...named('p'), ...field(2, spec)]))['spec']).toEqual({
      volumes: [{ name: 'v', secret: { secretName: 's' } }],
      terminationGracePeriodSeconds: -5,
    })
    const meta = field(1, field(8, [...number(1, 86_400), ...number(2, 5)]))
    expect(decodeProtobuf(body('v1', 'Pod', meta))['metadata']).toEqual({
      creationTimestamp: '1970-01-02T00:00:00Z',
    })
  })

  test.each(['apps/v1', 'v1', 'meta.k8s.io/v1', 'nobody.example/v1'])(
    'DeleteOptions belong to %s too',
    (apiVersion) => {
      const options = decodeProtobuf(body(apiVersion, 'DeleteOptions', number(1, 0)))
      expect(options).toEqual({ apiVersion, kind: 'DeleteOptions', gracePeriodSeconds: 0 })
    },
  )

  const wrong: readonly (readonly [string, Uint8Array, RegExp])[] = [
    ['no magic', Uint8Array.from(text('{"kind":"Pod"}')), /expected prefix/],
    ['an unknown kind', body('v1', 'Nothing', []), /no kind "Nothing" is registered/],
    ['a prototype as kind', body('v1', '__proto__', []), /is registered/],
    ['a cut field', body('v1', 'Pod', [10, 200]), /unexpected EOF/],
    ['a group', body('v1', 'Pod', [11]), /wrong wireType = 3/],
    ['field 0', body('v1', 'Pod', [2, 0]), /illegal tag/],
    ['a varint without an end', body('v1', 'Pod', Array(11).fill(255)), /integer overflow/],
    ['a length of 2^60', body('v1', 'Pod', [10, ...varint(2 ** 60)]), /unexpected EOF/],
    ['a number for a message', body('v1', 'Pod', number(1, 1)), /wrong wireType: wanted bytes/],
    ['no UTF-8', body('v1', 'Pod', field(1, field(1, [0xff]))), /not valid UTF-8/],
    ['a time after 9999', body('v1', 'Pod', field(1, field(8, number(1, 3e11)))), /out of range/],
  ]
  for (const [what, bytes, message] of wrong) {
    test(`${what} is refused`, () => expect(outcome(bytes) as string).toMatch(message))
  }

  test('the count of values is bounded', () => {
    const many = Buffer.alloc(1_200_000, Uint8Array.of(0x12, 0x00))
    const whole = Buffer.concat([
      Buffer.from(body('v1', 'ServiceAccount', [])).subarray(0, 26),
      Uint8Array.from([0x12, ...varint(many.length)]),
      many,
    ])
    expect(outcome(whole)).toMatch(/too many values/)
  })

  test('any bytes give an object or a ProtobufFault', () => {
    const kinds = fc.constantFrom('Pod', 'ConfigMap', 'Service', 'Event', 'Node', 'DeleteOptions')
    const raw = fc.oneof(
      fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 60 }),
      fc
        .array(
          fc.tuple(fc.integer({ min: 1, max: 20 }), fc.array(fc.integer({ min: 0, max: 255 }))),
        )
        .map((fields) => fields.flatMap(([at, content]) => field(at, content))),
    )
    fc.assert(
      fc.property(kinds, raw, (kind, bytes) => {
        outcome(body('v1', kind, bytes))
        outcome(Uint8Array.from(bytes))
      }),
      { numRuns: RUNS },
    )
  })
})

describe('a request with a protobuf body', () => {
  test('creates an object, and is refused with 400 where it is broken', async () => {
    const cluster = await makeCluster()
    const headers = { 'content-type': PROTOBUF_TYPE, accept: `${PROTOBUF_TYPE},application/json` }
    const send = async (bytes: Uint8Array): Promise<{ status: number; value: JsonRecord }> => {
      const request = new Request('https://127.0.0.1/api/v1/namespaces', {
        method: 'POST',
        headers: { ...headers, authorization: `Bearer ${cluster.adminToken.reveal()}` },
        body: bytes,
      })
      const response = await cluster.app(request, { address: '127.0.0.1', port: 1 })
      return { status: response.status, value: (await response.json()) as JsonRecord }
    }
    const made = await send(body('v1', 'Namespace', [...named('team'), ...field(2, [])]))
    expect(made.status).toBe(201)
    await settle()
    expect((await call(cluster, 'GET', '/api/v1/namespaces/team')).status).toBe(200)
    const broken = await send(body('v1', 'Namespace', [10, 200]))
    expect(broken).toMatchObject({ status: 400, value: { reason: 'BadRequest' } })
    const other = await send(body('v1', 'ConfigMap', named('x')))
    expect(other.status).toBe(400)
    await cluster.stop()
  })
})

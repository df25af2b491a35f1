import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { decodeFrames, encodeFrame, type ExecFrame, exitStatus, readExitCode } from './frames.ts'

const RUNS = Math.ceil(200 * Number(process.env['PODROLE_TEST_SCALE'] ?? 1))

async function* cut(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function decode(bytes: Uint8Array, size = 7): Promise<ExecFrame[]> {
  return Array.fromAsync(decodeFrames(cut(bytes, size)))
}

describe('frames', () => {
  test('come out as they went in, however the stream is cut', async () => {
    const frames = fc.array(
      fc.record({
        channel: fc.integer({ min: 1, max: 3 }),
        data: fc.uint8Array({ maxLength: 50 }),
      }),
    )
    await fc.assert(
      fc.asyncProperty(frames, fc.integer({ min: 1, max: 30 }), async (list, size) => {
        const bytes = Buffer.concat(list.map(({ channel, data }) => encodeFrame(channel, data)))
        const seen = await decode(bytes, size)
        expect(seen.map(({ channel, data }) => [channel, [...data]])).toEqual(
          list.map(({ channel, data }) => [channel, [...data]]),
        )
      }),
      { numRuns: RUNS },
    )
  })

  test('data over 1 MiB goes in several', async () => {
    const frames = await decode(encodeFrame(1, new Uint8Array((1 << 20) + 1)), 1 << 18)
    expect(frames.map(({ data }) => data.length)).toEqual([1 << 20, 1])
  })

  test.each([
    ['a cut end', [1, 0, 0, 0, 5, 1]],
    ['a channel that is none', [4, 0, 0, 0, 0]],
    ['a frame over 1 MiB', [1, 255, 255, 255, 255]],
  ])('%s is refused', async (_what, bytes) => {
    await expect(decode(Uint8Array.from(bytes))).rejects.toMatchObject({ code: 'InvalidExecFrame' })
  })

  test('any bytes end in frames or in a refusal', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        const code = await decode(bytes).then(
          () => 'InvalidExecFrame',
          (error: { code: string }) => error.code,
        )
        expect(code).toBe('InvalidExecFrame')
      }),
      { numRuns: RUNS },
    )
  })
})

describe('the status that ends an exec', () => {
  const read = (value: unknown): number =>
    readExitCode(
      new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value)),
    )

  test.each([0, 1, 137])('tells exit code %d', (code) => {
    expect(read(exitStatus(code))).toBe(code)
  })

  test.each(['', 'null', '{}', '{"status":"Failure","message":"gone"}'])(
    '%p is a fault',
    (text) => {
      expect(() => read(text)).toThrow(expect.objectContaining({ code: 'ExecFailed' }))
    },
  )
})

import { expect, test } from 'bun:test'
import { readSize } from './terminal-exec.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

test('the size of a terminal', () => {
  expect(readSize(bytes('{"Width":120,"Height":40}'))).toEqual({ columns: 120, rows: 40 })
})

test.each([
  '',
  'null',
  '[]',
  '{"Width":0,"Height":40}',
  '{"Width":1.5,"Height":40}',
  '{"Width":"1","Height":40}',
  '{"Width":100000,"Height":40}',
  '{"Width":80}',
])('%j is no size', (text) => expect(readSize(bytes(text))).toBeUndefined())

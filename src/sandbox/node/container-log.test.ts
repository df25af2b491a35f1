import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ContainerLog, lastLines, LineBuffer } from './container-log.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'podrole-log-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()

test('a log is bounded: the oldest goes', () => {
  const log = new ContainerLog(join(folder, 'log'), 100)
  for (let line = 0; line < 100; line += 1) log.write(Buffer.from(`line ${line}\n`))
  expect(text(log.read()).endsWith('line 98\nline 99\n')).toBe(true)
  expect(text(log.read(2))).toBe('line 98\nline 99\n')
  const sizes = readdirSync(folder).map((name) => statSync(join(folder, name)).size)
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(250)
})

test('a follower gets what is there, what comes, and the end', async () => {
  const log = new ContainerLog(join(folder, 'log'))
  log.write(Buffer.from('one\ntwo\n'))
  const all = new Response(log.follow(1)).text()
  log.write(Buffer.from('three\n'))
  log.close()
  log.write(Buffer.from('never'))
  expect(await all).toBe('two\nthree\n')
  expect(await new Response(log.follow()).text()).toBe('one\ntwo\nthree\n')
})

test.each([
  ['a\nb\nc\n', 2, 'b\nc\n'],
  ['a\nb\nc', 1, 'c'],
  ['a\n', 5, 'a\n'],
  ['\n\n', 1, '\n'],
  ['', 3, ''],
  ['a\n', 0, ''],
])('of %p the last %d lines', (all, count, wanted) => {
  expect(text(lastLines(Buffer.from(all), count))).toBe(wanted)
})

test('lines of two streams do not mix, long ones go in parts', () => {
  let all = ''
  const [out, err] = [1, 2].map(() => new LineBuffer((lines) => (all += text(lines))))
  out!.add(Buffer.from('half'))
  err!.add(Buffer.from('error\n'))
  out!.add(Buffer.from(' line\nrest'))
  expect(all).toBe('error\nhalf line\n')
  out!.flush()
  err!.add(Buffer.alloc(20 << 10, 'x'))
  expect(all).toHaveLength('error\nhalf line\nrest'.length + (20 << 10))
})

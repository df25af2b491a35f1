/**
 * Preloaded into `podrole apply`: it is killed at the journal's line PODROLE_TEST_KILL_AT, counted
 * from 0 behind the plan: in the middle of the write (`in`), or when the line is on disk (`behind`).
 */
import { type FileHandle, open } from 'node:fs/promises'

const at = Number(process.env['PODROLE_TEST_KILL_AT'])
const isBehind = process.env['PODROLE_TEST_KILL'] === 'behind'
const probe = await open(import.meta.path)
const handles = Object.getPrototypeOf(probe) as Pick<FileHandle, 'appendFile' | 'datasync'>
await probe.close()
const append = handles.appendFile
let lines = 0

handles.appendFile = async function (this: FileHandle, text, options): Promise<void> {
  const isLine = typeof text === 'string' && text.startsWith('{"id":')
  if (!isLine || (lines += 1) - 1 !== at) return append.call(this, text, options)
  await append.call(this, isBehind ? text : text.slice(0, text.length / 2), options)
  await this.datasync()
  process.kill(process.pid, 'SIGKILL')
}

import { expect, test } from 'bun:test'
import { mapLimited } from './map-limited.ts'
import { askUntil, retryWhile } from './waiting.ts'

const PATIENCE = { totalMs: 60, firstDelayMs: 1, maxDelayMs: 4 }

test('askUntil ends with the first answer that is wanted, or with the last when time is over', async () => {
  let count = 0
  const ask = (): Promise<number> => Promise.resolve((count += 1))
  expect(await askUntil(ask, (answer) => answer === 3, PATIENCE)).toBe(3)
  expect(count).toBe(3)
  const started = performance.now()
  expect(await askUntil(ask, () => false, PATIENCE)).toBeGreaterThan(5)
  expect(performance.now() - started).toBeLessThan(2000)
})

test('retryWhile goes on for what passes, and not for anything else', async () => {
  let count = 0
  const act = async (): Promise<string> => {
    count += 1
    if (count < 3) throw new Error('not yet')
    if (count === 5) throw new Error('never')
    return 'done'
  }
  const isTransient = (thrown: unknown): boolean => (thrown as Error).message === 'not yet'
  expect(await retryWhile(act, isTransient, PATIENCE)).toBe('done')
  count = 4
  expect(await retryWhile(act, isTransient, PATIENCE).catch(String)).toBe('Error: never')
  expect(count).toBe(5)
})

test('retryWhile waits a share of each delay, so that many who are refused at once come back apart', async () => {
  let [count, shares] = [0, 0]
  const act = async (): Promise<number> => {
    count += 1
    if (count < 6) throw new Error('not yet')
    return count
  }
  // Of an hour nothing is waited.
  const hours = { totalMs: 1e9, firstDelayMs: 3_600_000, maxDelayMs: 3_600_000 }
  const none = (): number => {
    shares += 1
    return 0
  }
  expect(await retryWhile(act, () => true, hours, none)).toBe(6)
  expect(shares).toBe(5)
})

test('mapLimited keeps the order and the limit', async () => {
  let running = 0
  let most = 0
  const doubled = await mapLimited([5, 1, 4, 2, 3], 2, async (ms) => {
    running += 1
    most = Math.max(most, running)
    await Bun.sleep(ms)
    running -= 1
    return ms * 2
  })
  expect(doubled).toEqual([10, 2, 8, 4, 6])
  expect(most).toBe(2)
  expect(await mapLimited([], 3, () => Promise.resolve(1))).toEqual([])
})

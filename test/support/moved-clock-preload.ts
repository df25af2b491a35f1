/**
 * Preloaded into a program (`moved-clock.ts`): what it takes for the time is ahead of the machine's
 * by what the file PODROLE_TEST_CLOCK_FILE says at that moment. Timers and TLS go by the machine's.
 */
const file = process.env['PODROLE_TEST_CLOCK_FILE'] ?? ''
const offset = new Float64Array(Bun.mmap(file, { shared: true }).buffer, 0, 1)
const machineNow = Date.now
const now = (): number => machineNow() + (offset[0] ?? 0)

globalThis.Date = new Proxy(Date, {
  get: (target, member) => (member === 'now' ? now : Reflect.get(target, member)),
  construct: (target, words, self) =>
    Reflect.construct(target, words.length === 0 ? [now()] : words, self) as object,
})

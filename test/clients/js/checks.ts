/** What the steps on aws-sdk-js share: a check that does not hold ends the program with 1. */
import { isDeepStrictEqual } from 'node:util'

/** A check that did not hold. */
class Unheld extends Error {}

const done = new Set<string>()
let held = 0

const print = (line: string): boolean => process.stdout.write(`${line}\n`)

/** Tells what was done to a resource, once what came of it was read. */
export function did(service: string, resource: string, ...verbs: readonly string[]): void {
  for (const verb of verbs) {
    const line = `did ${service} ${resource} ${verb}`
    if (done.has(line)) fail(`twice: ${line}`)
    done.add(line)
    print(line)
  }
}

export function fail(message: string): never {
  throw new Unheld(message)
}

export function equal<T>(what: string, found: T | undefined, wanted: T | undefined): void {
  held += 1
  if (isDeepStrictEqual(found, wanted)) return
  fail(`${what}: found ${JSON.stringify(found)}, wanted ${JSON.stringify(wanted)}`)
}

export function includes<T>(what: string, found: readonly T[], ...wanted: readonly T[]): void {
  held += 1
  const missing = wanted.filter((one) => !found.includes(one))
  if (missing.length === 0) return
  fail(`${what}: found ${JSON.stringify(found)}, wanted ${JSON.stringify(missing)} among them`)
}

/** What must be in an answer. */
export function present<T>(value: T | null | undefined): T {
  return value ?? fail('an answer lacks what it must have')
}

/** A member of each item, which each must have. */
export const mapped = <Item, Value>(
  items: readonly Item[] | undefined,
  valueOf: (item: Item) => Value | undefined,
): Value[] => (items ?? []).map((item) => present(valueOf(item)))

/** All of a list, which must take at least two pages. The SDK writes into a paginator's input. */
export async function listed<Page, Item>(
  pages: AsyncIterable<Page>,
  itemsOf: (page: Page) => readonly Item[] | undefined,
): Promise<Item[]> {
  const items: Item[] = []
  let count = 0
  for await (const page of pages) {
    items.push(...(itemsOf(page) ?? []))
    count += 1
  }
  if (count < 2) fail(`found ${count} page(s), wanted at least two`)
  return items
}

let awaitsRefusal = false

/** Runs what is meant to meet a refusal, which the SDK logs as an error. */
export async function meetingRefusal<T>(running: Promise<T>): Promise<T> {
  awaitsRefusal = true
  try {
    return await running
  } finally {
    awaitsRefusal = false
  }
}

/** Wants an error of that name. */
export async function refused(name: string, asked: Promise<unknown>): Promise<void> {
  const found = await meetingRefusal(asked).then(
    () => 'an answer',
    (error: unknown) => error,
  )
  equal(String(found), found instanceof Error ? found.name : undefined, name)
}

/** Compares policies and other documents as what they say. */
export function sameJson(what: string, found: string | undefined, wanted: string): void {
  equal<unknown>(what, JSON.parse(present(found)), JSON.parse(wanted))
}

/** Reads until it finds what is wanted, for twenty seconds. */
export async function waitFor<T>(
  what: string,
  read: () => Promise<T | undefined>,
  wanted: T,
): Promise<void> {
  const end = performance.now() + 20_000
  let found = await read()
  while (found !== wanted && performance.now() < end) {
    await Bun.sleep(100)
    found = await read()
  }
  equal(what, found, wanted)
}

/** Ends the program: what the SDK says here is said where no promise waits for it. */
function end(problem: unknown): never {
  const trace = problem instanceof Error ? problem.stack : String(problem)
  print(`FAIL ${trace ?? ''}`)
  process.exit(1)
}

const ignore = (): void => undefined
const warned = (...content: unknown[]): never => end(`the SDK warns: ${Bun.inspect(content)}`)

/**
 * What all clients are made with: one attempt, and a logger that ends the program at a warning and
 * at an error that nobody waits for.
 */
export const SETTINGS = {
  maxAttempts: 1,
  logger: {
    trace: ignore,
    debug: ignore,
    info: ignore,
    warn: warned,
    error: (...content: unknown[]): void => {
      if (!awaitsRefusal) warned(...content)
    },
  },
}

/** Runs the steps one after the other and ends with how much was done. */
export async function runSteps(steps: readonly (() => Promise<void>)[]): Promise<void> {
  process.on('warning', warned)
  Object.assign(console, { warn: warned, error: warned })
  try {
    for (const step of steps) await step()
  } catch (error) {
    end(error)
  }
  print(`${done.size} things done, ${held} checks held`)
}

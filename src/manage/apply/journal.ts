/**
 * The journal of one apply: its plan in the first line, then a line for each step that begins or
 * ends. Each line is on disk before what it tells of is acted on.
 */
import { open } from 'node:fs/promises'
import * as z from 'zod'
import { createFile } from '../../lib/durable-files.ts'
import { PodroleError } from '../../lib/errors.ts'
import { readPrivateFile } from '../../lib/private-files.ts'
import type { PlanStep } from '../plan/plan.ts'
import type { Progress, StepState } from './progress.ts'

const VERSION = 1
/** A plan of 10,000 service accounts has some 30 MB. */
const MAX_BYTES = 256 << 20

/** The command that a journal is of, which alone goes on with it. */
export type JournalCommand = 'apply' | 'delete'

export interface JournalHead {
  readonly command: JournalCommand
  /** ARNs of the clusters that the plan is for. */
  readonly clusters: readonly string[]
  readonly accountId: string
  /** By which its leases are known. */
  readonly holder: string
  readonly startedAtMs: number
  readonly steps: readonly PlanStep[]
}

export interface JournalContent {
  readonly head: JournalHead
  readonly progress: Progress
}

/** A journal that is open for writing. */
export interface Journal {
  record(id: string, state: StepState): Promise<void>
  close(): Promise<void>
}

/** @throws what the file system throws; `EEXIST` where one is there */
export async function createJournal(path: string, head: JournalHead): Promise<Journal> {
  await createFile(path, `${JSON.stringify({ version: VERSION, ...head })}\n`, 0o600)
  return appendTo(path)
}

/** Goes on writing one that was read. A line that was cut short is ended first. */
export async function reopenJournal(path: string): Promise<Journal> {
  return appendTo(path, '\n')
}

async function appendTo(path: string, first = ''): Promise<Journal> {
  const file = await open(path, 'a')
  let last: Promise<void> = Promise.resolve()
  const write = async (text: string): Promise<void> => {
    await file.appendFile(text)
    await file.datasync()
  }
  if (first !== '') await write(first)
  return {
    record: (id, state) => {
      // One line at a time, so that none is inside another.
      const next = last.then(() => write(`${JSON.stringify({ id, state })}\n`))
      last = next.catch(() => undefined)
      return next
    },
    close: () => last.then(() => file.close()),
  }
}

/**
 * The journal of a file.
 * @throws PodroleError `UnreadableFile`, `OpenToOthers`, `OthersOwn`, `BrokenJournal`
 */
export async function readJournal(path: string): Promise<JournalContent> {
  return parseJournal(await readPrivateFile(path, MAX_BYTES), path)
}

const headSchema = z.object({
  version: z.literal(VERSION),
  command: z.enum(['apply', 'delete']).default('apply'),
  clusters: z.array(z.string()),
  accountId: z.string(),
  holder: z.string(),
  startedAtMs: z.number(),
  steps: z.array(
    z.looseObject({
      id: z.string(),
      action: z.looseObject({ do: z.string() }),
      dependsOn: z.array(z.string()),
    }),
  ),
})
const lineSchema = z.object({ id: z.string(), state: z.enum(['started', 'done', 'failed']) })

/**
 * Reads a journal's text. A line that a crash cut short says nothing: its step was not acted on, or
 * is looked at again.
 * @throws PodroleError `BrokenJournal`
 */
export function parseJournal(text: string, path: string): JournalContent {
  const [first = '', ...lines] = text.split('\n')
  const head = headSchema.safeParse(jsonOf(first))
  if (!head.success) {
    throw new PodroleError('BrokenJournal', `${path} is not a journal of apply`, {
      hint: 'Remove it and apply without --resume: what is done is not done again.',
    })
  }
  // What wrote the file are the types of a plan, and nobody else may write it.
  const { version: _, ...content } = head.data
  const known = content as unknown as JournalHead
  const ids = new Set(known.steps.map(({ id }) => id))
  const progress = new Map<string, StepState>()
  for (const line of lines) {
    const entry = lineSchema.safeParse(jsonOf(line))
    if (entry.success && ids.has(entry.data.id)) progress.set(entry.data.id, entry.data.state)
  }
  return { head: known, progress }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

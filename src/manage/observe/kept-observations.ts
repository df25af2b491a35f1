/** What was read for a plan, kept on this machine for `plan --cached`: a file for each view. */
import { createHash } from 'node:crypto'
import { mkdir, readdir, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { replaceFile } from '../../lib/durable-files.ts'
import { codeOf, messageOf } from '../../lib/errors.ts'
import { readPrivateFile } from '../../lib/private-files.ts'

/** Whose view it is, and of what. */
export interface View {
  readonly accountId: string
  /** The user or role behind the credentials. */
  readonly caller: string
  /** Empty for IAM, which has none. */
  readonly region: string
  /** Empty for IAM. */
  readonly cluster: string
  /** Profile, endpoints, broker: an account of a sandbox is not AWS's of the same number. */
  readonly ways: readonly string[]
}

/** One thing that was read; no value where there is no such thing. */
export interface Observation {
  readonly atMs: number
  readonly value?: unknown
}

export interface KeptObservations {
  readonly observations: ReadonlyMap<string, Observation>
  /** Why a file that is there is not believed. */
  readonly distrust?: string
}

/** Raised whenever a type in `observed-state.ts` or `ports.ts` changes its meaning. */
const FORM = 1
/** Nothing older is ever used, and so it is not kept either. */
export const MAX_KEPT_MS = 24 * 3_600_000
/** 2,000 roles have some 3 MB, a cluster with 1,000 associations 1 MB. */
const MAX_BYTES = 64 << 20
const MAX_FILES = 256

const headSchema = z.object({
  podrole: z.literal('observations'),
  form: z.number(),
  version: z.string(),
  view: z.string(),
  sha256: z.string(),
})
const bodySchema = z.record(
  z.string(),
  z.object({ atMs: z.number(), value: z.unknown().optional() }),
)

const folderOf = (stateFolder: string): string => join(stateFolder, 'observed')

/** Hashed, since an endpoint may hold a password. */
export const viewKey = ({ accountId, caller, cluster, region, ways }: View): string =>
  sha256(JSON.stringify([accountId, caller, region, cluster, ...ways]))

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/** Where podrole keeps its state, and which podrole it is. */
export interface KeptBy {
  readonly stateFolder: string
  readonly version: string
}

/**
 * What was kept of a view. A file that is cut short, was changed, is another view's, another
 * version's or open to others is not believed, in no part: never a fault, since all of it can be
 * read anew.
 */
export async function readObservations(
  { stateFolder, version }: KeptBy,
  view: View,
  nowMs: number,
): Promise<KeptObservations> {
  const key = viewKey(view)
  const path = join(folderOf(stateFolder), `${key}.json`)
  const none = new Map<string, Observation>()
  try {
    if ((await stat(path).catch(absent)) === undefined) return { observations: none }
    const text = await readPrivateFile(path, MAX_BYTES)
    const found = parse(text, { key, version, nowMs })
    if ('why' in found) return { observations: none, distrust: `${path} ${found.why}` }
    return { observations: new Map(Object.entries(found.body)) }
  } catch (error) {
    return { observations: none, distrust: messageOf(error) }
  }
}

function absent(error: unknown): undefined {
  if (codeOf(error) !== 'ENOENT') throw error
}

function parse(
  text: string,
  wanted: { readonly key: string; readonly version: string; readonly nowMs: number },
): { readonly why: string } | { readonly body: Readonly<Record<string, Observation>> } {
  const end = text.indexOf('\n')
  const head = headSchema.safeParse(jsonOf(text.slice(0, Math.max(end, 0))))
  if (!head.success) return { why: 'is none of podrole plan' }
  const { form, sha256: sum, version, view } = head.data
  if (form !== FORM || version !== wanted.version) {
    return { why: `is of podrole ${version}, this is ${wanted.version}` }
  }
  if (view !== wanted.key) return { why: 'is of another account, cluster or caller' }
  const rest = text.slice(end + 1)
  const body = sha256(rest) === sum ? bodySchema.safeParse(jsonOf(rest)) : undefined
  if (body?.success !== true) return { why: 'was changed or cut short' }
  const isFuture = Object.values(body.data).some(({ atMs }) => atMs > wanted.nowMs)
  return isFuture ? { why: 'is from the future' } : { body: body.data }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

/** Puts them in place of what was kept of the view; false where they are too many. */
export async function writeObservations(
  { stateFolder, version }: KeptBy,
  view: View,
  observations: ReadonlyMap<string, Observation>,
): Promise<boolean> {
  const body = JSON.stringify(Object.fromEntries(observations))
  const key = viewKey(view)
  const head = { podrole: 'observations', form: FORM, version, view: key, sha256: sha256(body) }
  const text = `${JSON.stringify(head)}\n${body}`
  if (Buffer.byteLength(text) > MAX_BYTES) return false
  await mkdir(folderOf(stateFolder), { recursive: true, mode: 0o700 })
  await replaceFile(join(folderOf(stateFolder), `${key}.json`), text, 0o600)
  return true
}

/** Files of observations, and what a write that was killed left. */
const OWN_FILE = /^[0-9a-f]{64}\.json(?:\.[0-9a-f]+\.next)?$/

/** Removes what is too old to be used, and the oldest where there are too many files. */
export async function pruneObservations(stateFolder: string, nowMs: number): Promise<void> {
  const files = await Promise.all(
    (await ownFiles(stateFolder)).map(async (path) => ({
      path,
      atMs: (await stat(path).catch(absent))?.mtimeMs ?? 0,
    })),
  )
  const newest = files.toSorted((one, other) => other.atMs - one.atMs)
  for (const [at, { atMs, path }] of newest.entries()) {
    if (at >= MAX_FILES || nowMs - atMs > MAX_KEPT_MS) await unlink(path).catch(absent)
  }
}

/** Nothing that was observed before is so any more. */
export async function forgetObservations(stateFolder: string): Promise<void> {
  for (const path of await ownFiles(stateFolder)) await unlink(path).catch(absent)
}

async function ownFiles(stateFolder: string): Promise<readonly string[]> {
  const names = (await readdir(folderOf(stateFolder)).catch(absent)) ?? []
  return names
    .filter((name) => OWN_FILE.test(name))
    .map((name) => join(folderOf(stateFolder), name))
}

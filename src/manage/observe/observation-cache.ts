/** Readers that take what was read lately in place of asking, and keep what they ask. */
import type { Clock } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import {
  type KeptBy,
  type KeptObservations,
  MAX_KEPT_MS,
  type Observation,
  pruneObservations,
  readObservations,
  type View,
  viewKey,
  writeObservations,
} from './kept-observations.ts'
import type { ClusterReader, IamReader, KubeReader } from './ports.ts'

/** Something that is read under a name, by asking or from what was kept. */
export type ReadKept = <T>(
  name: string,
  ask: () => Promise<T>,
  isToKeep?: (value: T) => boolean,
) => Promise<T>

export interface CacheUse {
  readonly kept: number
  readonly asked: number
  /** When the oldest of what was taken was read; undefined where all was asked. */
  readonly oldestMs: number | undefined
}

export interface ObservationCache {
  of(view: View): ReadKept
  use(): CacheUse
  /** Writes down what was asked. Never a fault: that is told as a note. */
  keep(): Promise<void>
}

export interface CacheOptions extends KeptBy {
  readonly maxAgeMs: number
  readonly clock: Clock
  readonly note: (text: string) => void
}

interface OpenView {
  readonly view: View
  readonly found: Promise<KeptObservations>
  readonly asked: Map<string, Observation>
}

export function newObservationCache(options: CacheOptions): ObservationCache {
  const { clock, maxAgeMs, note } = options
  const views = new Map<string, OpenView>()
  let [kept, askedFor] = [0, 0]
  let oldestMs: number | undefined
  const open = (view: View): OpenView => {
    const key = viewKey(view)
    const found = views.get(key)
    if (found !== undefined) return found
    const opened = { view, found: find(view), asked: new Map<string, Observation>() }
    views.set(key, opened)
    return opened
  }
  const find = async (view: View): Promise<KeptObservations> => {
    const found = await readObservations(options, view, clock.now())
    if (found.distrust !== undefined) note(`--cached: ${found.distrust}: all of it is read anew`)
    return found
  }
  return {
    of: (view) => async (name, ask, isToKeep) => {
      const { asked, found } = open(view)
      const one = (await found).observations.get(name)
      // What is asked is of some time after it was begun, so that its age is never told too low.
      const atMs = clock.now()
      if (one !== undefined && atMs - one.atMs <= maxAgeMs) {
        kept += 1
        oldestMs = Math.min(oldestMs ?? one.atMs, one.atMs)
        // What wrote the file is `ask` of the same version, and nobody else may write it.
        return one.value as Awaited<ReturnType<typeof ask>>
      }
      askedFor += 1
      const value = await ask()
      if (isToKeep?.(value) !== false) asked.set(name, { atMs, value })
      return value
    },
    use: () => ({ kept, asked: askedFor, oldestMs }),
    keep: async () => {
      try {
        await keepViews(options, [...views.values()])
      } catch (error) {
        note(`--cached: what was read could not be kept: ${messageOf(error)}`)
      }
    },
  }
}

async function keepViews(options: CacheOptions, views: readonly OpenView[]): Promise<void> {
  const nowMs = options.clock.now()
  for (const { asked, found, view } of views) {
    if (asked.size === 0) continue
    const young = [...(await found).observations].filter(
      ([, { atMs }]) => nowMs - atMs <= MAX_KEPT_MS,
    )
    if (await writeObservations(options, view, new Map([...young, ...asked]))) continue
    const what = view.cluster === '' ? `IAM of ${view.accountId}` : `cluster ${view.cluster}`
    options.note(`--cached: what was read of ${what} is too much to be kept`)
  }
  await pruneObservations(options.stateFolder, nowMs)
}

/** @param open asked only where something is to be read */
export function cachedIam(
  account: Pick<IamReader, 'accountId' | 'partition'>,
  read: ReadKept,
  open: () => Promise<IamReader>,
): IamReader {
  const opened = once(open)
  return {
    partition: account.partition,
    accountId: account.accountId,
    roles: () => read('roles', async () => (await opened()).roles()),
    provider: (arn) => read(`provider ${arn}`, async () => (await opened()).provider(arn)),
    // AWS's documented default stands in for what could not be read this time.
    trustQuota: () =>
      read(
        'trustQuota',
        async () => (await opened()).trustQuota(),
        ({ isLive }) => isLive,
      ),
  }
}

/** @param open asked only where something is to be read */
export function cachedCluster(read: ReadKept, open: () => Promise<ClusterReader>): ClusterReader {
  const opened = once(open)
  return {
    facts: () => read('facts', async () => (await opened()).facts()),
    associations: () => read('associations', async () => (await opened()).associations()),
    accessEntries: () => read('accessEntries', async () => (await opened()).accessEntries()),
    addons: (associations) => read('addons', async () => (await opened()).addons(associations)),
    offer: (addon, kubernetesVersion) => {
      // As much of the add-on as decides what is read.
      const { identity, name, version = '' } = addon
      const of = JSON.stringify([name, version, identity.kind, kubernetesVersion])
      return read(`offer ${of}`, async () => (await opened()).offer(addon, kubernetesVersion))
    },
  }
}

/** A kubeconfig may lead the same cluster's name elsewhere another time. */
export const cachedKube = (read: ReadKept, kube: KubeReader): KubeReader => ({
  server: kube.server,
  identity: () =>
    read(
      `identity ${kube.server}`,
      () => kube.identity(),
      ({ kind }) => kind === 'same',
    ),
  serviceAccounts: () => read(`serviceAccounts ${kube.server}`, () => kube.serviceAccounts()),
  namespaces: () => read(`namespaces ${kube.server}`, () => kube.namespaces()),
  workloadIdentity: () => read(`workloadIdentity ${kube.server}`, () => kube.workloadIdentity()),
})

function once<T>(open: () => Promise<T>): () => Promise<T> {
  let opened: Promise<T> | undefined
  return () => (opened ??= open())
}

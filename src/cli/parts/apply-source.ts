/** What an apply carries out: a plan made from files now, or one that a plan file has. */
import { readFile } from 'node:fs/promises'
import { codeOf, messageOf, PodroleError } from '../../lib/errors.ts'
import { type Half, otherHalf } from '../../manage/apply/halves.ts'
import type { DesiredCluster } from '../../manage/desired/desired-state.ts'
import { observe } from '../../manage/observe/observe.ts'
import type { ClusterFacts, ObservePlaces } from '../../manage/observe/ports.ts'
import type { Plan } from '../../manage/plan/plan.ts'
import { MAX_PLAN_FILE_BYTES, parsePlanFile } from '../../manage/plan-file/plan-file.ts'
import {
  planDigest,
  readReceipt,
  receiptPath,
  writeReceipt,
} from '../../manage/plan-file/receipt.ts'
import type { HalfFlags } from '../commands/plan.ts'
import { printNote } from '../output.ts'
import type { ReachedCluster } from './apply-places.ts'
import { goneClusters } from './gone-clusters.ts'
import { knownOf, openKubePlaces } from './half-places.ts'
import { planHalf, type PlanOf } from './half-plan.ts'
import { type ObserveAround, openPlaces, type PlaceFlags } from './observe-places.ts'

export interface ApplySource {
  readonly accountId: string
  readonly clusters: readonly ReachedCluster[]
  /** Looks, where no plan file did. */
  readonly plan: () => Promise<SourcePlan>
  /** What tells a cluster's Kubernetes from another one. */
  readonly factsOf: (cluster: ReachedCluster) => Promise<KnownFacts | undefined>
  /** Of the plan file, as it was typed. */
  readonly path?: string
  /** How the halves of one plan file know of each other. */
  readonly receipts?: Receipts
}

export type KnownFacts = Pick<ClusterFacts, 'endpoint' | 'issuer' | 'isPrivate'>

export interface SourcePlan {
  readonly plan: Plan
  /** Of the clusters. */
  readonly arns: readonly string[]
}

export interface Receipts {
  /** Steps that are done, of both halves. */
  readonly done: () => Promise<ReadonlySet<string>>
  /** Adds to those of this half. */
  readonly add: (ids: readonly string[]) => Promise<void>
}

export const halfOfFlags = ({
  awsOnly = false,
  kubernetesOnly = false,
}: Partial<HalfFlags>): Half | undefined =>
  awsOnly ? 'aws' : kubernetesOnly ? 'kubernetes' : undefined

/** @throws as `openPlaces` and `openKubePlaces` */
export async function sourceOfFiles(
  clusters: readonly DesiredCluster[],
  flags: PlaceFlags & Partial<HalfFlags>,
  {
    around,
    counted,
    planOf,
    takesGone = false,
  }: {
    readonly planOf: PlanOf
    /** Whether clusters count that are not there any more. */
    readonly takesGone?: boolean
    readonly around: ObserveAround
    readonly counted: <T>(read: (onCall: () => void) => Promise<T>) => Promise<T>
  },
): Promise<ApplySource> {
  const half = halfOfFlags(flags)
  const places =
    half === 'kubernetes'
      ? await openKubePlaces(clusters, flags, around)
      : await openSeen(clusters, flags, { around, takesGone })
  return {
    accountId: places.iam.accountId,
    clusters,
    factsOf: async (cluster) => {
      const desired = clusters.find((one) => one === cluster)
      if (desired === undefined) return undefined
      return half === 'kubernetes' ? knownOf(desired) : (await places.cluster(desired)).facts()
    },
    plan: async () => {
      const { observed, plan } = await counted(async () => {
        if (half !== undefined) return planHalf(half, clusters, { places, planOf })
        const observed = await observe(clusters, places)
        return { observed, plan: planOf(clusters, observed) }
      })
      // One that is gone holds no lease.
      const there = observed.clusters.filter(({ isGone }) => isGone !== true)
      return { plan, arns: there.map(({ arn }) => arn) }
    },
  }
}

async function openSeen(
  clusters: readonly DesiredCluster[],
  flags: PlaceFlags,
  { around, takesGone }: { readonly around: ObserveAround; readonly takesGone: boolean },
): Promise<ObservePlaces> {
  const places = await openPlaces(clusters, flags, around)
  return takesGone ? { ...places, gone: goneClusters(places) } : places
}

/** @throws PodroleError `InvalidPlanFile`, `UnreadableFile`, `InvalidReceipt` */
export async function sourceOfPlanFile(path: string, half: Half | undefined): Promise<ApplySource> {
  const text = await readPlanText(path)
  const { account, clusters, observedAt, plan } = parsePlanFile(text, path)
  printNote(`${path} is of ${observedAt}`)
  return {
    accountId: account.id,
    clusters,
    path,
    factsOf: async (cluster) => clusters.find((one) => one === cluster),
    plan: async () => ({ plan, arns: clusters.map(({ arn }) => arn) }),
    ...(half !== undefined && { receipts: receiptsOf(path, half, planDigest(text)) }),
  }
}

function receiptsOf(path: string, half: Half, plan: string): Receipts {
  const own = receiptPath(path, half)
  const other = otherHalf(half)
  const ofOwn = (): Promise<ReadonlySet<string>> => readReceipt(own, { half, plan })
  return {
    done: async () => {
      const theirs = await readReceipt(receiptPath(path, other), { half: other, plan })
      return new Set([...(await ofOwn()), ...theirs])
    },
    add: async (ids) => {
      const done = [...new Set([...(await ofOwn()), ...ids])]
      await writeReceipt(own, { half, plan, done })
    },
  }
}

async function readPlanText(path: string): Promise<string> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    throw new PodroleError(
      'UnreadableFile',
      `the plan file ${path} cannot be read: ${codeOf(error) ?? messageOf(error)}`,
    )
  }
  if (text.length <= MAX_PLAN_FILE_BYTES) return text
  throw new PodroleError('UnreadableFile', `${path} has more than ${MAX_PLAN_FILE_BYTES} bytes`)
}

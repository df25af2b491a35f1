/**
 * A plan as a file: what is to be done, and what was looked at when, so that somebody else carries
 * it out, or two people a half each. It has names, ARNs and policies, and no credential: who applies
 * it brings their own.
 */
import * as z from 'zod'
import { PodroleError } from '../../lib/errors.ts'
import type { DesiredCluster } from '../desired/desired-state.ts'
import { actionId } from '../plan/action-id.ts'
import type { ObservedState } from '../plan/observed-state.ts'
import type { Plan, PlanStep } from '../plan/plan.ts'
import { actionSchema } from './action-schema.ts'

export const PLAN_FILE_KIND = 'podrole.dev/plan/v1'
/** A plan of 10,000 service accounts has some 30 MB. */
export const MAX_PLAN_FILE_BYTES: number = 256 << 20

export interface PlanFile {
  readonly kind: typeof PLAN_FILE_KIND
  /** Of podrole. */
  readonly version: string
  /** ISO 8601: when it began to look. */
  readonly observedAt: string
  /** Whose eyes they were; in the plan of a half without AWS nobody's. */
  readonly observedBy?: string
  readonly account: { readonly id: string; readonly partition: string }
  readonly clusters: readonly PlanFileCluster[]
  readonly plan: Plan
}

/** What is to be known to reach a cluster, and how much of it was seen. */
export interface PlanFileCluster {
  readonly arn: string
  readonly name: string
  readonly region: string
  readonly kind: DesiredCluster['kind']
  readonly broker?: string
  /** Of its API server, as EKS names it. */
  readonly endpoint?: string
  /** Of its service accounts' tokens: it tells the cluster from another one. */
  readonly issuer?: string
  /** Its API server is reached from its own network alone. */
  readonly isPrivate?: boolean
  readonly seen: {
    readonly associations: number
    readonly accessEntries: number
    readonly addons: number
    readonly serviceAccounts: number
    readonly namespaces: number
  }
}

const count = z.int().nonnegative()
const cluster: z.ZodType<PlanFileCluster> = z.strictObject({
  arn: z.string().startsWith('arn:'),
  name: z.string().min(1),
  region: z.string().min(1),
  kind: z.enum(['eks', 'self-managed', 'workload-identity']),
  broker: z.url().exactOptional(),
  endpoint: z.string().exactOptional(),
  issuer: z.string().exactOptional(),
  isPrivate: z.boolean().exactOptional(),
  seen: z.strictObject({
    associations: count,
    accessEntries: count,
    addons: count,
    serviceAccounts: count,
    namespaces: count,
  }),
})

const step: z.ZodType<PlanStep> = z.strictObject({
  id: z.string().min(1),
  action: actionSchema,
  dependsOn: z.array(z.string()),
  risk: z.strictObject({
    level: z.enum(['none', 'change', 'loss']),
    text: z.string().exactOptional(),
  }),
  inverse: z.array(actionSchema),
  needs: z.array(z.strictObject({ action: z.string(), resource: z.string() })),
})

const schema = z.strictObject({
  kind: z.literal(PLAN_FILE_KIND),
  version: z.string(),
  observedAt: z.iso.datetime(),
  observedBy: z.string().exactOptional(),
  account: z.strictObject({
    id: z.string().regex(/^\d{12}$/, 'wanted the 12 digits of an AWS account'),
    partition: z.string().regex(/^aws[a-z-]*$/, 'wanted an AWS partition'),
  }),
  clusters: z.array(cluster),
  plan: z.strictObject({
    steps: z.array(step),
    // One with refusals is not written.
    refusals: z.tuple([]),
    remarks: z.array(z.strictObject({ code: z.string(), text: z.string() })),
  }),
})

/** What a plan file is made of. */
export interface PlanFileSource {
  readonly version: string
  readonly observedAtMs: number
  readonly observedBy: string | undefined
  readonly desired: readonly DesiredCluster[]
  readonly observed: ObservedState
  readonly plan: Plan
  readonly brokerOf: (cluster: DesiredCluster) => string | undefined
}

/** @throws PodroleError `PlanRefused` for a plan that says it may not be applied */
export function planFileOf(source: PlanFileSource): PlanFile {
  const { observed, observedAtMs, observedBy, plan, version } = source
  if (plan.refusals.length > 0) {
    throw new PodroleError(
      'PlanRefused',
      `the plan has ${plan.refusals.length} refusal(s), so no plan file was written`,
      { hint: 'Settle what is refused, and plan again.' },
    )
  }
  return {
    kind: PLAN_FILE_KIND,
    version,
    observedAt: new Date(observedAtMs).toISOString(),
    ...(observedBy !== undefined && { observedBy }),
    account: { id: observed.accountId, partition: observed.partition },
    clusters: source.desired.flatMap((desired) => clusterOf(desired, source)),
    plan,
  }
}

function clusterOf(
  desired: DesiredCluster,
  { brokerOf, observed }: PlanFileSource,
): readonly PlanFileCluster[] {
  const { kind, name, region } = desired
  const found = observed.clusters.find(
    (one) => one.name === name && (region === undefined || one.region === region),
  )
  if (found === undefined) return []
  const broker = kind === 'self-managed' ? brokerOf(desired) : undefined
  return [
    {
      arn: found.arn,
      name,
      region: found.region,
      kind,
      ...(broker !== undefined && { broker }),
      ...(found.endpoint !== undefined && { endpoint: found.endpoint }),
      ...(found.issuer !== undefined && { issuer: found.issuer }),
      ...(found.isPrivate !== undefined && { isPrivate: found.isPrivate }),
      seen: {
        associations: found.associations.length,
        accessEntries: found.accessEntries.length,
        addons: found.addons.length,
        serviceAccounts: found.serviceAccounts.length,
        namespaces: found.namespaces.length,
      },
    },
  ]
}

const MOST_FAULTS = 10

/**
 * Reads the text of a plan file: every fault at once, with its path.
 * @throws PodroleError `InvalidPlanFile`
 */
export function parsePlanFile(json: string, path: string): PlanFile {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    throw invalid(path, ['it is not JSON'])
  }
  const kind: unknown =
    typeof value === 'object' && value !== null ? Reflect.get(value, 'kind') : undefined
  if (kind !== PLAN_FILE_KIND) {
    throw invalid(path, [`its kind is ${JSON.stringify(kind)}, wanted ${PLAN_FILE_KIND}`])
  }
  const read = schema.safeParse(value)
  if (!read.success) {
    throw invalid(
      path,
      read.error.issues.map(({ message, path: at }) => `${at.join('.')}: ${message}`),
    )
  }
  // Codes of remarks are told, and nothing hangs on them.
  const file = read.data as PlanFile
  const faults = orderFaults(file)
  if (faults.length > 0) throw invalid(path, faults)
  return file
}

/** Steps that the file's own words contradict: no podrole wrote them so. */
function orderFaults({ account, clusters, plan: { steps } }: PlanFile): readonly string[] {
  const known = new Set(steps.map(({ id }) => id))
  const arns = new Set(clusters.map(({ arn }) => arn))
  const before = new Set<string>()
  const faults: string[] = []
  for (const [at, { action, dependsOn, id }] of steps.entries()) {
    const where = `plan.steps.${at}`
    if (id !== actionId(action)) faults.push(`${where}.id: ${id} is not ${actionId(action)}`)
    if (before.has(id)) faults.push(`${where}.id: ${id} is there twice`)
    if ('cluster' in action && !arns.has(action.cluster)) {
      faults.push(`${where}.action.cluster: ${action.cluster} is not among the clusters`)
    }
    for (const one of dependsOn) {
      if (known.has(one) && !before.has(one)) faults.push(`${where}.dependsOn: ${one} comes later`)
    }
    before.add(id)
  }
  for (const arn of arns) {
    const [, partition, , , accountId] = arn.split(':')
    if (accountId !== account.id || partition !== account.partition) {
      faults.push(`clusters: ${arn} is not of account ${account.id} of ${account.partition}`)
    }
  }
  return faults
}

function invalid(path: string, faults: readonly string[]): PodroleError {
  const more = faults.length > MOST_FAULTS ? [`and ${faults.length - MOST_FAULTS} more`] : []
  const told = [...faults.slice(0, MOST_FAULTS), ...more]
  return new PodroleError(
    'InvalidPlanFile',
    [`${path} is no plan file:`, ...told].join(told.length > 1 ? '\n  ' : ' '),
    { hint: 'Write one with podrole plan -f FILE --out PLANFILE.' },
  )
}

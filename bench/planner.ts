/**
 * The planner alone: 10,000 service accounts with associations on 10 clusters, five to a role, from
 * nothing and when all is there. No floor: what counts is the time, and that it is all CPU.
 */
import { emptyState } from '../src/manage/plan/in-memory.suite.ts'
import type { DesiredCluster } from '../src/manage/desired/desired-state.ts'
import { makePlan } from '../src/manage/plan/make-plan.ts'
import type { ObservedCluster, ObservedState, PlanRole } from '../src/manage/plan/observed-state.ts'
import type { Plan } from '../src/manage/plan/plan.ts'
import { type Bench, median } from './measure.ts'

/** One line of the report. */
export interface Planned {
  readonly name: string
  readonly steps: number
  readonly planBestMs: number
  readonly planMedianMs: number
  /** CPU time, all threads, the median. */
  readonly planCpuMs: number
}

const CLUSTERS = 10
const SERVICE_ACCOUNTS = 1000
const PER_ROLE = 5
const PER_NAMESPACE = 50

export async function measurePlanner(bench: Bench): Promise<Planned[]> {
  const names = Array.from({ length: CLUSTERS }, (_, at) => `cluster-${at}`)
  const desired = names.map(clusterOf)
  const nothing = emptyState(...names)
  const first = makePlan(desired, nothing)
  const everything = appliedTo(nothing, first)
  if (makePlan(desired, everything).steps.length > 0) throw new Error('something is left to plan')
  const size = `${CLUSTERS * SERVICE_ACCOUNTS} service accounts, ${(CLUSTERS * SERVICE_ACCOUNTS) / PER_ROLE} roles, ${CLUSTERS} clusters`
  return [
    timed(bench, `everything is to be made: ${size}`, () => makePlan(desired, nothing)),
    timed(bench, 'the same, nothing to do', () => makePlan(desired, everything)),
  ]
}

function timed({ rounds }: Bench, name: string, plan: () => Plan): Planned {
  const times: { readonly ms: number; readonly cpuMs: number }[] = []
  let steps = 0
  for (let round = 0; round < Math.max(rounds, 3) + 2; round += 1) {
    const cpu = process.cpuUsage()
    const started = performance.now()
    steps = plan().steps.length
    const ms = performance.now() - started
    const { system, user } = process.cpuUsage(cpu)
    times.push({ ms, cpuMs: (system + user) / 1000 })
  }
  // The first two are compiled while they run.
  const warm = times.slice(2)
  return {
    name,
    steps,
    planBestMs: Math.min(...warm.map(({ ms }) => ms)),
    planMedianMs: median(warm.map(({ ms }) => ms)),
    planCpuMs: median(warm.map(({ cpuMs }) => cpuMs)),
  }
}

function clusterOf(name: string): DesiredCluster {
  return {
    source: `${name}.yaml`,
    kind: 'eks',
    name,
    region: 'eu-central-1',
    tags: {},
    associations: Array.from({ length: SERVICE_ACCOUNTS }, (_, at) => ({
      path: `iam.podIdentityAssociations[${at}]`,
      serviceAccount: { namespace: `ns-${Math.floor(at / PER_NAMESPACE)}`, name: `app-${at}` },
      createServiceAccount: true,
      disableSessionTags: false,
      tags: { team: 'shop' },
      role: {
        kind: 'made',
        name: `${name}-${Math.floor(at / PER_ROLE)}`,
        policyArns: ['arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess'],
        inline: {},
        tags: { team: 'shop' },
        trustConditions: {},
      },
    })),
  }
}

/** What the plan makes of it; the tests' own way copies every list at every step. */
function appliedTo(state: ObservedState, { steps }: Plan): ObservedState {
  const roles = new Map<string, PlanRole>()
  for (const { action } of steps) {
    if (action.do === 'create-role') {
      roles.set(action.role.name, { ...action.role, policyArns: [], inline: {} })
    } else if (action.do === 'attach-policy') {
      const role = roles.get(action.role)
      if (role !== undefined) roles.set(action.role, { ...role, policyArns: [action.policyArn] })
    }
  }
  const clusters = state.clusters.map((one) => appliedToCluster(one, steps))
  return { ...state, roles: [...roles.values()], clusters }
}

function appliedToCluster(cluster: ObservedCluster, steps: Plan['steps']): ObservedCluster {
  const actions = steps
    .map(({ action }) => action)
    .filter((action) => 'cluster' in action && action.cluster === cluster.arn)
  return {
    ...cluster,
    namespaces: actions.flatMap((one) => (one.do === 'create-namespace' ? [one.namespace] : [])),
    serviceAccounts: actions.flatMap((one) =>
      one.do === 'create-service-account' ? [one.object] : [],
    ),
    associations: actions.flatMap((one, at) =>
      one.do === 'create-association'
        ? [{ ...one.association, associationId: `a-${at}`, arn: `${cluster.arn}/a-${at}` }]
        : [],
    ),
  }
}

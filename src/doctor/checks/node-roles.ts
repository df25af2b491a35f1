/** Whether pods reach the roles of nodes, and what the roles of nodes, clusters and Fargate allow. */
import { compileText, matchesPattern } from '../../iam/pattern.ts'
import { parsePolicy } from '../../iam/policy.ts'
import type { PolicyStatement } from '../../iam/policy-document.ts'
import { PodroleError } from '../../lib/errors.ts'
import type { PlanRole } from '../../manage/plan/observed-state.ts'
import type { DoctorCluster, DoctorFacts, InstanceFact } from '../facts/doctor-facts.ts'
import { type Fact, known, unknown } from '../facts/fact.ts'
import {
  documentedArns,
  isDocumented,
  isPolicyOfAws,
  policyNameOf,
  type RoleUse,
  roleUsesOf,
  type UsedRole,
} from '../facts/role-uses.ts'
import { type CheckResult, type RawFinding, someOf } from './finding.ts'
import type { CheckId } from './table.ts'

export function checkNodeRoles(facts: DoctorFacts): CheckResult {
  const results = [...facts.clusters.map(checkInstances), checkBeyond(facts)]
  return {
    findings: results.flatMap(({ findings }) => findings),
    notLookedAt: results.flatMap(({ notLookedAt }) => notLookedAt),
  }
}

/**
 * Version 2 is out of reach of a pod with one hop; version 1 has no such limit (EC2 User Guide,
 * "Configure the instance metadata options"). Pods on the host's network reach it all the same.
 */
function checkInstances({ instances, name }: DoctorCluster): CheckResult {
  if (!instances.known) {
    const what = `metadata options of the instances of ${name}`
    return { findings: [], notLookedAt: [{ what, why: instances.why }] }
  }
  const open = Map.groupBy(instances.value.filter(isOpen), openness)
  return {
    notLookedAt: [],
    findings: [...open].map(([how, those]) => ({
      id: 'imds-open',
      subject: `cluster ${name}`,
      what: `${those.length} instance(s) have ${how}: ${someOf(those.map(({ id }) => id))}`,
    })),
  }
}

const isOpen = ({ hopLimit, httpEndpoint, httpTokens }: InstanceFact): boolean =>
  httpEndpoint === 'enabled' && (httpTokens !== 'required' || hopLimit > 1)

const openness = ({ hopLimit, httpTokens }: InstanceFact): string =>
  httpTokens === 'required'
    ? `a hop limit of ${hopLimit}`
    : `version 1 of the metadata service (http-tokens ${httpTokens})`

const BEYOND: Readonly<Record<RoleUse, CheckId>> = {
  node: 'node-role-beyond',
  cluster: 'cluster-role-beyond',
  fargate: 'fargate-role-beyond',
}

function checkBeyond(facts: DoctorFacts): CheckResult {
  const { roles, unread } = roleUsesOf(facts)
  if (!facts.roles.known) {
    const why = facts.roles.why
    const what = 'what the roles of clusters, nodes and Fargate allow'
    return { findings: [], notLookedAt: [...unread, { what, why }] }
  }
  const byArn = new Map(facts.roles.value.map((role) => [role.arn, role]))
  const results = roles.map((used) => judgeUsed(used, byArn.get(used.arn), facts))
  return {
    findings: results.flatMap(({ findings }) => findings),
    notLookedAt: [...unread, ...results.flatMap(({ notLookedAt }) => notLookedAt)],
  }
}

interface Allowed {
  readonly policy: string
  readonly actions: readonly string[]
}

function judgeUsed(used: UsedRole, role: PlanRole | undefined, facts: DoctorFacts): CheckResult {
  const subject = `role ${used.arn.split('/').at(-1)} (${used.use} role of ${someOf(used.clusters)})`
  if (role === undefined) {
    const why = `IAM lists no role ${used.arn}`
    return { findings: [], notLookedAt: [{ what: `what ${subject} allows`, why }] }
  }
  const usual = documentedActions(used.use, facts)
  const texts = [
    ...Object.entries(role.inline).map(([name, text]) => ({
      name: `inline ${name}`,
      text: known(text),
    })),
    ...role.policyArns
      .filter((arn) => !isDocumented(used.use, arn))
      .map((arn) => ({
        name: isPolicyOfAws(arn) ? policyNameOf(arn) : arn,
        text: facts.policyTexts[arn] ?? unknown('it was not read'),
      })),
  ]
  const read = texts.map(({ name, text }) => readAllowed(name, text))
  const extra = read.flatMap(({ actions, policy }) => {
    const beyond = [...new Set(actions)].filter((action) => !isCovered(action, usual.actions))
    return beyond.length === 0 ? [] : [{ policy, actions: beyond }]
  })
  const findings = findingsOf(extra, used, subject)
  const notLookedAt = read.flatMap(({ policy, why }) =>
    why === undefined ? [] : [{ what: `${subject}: policy ${policy}`, why }],
  )
  if (usual.why === undefined || extra.length === 0) return { findings, notLookedAt }
  // Without what is documented nobody knows what goes beyond it; everything always does.
  const beyond = { what: `what ${subject} allows beyond what is documented`, why: usual.why }
  const unbounded = findings.filter(({ id }) => id === 'compute-role-unbounded')
  return { findings: unbounded, notLookedAt: [...notLookedAt, beyond] }
}

function readAllowed(policy: string, text: Fact<string | undefined>): Allowed & { why?: string } {
  if (!text.known) return { policy, actions: [], why: text.why }
  if (text.value === undefined) return { policy, actions: [], why: 'IAM has no such policy' }
  try {
    return { policy, actions: parsePolicy(text.value, 'identity').statements.flatMap(allowedBy) }
  } catch (error) {
    if (!(error instanceof PodroleError)) throw error
    return { policy, actions: [], why: error.message }
  }
}

/** Everything, or everything with IAM, which is the same. */
const isUnbounded = (action: string): boolean => /^(?:\*|\*:\*|iam:\*)$/.test(action)

function findingsOf(extra: readonly Allowed[], { use }: UsedRole, subject: string): RawFinding[] {
  const unbounded = extra.filter(({ actions }) => actions.some(isUnbounded))
  const others = extra.filter((one) => !unbounded.includes(one))
  const telling = (all: readonly Allowed[]): string =>
    all.map(({ actions, policy }) => `${policy} allows ${someOf(actions)}`).join('; ')
  return [
    ...(unbounded.length === 0
      ? []
      : [{ id: 'compute-role-unbounded' as const, subject, what: telling(unbounded) }]),
    ...(others.length === 0 ? [] : [{ id: BEYOND[use], subject, what: telling(others) }]),
  ]
}

/** NotAction is everything but some. */
const allowedBy = ({ actions, effect }: PolicyStatement): readonly string[] =>
  effect === 'Allow' ? (actions ?? ['*']) : []

/** A pattern is covered where the other one takes it letter by letter. */
const isCovered = (action: string, usual: readonly string[]): boolean =>
  usual.some((one) => matchesPattern(compileText(one.toLowerCase()), action.toLowerCase()))

/** What AWS documents for the use, or why that is not known. */
function documentedActions(
  use: RoleUse,
  { partition, policyTexts }: DoctorFacts,
): { readonly actions: readonly string[]; readonly why?: string } {
  const read = documentedArns(use, partition).flatMap((arn) => {
    const text = policyTexts[arn]
    // One that is not there, as in partitions that lack it, says nothing.
    if (text === undefined || (text.known && text.value === undefined)) return []
    return [readAllowed(policyNameOf(arn), text)]
  })
  const why = read.find((one) => one.why !== undefined)?.why
  return { actions: read.flatMap(({ actions }) => actions), ...(why !== undefined && { why }) }
}

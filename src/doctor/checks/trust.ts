/** What is wrong with the trust policies of an account. */
import { parseArn, tryParseArn } from '../../iam/arn.ts'
import { parsePolicy } from '../../iam/policy.ts'
import type { PolicyDocument } from '../../iam/policy-document.ts'
import { findTrustFaults, type TrustFinding } from '../../iam/trust-findings.ts'
import { PodroleError } from '../../lib/errors.ts'
import type { PlanRole } from '../../manage/plan/observed-state.ts'
import type { DoctorFacts } from '../facts/doctor-facts.ts'
import { valueOf } from '../facts/fact.ts'
import { type CheckResult, type RawFinding, someOf } from './finding.ts'
import type { CheckId } from './table.ts'

/**
 * A live policy was taken by IAM; what it refuses by its grammar would be a fault of this reading,
 * and is told as not looked at.
 */
const IDS: Readonly<Partial<Record<TrustFinding['code'], CheckId>>> = {
  'no-subject': 'trust-no-subject',
  'no-audience': 'trust-no-audience',
  'subject-open': 'trust-subject-open',
  'aws-anyone': 'trust-aws-anyone',
  'pod-identity-open': 'trust-pod-identity-open',
  'wildcard-in-equals': 'trust-wildcard-in-equals',
  'key-never-matches': 'trust-key-never-matches',
  'audience-holds-subject': 'trust-audience-holds-subject',
  'foreign-provider': 'trust-foreign-provider',
  'no-tag-session': 'trust-no-tag-session',
}

export function checkTrust(facts: DoctorFacts): CheckResult {
  if (!facts.roles.known) {
    const why = facts.roles.why
    return { findings: [], notLookedAt: [{ what: 'trust policies of roles', why }] }
  }
  const stale = staleness(facts)
  const results = facts.roles.value.filter(isOwn).map((role) => judgeRole(role, stale))
  const missing = [
    ...(facts.providers.known
      ? []
      : [{ what: 'whether roles trust providers that are gone', why: facts.providers.why }]),
    ...(facts.eksClusters.known
      ? []
      : [{ what: 'whether roles trust clusters that are gone', why: facts.eksClusters.why }]),
  ]
  return {
    findings: results.flatMap(({ findings }) => findings),
    notLookedAt: [...results.flatMap(({ notLookedAt }) => notLookedAt), ...missing],
  }
}

/** Roles of AWS's services are AWS's own affair. */
const isOwn = ({ arn }: PlanRole): boolean =>
  !/:role\/(?:aws-service-role|aws-reserved)\//.test(arn)

function judgeRole(role: PlanRole, stale: Staleness): CheckResult {
  const subject = `role ${role.name}`
  try {
    const about = { role: parseArn(role.arn) }
    const faults = findTrustFaults(role.trustPolicy, about)
    const refused = faults.find(({ code }) => IDS[code] === undefined)
    const unread =
      refused === undefined ? [] : [{ what: `${subject}: all of it`, why: refused.text }]
    return {
      findings: [...faults.flatMap((fault) => rawOf(fault, subject)), ...stale(role)],
      notLookedAt: unread,
    }
  } catch (error) {
    if (!(error instanceof PodroleError)) throw error
    return {
      findings: [],
      notLookedAt: [{ what: `${subject}: its trust policy`, why: error.message }],
    }
  }
}

function rawOf({ code, hint, statement, text }: TrustFinding, subject: string): RawFinding[] {
  const id = IDS[code]
  if (id === undefined) return []
  const where = statement === undefined ? '' : `statement ${statement}: `
  return [{ id, subject, what: `${where}${text}`, fix: hint.replace(/\.$/, '') }]
}

type Staleness = (role: PlanRole) => readonly RawFinding[]

/** What roles name and the account does not have any more. */
function staleness(facts: DoctorFacts): Staleness {
  const providers = facts.providers.known ? new Set(facts.providers.value) : undefined
  const clusters = valueOf(facts.eksClusters)
  const known = clusters && new Set(clusters.flatMap(({ arn, name }) => [arn, name]))
  return (role) => {
    const subject = `role ${role.name}`
    const policy = readTrust(role.trustPolicy)
    const gone = providers && goneProviders(policy, providers, facts)
    const absent = known && goneClusters(policy, known, facts)
    return [
      ...(gone === undefined || gone.length === 0
        ? []
        : [
            {
              id: 'trust-stale-provider' as const,
              subject,
              what: `it trusts ${someOf(gone)}, which the account does not have`,
            },
          ]),
      ...(absent === undefined || absent.length === 0
        ? []
        : [
            {
              id: 'trust-stale-cluster' as const,
              subject,
              what: `it asks for ${someOf(absent)}, and there is no such cluster`,
            },
          ]),
    ]
  }
}

function readTrust(text: string): PolicyDocument | undefined {
  try {
    return parsePolicy(text, 'trust')
  } catch (error) {
    if (!(error instanceof PodroleError)) throw error
    // Told as not looked at already.
    return undefined
  }
}

/** Of the role's own account: others are a finding of their own. */
function goneProviders(
  policy: PolicyDocument | undefined,
  providers: ReadonlySet<string>,
  { accountId, partition }: DoctorFacts,
): readonly string[] {
  const own = `arn:${partition}:iam::${accountId}:oidc-provider/`
  const named = (policy?.statements ?? [])
    .filter(({ effect }) => effect === 'Allow')
    .flatMap(({ principals = [] }) => principals.map(({ value }) => value))
  return [...new Set(named.filter((arn) => arn.startsWith(own) && !providers.has(arn)))]
}

const CLUSTER_ARN = /^(?:aws:requesttag\/eks-cluster-arn|aws:sourcearn)$/i

/** Clusters of this region that conditions name letter by letter. */
function goneClusters(
  policy: PolicyDocument | undefined,
  known: ReadonlySet<string>,
  { accountId, region }: DoctorFacts,
): readonly string[] {
  const named = (policy?.statements ?? [])
    .filter(({ effect }) => effect === 'Allow')
    .flatMap(({ conditions }) => conditions)
    .filter(({ key }) => CLUSTER_ARN.test(key))
    .flatMap(({ values }) => values)
    .filter((value) => !/[*?]|\$\{/.test(value))
  return [...new Set(named)].filter((value) => {
    const arn = tryParseArn(value)
    const isHere = arn?.service === 'eks' && arn.region === region && arn.accountId === accountId
    return isHere && arn.resource.startsWith('cluster/') && !known.has(value)
  })
}

/** Facts → how much of each quota is used, how much room is left, and what that is room for. */
import {
  DOCUMENTED_ON,
  type IamQuotaName,
  QUOTA_CODES,
  type QuotaReading,
} from '../../aws/iam-quotas.ts'
import { parsePolicy } from '../../iam/policy.ts'
import { POD_IDENTITY_SERVICE } from '../../iam/trust-grant.ts'
import { trustRoom } from '../../iam/trust-size.ts'
import type { EksFacts, IamFacts, QuotaCluster, QuotaFacts, QuotaRole } from './facts.ts'
import { sessionBytes } from './session-size.ts'

export interface QuotaLine {
  readonly quota:
    | IamQuotaName
    | 'clusters'
    | 'associations'
    | 'access-entries'
    | 'session-token-bytes'
  /** `account 111122223333`, `role orders`, `cluster prod`. */
  readonly scope: string
  readonly used: number
  readonly limit: number
  readonly left: number
  /** `Service Quotas L-…`, `GetAccountSummary` or `documented 2026-10`. */
  readonly source: string
  /** Whether the limit was read from the account. */
  readonly isLive: boolean
  /** error: nothing more fits; warning: little does. */
  readonly level: 'ok' | 'warning' | 'error'
  /** One sentence, without its full stop: what there is room for. */
  readonly forecast: string
}

export interface QuotaReport {
  readonly accountId: string
  readonly region: string
  readonly lines: readonly QuotaLine[]
  readonly unread: QuotaFacts['unread']
}

/** Of these AWS has no API. EKS User Guide: pod-identities; AWS General Reference: eks; STS API Reference. */
const DOCUMENTED = { associations: 5000, accessEntries: 3000, sessionTokenBytes: 4096 } as const
const SOURCE_DOCUMENTED = `documented ${DOCUMENTED_ON}`

/** @param warnAt the share of a limit, 0 to 1, from which on a line warns */
export function quotaReport(facts: QuotaFacts, warnAt = 0.8): QuotaReport {
  const { accountId, eks, iam, region, unread } = facts
  const account = `account ${accountId}`
  const lines = [
    ...(iam === undefined ? [] : accountLines(iam, account)),
    ...(eks === undefined ? [] : eksLines(eks, `${account}, ${region}`)),
    ...(iam === undefined ? [] : iam.roles.flatMap((role) => roleLines(iam, role))),
  ]
  return { accountId, region, unread, lines: lines.map((line) => finish(line, warnAt)) }
}

interface Limit {
  readonly limit: number
  readonly source: string
  readonly isLive: boolean
}

type Measured = Omit<QuotaLine, 'left' | 'level' | 'forecast'> & {
  readonly forecast: (left: number) => string
}

function finish({ forecast, ...line }: Measured, warnAt: number): QuotaLine {
  const left = line.limit - line.used
  const level = left <= 0 ? 'error' : line.used >= line.limit * warnAt ? 'warning' : 'ok'
  return { ...line, left, level, forecast: forecast(Math.max(0, left)) }
}

/** What GetAccountSummary calls the quota. https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountSummary.html */
const SUMMARY_NAMES: Readonly<Partial<Record<IamQuotaName, string>>> = {
  'trust-policy-characters': 'AssumeRolePolicySizeQuota',
  roles: 'RolesQuota',
  'policies-per-role': 'AttachedPoliciesPerRoleQuota',
}

/** Service Quotas first; then what IAM itself says; then what AWS documents. */
function limitOf(
  { quotas, summary }: Pick<IamFacts, 'quotas' | 'summary'>,
  name: IamQuotaName,
): Limit {
  const reading = quotas[name]
  const told = summary[SUMMARY_NAMES[name] ?? '']
  if (reading.isLive || told === undefined) return limitOfReading(reading, QUOTA_CODES[name])
  return { limit: told, source: 'GetAccountSummary', isLive: true }
}

const limitOfReading = ({ isLive, value }: QuotaReading, code: string): Limit => ({
  limit: value,
  source: isLive ? `Service Quotas ${code}` : SOURCE_DOCUMENTED,
  isLive,
})

const documented = (limit: number): Limit => ({ limit, source: SOURCE_DOCUMENTED, isLive: false })

function accountLines(iam: IamFacts, scope: string): readonly Measured[] {
  return [
    {
      quota: 'oidc-providers',
      scope,
      used: iam.providers,
      ...limitOf(iam, 'oidc-providers'),
      forecast: (left) =>
        `${count(left, 'cluster')} with IRSA left in this account: one provider each, a fleet issuer one for all`,
    },
    {
      quota: 'roles',
      scope,
      used: iam.roles.length,
      ...limitOf(iam, 'roles'),
      forecast: (left) => `${count(left, 'more role')} in this account`,
    },
  ]
}

const count = (many: number, what: string): string => `${many} ${what}${many === 1 ? '' : 's'}`

function eksLines({ clusterNames, clusters, quota }: EksFacts, scope: string): readonly Measured[] {
  return [
    {
      quota: 'clusters',
      scope,
      used: clusterNames.length,
      ...limitOfReading(quota, QUOTA_CODES.clusters),
      forecast: (left) => `${count(left, 'more EKS cluster')} in this region`,
    },
    ...clusters.flatMap(clusterLines),
  ]
}

function clusterLines(cluster: QuotaCluster): readonly Measured[] {
  const { accessEntries, associations, name } = cluster
  const scope = `cluster ${name}`
  const sizes = associations.map((one) => ({ one, bytes: sessionBytes(cluster, one) }))
  const [largest] = sizes.toSorted((a, b) => b.bytes - a.bytes)
  return [
    {
      quota: 'associations',
      scope,
      used: associations.length,
      ...documented(DOCUMENTED.associations),
      forecast: (left) =>
        `${count(left, 'more service account')} with Pod Identity on this cluster`,
    },
    {
      quota: 'access-entries',
      scope,
      used: accessEntries,
      ...documented(DOCUMENTED.accessEntries),
      forecast: (left) => `${count(left, 'more IAM principal')} with access to this cluster`,
    },
    ...(largest === undefined
      ? []
      : [
          {
            quota: 'session-token-bytes' as const,
            scope,
            used: largest.bytes,
            ...documented(DOCUMENTED.sessionTokenBytes),
            forecast: (left: number) =>
              `${left} bytes left beside tags and session policy of ${largest.one.namespace}/${largest.one.serviceAccount}, the largest; AWS packs them and says the truth as SessionTokenUtilization`,
          },
        ]),
  ]
}

/** Roles that no workload can take by a way that podrole knows are counted, and not measured. */
function roleLines(iam: IamFacts, role: QuotaRole): readonly Measured[] {
  const subjects = subjectsOf(role.trustPolicy)
  if (subjects === undefined) return []
  const scope = `role ${role.name}`
  const limit = limitOf(iam, 'trust-policy-characters')
  const longest =
    subjects.length === 0 ? USUAL_SUBJECT : Math.max(...subjects.map(({ length }) => length))
  const room = trustRoom(role.trustPolicy, { quota: limit.limit, valueCharacters: longest })
  return [
    {
      quota: 'trust-policy-characters',
      scope,
      used: room.characters,
      ...limit,
      forecast: () =>
        `${count(room.moreServiceAccounts, 'more service account')} on this role, at ${longest} characters each`,
    },
    {
      quota: 'policies-per-role',
      scope,
      used: role.policies,
      ...limitOf(iam, 'policies-per-role'),
      forecast: (left) => `${left} more managed ${left === 1 ? 'policy' : 'policies'}`,
    },
  ]
}

/** Characters to reckon with where the policy lists nobody: `system:serviceaccount:` and 20 more. */
const USUAL_SUBJECT = 42

/** What lists of service accounts hold; undefined where the policy trusts neither issuer nor EKS. */
function subjectsOf(trustPolicy: string): readonly string[] | undefined {
  const statements = statementsOf(trustPolicy)
  const isForWorkloads = statements.some(({ principals = [] }) =>
    principals.some(
      ({ type, value }) =>
        (type === 'Federated' && value.includes(':oidc-provider/')) ||
        (type === 'Service' && value === POD_IDENTITY_SERVICE),
    ),
  )
  if (!isForWorkloads) return undefined
  return statements
    .flatMap(({ conditions }) => conditions)
    .filter(({ key }) => /:sub$|\/kubernetes-service-account$/i.test(key))
    .flatMap(({ values }) => values)
}

function statementsOf(trustPolicy: string): ReturnType<typeof parsePolicy>['statements'] {
  try {
    return parsePolicy(trustPolicy, 'trust').statements
  } catch {
    return []
  }
}

/** Requests that a trust policy may admit or just not: what a proof by the evaluator asks. */
import { conditionHolds } from '../condition.ts'
import { lookUpContext } from '../context-lookup.ts'
import { authorizeTrust } from '../evaluate.ts'
import { isWild } from '../trust-statements.ts'
import { parsePolicy } from '../policy.ts'
import { coversText } from './pattern-cover.ts'
import type { PolicyCondition, PolicyDocument, PolicyStatement } from '../policy-document.ts'
import type { Caller } from '../request.ts'

/** One request of STS as a trust policy sees it. */
export interface Probe {
  readonly caller: Caller
  readonly action: string
  readonly context: Readonly<Record<string, string>>
}

const ACTIONS = [
  'sts:AssumeRole',
  'sts:AssumeRoleWithWebIdentity',
  'sts:SetSourceIdentity',
  'sts:TagSession',
] as const

const MISS = 'podrole-near-miss'
/** What stands for the star of a pattern. */
const WITNESSES = ['', 'x', 'q7.podrole'] as const
/** How many combinations of values are asked in full, for each caller. */
const MAX_PRODUCT = 600
/** How many pairs of changed keys are asked for each statement beyond that. */
const MAX_PAIRS = 36

/** Whether the policy admits the request: an Allow that matches, and no Deny that does. */
export function admits(document: PolicyDocument, { action, caller, context }: Probe): boolean {
  const accountId = callerAccount(caller)
  const request = { caller, action, context, resource: '*', resourceAccountId: accountId }
  return authorizeTrust(request, { name: 'trust', document }, { identity: [] }).allowed
}

/** A provider serves roles of its own account alone. */
const callerAccount = (caller: Caller): string =>
  caller.kind === 'web-identity' ? (caller.provider.split(':', 5)[4] ?? '') : '000000000000'

/** Whether requests can be made up that a statement, alone in a policy, admits. */
export function membersAdmitted(statement: string, version: string | undefined): boolean {
  const head = version === undefined ? '' : `"Version":${JSON.stringify(version)},`
  const document = parsePolicy(`{${head}"Statement":${statement}}`, 'trust')
  const [read] = document.statements
  if (read === undefined) return false
  return callersOf(document).some((caller) => {
    const contexts = membersOf(read, poolsOf(document, caller), document.version)
    return contexts.some((context) =>
      ACTIONS.some((action) => admits(document, { caller, action, context })),
    )
  })
}

/**
 * Members of every statement, and near misses: another caller, another action, a value cut, grown,
 * in other case or of another statement, and a key that is absent. All combinations of them where
 * they are few, else those that differ from a member in one key or in two.
 */
export function probesOf(documents: readonly PolicyDocument[]): readonly Probe[] {
  const [first] = documents
  if (first === undefined) return []
  const statements = documents.flatMap((document) => document.statements)
  const all = { ...first, statements }
  return callersOf(all).flatMap((caller) => {
    const pools = poolsOf(all, caller)
    const size = [...pools.values()].reduce((product, { length }) => product * length, 1)
    const contexts =
      size <= MAX_PRODUCT
        ? productOf([...pools])
        : statements.flatMap((one) => nearMembers(one, pools, first.version))
    const different = new Map(contexts.map((context) => [JSON.stringify(context), context]))
    return actionsOf(all).flatMap((action) =>
      [...different.values()].map((context) => ({ caller, action, context })),
    )
  })
}

/** Those that a statement speaks of, and one of which none does. */
function actionsOf({ statements }: PolicyDocument): readonly string[] {
  const named = ACTIONS.filter((action) =>
    statements.some(
      ({ actions, notActions }) =>
        notActions !== undefined ||
        actions?.some((one) => coversText(one.toLowerCase(), action.toLowerCase())) === true,
    ),
  )
  return [...named, ...ACTIONS.filter((action) => !named.includes(action)).slice(0, 1)]
}

type Context = Record<string, string>
/** For each key the values to ask with; undefined where it is absent. */
type Pools = ReadonlyMap<string, readonly (string | undefined)[]>

function callersOf({ statements }: PolicyDocument): readonly Caller[] {
  const named = statements.flatMap(({ principals = [] }) => principals)
  const valuesOf = (type: string): readonly string[] => [
    ...new Set(named.filter((one) => one.type === type).map(({ value }) => value)),
  ]
  const providers = valuesOf('Federated')
  const [known] = providers
  const services = valuesOf('Service')
  return [
    ...[...providers, ...(known === undefined ? [] : [`${known}x`])].map((provider): Caller => ({
      kind: 'web-identity',
      provider,
    })),
    ...[...services, ...(services.length === 0 ? [] : ['ec2.amazonaws.com'])].map(
      (service): Caller => ({ kind: 'service', service }),
    ),
  ]
}

function poolsOf(document: PolicyDocument, caller: Caller): Pools {
  const named = document.statements.filter((statement) => mayName(statement, caller))
  // A stranger is asked about with what opens the role to those who are known.
  const asked = named.length === 0 ? document.statements : named
  const pools = new Map<string, Set<string | undefined>>()
  for (const condition of asked.flatMap(({ conditions }) => conditions)) {
    const key = condition.key.toLowerCase()
    const pool = pools.get(key) ?? new Set([undefined, MISS])
    for (const value of condition.values.flatMap((one) => valuesFor(condition, one)))
      pool.add(value)
    pools.set(key, pool)
  }
  return new Map([...pools].map(([key, pool]) => [key, [...pool]]))
}

const mayName = ({ principals = [] }: PolicyStatement, caller: Caller): boolean =>
  principals.some(
    ({ type, value }) =>
      value === '*' ||
      (type === 'Federated' && caller.kind === 'web-identity' && value === caller.provider) ||
      (type === 'Service' && caller.kind === 'service' && value === caller.service),
  )

/** What a condition may be met with, and what it may be just not met with. */
function valuesFor({ operator }: PolicyCondition, value: string): readonly string[] {
  const { base } = operator
  if (base === 'Bool') return ['true', 'false']
  if (base === 'Null') return ['x']
  if (base.startsWith('Numeric'))
    return [value, String(Number(value) - 1), String(Number(value) + 1)]
  if (base.startsWith('Date')) return [value, '1971-01-01T00:00:00Z', '2999-01-01T00:00:00Z']
  if (base === 'IpAddress' || base === 'NotIpAddress') {
    return [value.replace(/\/.*$/, ''), '203.0.113.77', '2001:db8::77']
  }
  const texts = isWild(value)
    ? [value, ...WITNESSES.map((one) => value.replaceAll('*', one).replaceAll('?', 'y'))]
    : [value]
  return texts.flatMap((text) => [text, ...(text === '' ? [] : nearMisses(text))])
}

function nearMisses(text: string): readonly string[] {
  const upper = text.toUpperCase()
  return [`${text}x`, text.slice(0, -1), ...(upper === text ? [] : [upper])]
}

function productOf(
  pools: readonly (readonly [string, readonly (string | undefined)[]])[],
): Context[] {
  return pools.reduce<Context[]>(
    (contexts, [key, pool]) =>
      contexts.flatMap((context) => pool.map((value) => withValue(context, key, value))),
    [{}],
  )
}

function withValue(context: Context, key: string, value: string | undefined): Context {
  const { [key]: _before, ...others } = context
  return value === undefined ? others : { ...others, [key]: value }
}

/** Contexts under which the statement's conditions all hold: its first, and each value once. */
function membersOf(
  { conditions }: PolicyStatement,
  pools: Pools,
  version: PolicyDocument['version'],
): readonly Context[] {
  const holding = [...pools].map(([key, pool]) => {
    const asked = conditions.filter((condition) => condition.key.toLowerCase() === key)
    const values = pool.filter((value) => {
      const context = lookUpContext(withValue({}, key, value))
      return asked.every((condition) => conditionHolds(condition, context, version))
    })
    return { key, values }
  })
  if (holding.some(({ values }) => values.length === 0)) return []
  const first = holding.reduce<Context>(
    (context, { key, values }) => withValue(context, key, values[0]),
    {},
  )
  return [
    first,
    ...holding.flatMap(({ key, values }) => values.map((value) => withValue(first, key, value))),
  ]
}

function nearMembers(
  statement: PolicyStatement,
  pools: Pools,
  version: PolicyDocument['version'],
): readonly Context[] {
  const members = membersOf(statement, pools, version)
  const [first] = members
  if (first === undefined) return []
  const keys = [...pools]
  const one = keys.flatMap(([key, pool]) => pool.map((value) => withValue(first, key, value)))
  const two = keys.flatMap(([key, pool], at) =>
    keys
      .slice(at + 1)
      .flatMap(([other, others]) =>
        evenly(pool).flatMap((value) =>
          evenly(others).map((far) => withValue(withValue(first, key, value), other, far)),
        ),
      ),
  )
  return [...members, ...one, ...two]
}

/** Some of them, from the first to the last. */
function evenly<T>(values: readonly T[]): readonly T[] {
  const step = Math.max(1, Math.ceil(values.length / Math.sqrt(MAX_PAIRS)))
  return values.filter((_, at) => at % step === 0)
}

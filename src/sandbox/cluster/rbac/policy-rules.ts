import type { AccessAttributes } from '../authorization.ts'
import { listAt } from '../objects.ts'

/** A rule of a role: rbac.authorization.k8s.io/v1 PolicyRule. */
export interface PolicyRule {
  readonly verbs: readonly string[]
  readonly apiGroups?: readonly string[]
  readonly resources?: readonly string[]
  readonly resourceNames?: readonly string[]
  readonly nonResourceURLs?: readonly string[]
}

const LISTS = ['apiGroups', 'resources', 'resourceNames', 'nonResourceURLs'] as const

/** The rules that a stored role holds. */
export function rulesOf(role: unknown): PolicyRule[] {
  return listAt(role, 'rules').map((rule) => {
    const read = (field: string): string[] => listAt(rule, field).map(String)
    const lists = LISTS.map((field) => [field, read(field)] as const)
    return {
      verbs: read('verbs'),
      ...Object.fromEntries(lists.filter(([, values]) => values.length > 0)),
    }
  })
}

/**
 * Rules from the short form of the data files: `[verbs, paths]`, `[verbs, groups, resources]` or
 * `[verbs, groups, resources, names]`, each a list with spaces between; `core` is the group without
 * a name.
 */
export function parseRules(rows: readonly (readonly string[])[]): PolicyRule[] {
  return rows.map((row) => {
    const [verbs = [], second = [], resources, resourceNames] = row.map((words) => words.split(' '))
    if (resources === undefined) return { verbs, nonResourceURLs: second }
    const apiGroups = second.map((group) => (group === 'core' ? '' : group))
    return { verbs, apiGroups, resources, ...(resourceNames && { resourceNames }) }
  })
}

/** Whether a rule allows what is asked by RBAC's own matching. */
export function ruleAllows(rule: PolicyRule, { verb, resource, path }: AccessAttributes): boolean {
  if (!has(rule.verbs, verb)) return false
  if (resource === undefined) {
    return (rule.nonResourceURLs ?? []).some((pattern) => matchesPath(pattern, path ?? ''))
  }
  const { plural, subresource, name = '' } = resource
  const full = subresource === undefined ? plural : `${plural}/${subresource}`
  const names = rule.resourceNames ?? []
  return (
    has(rule.apiGroups, resource.group) &&
    (has(rule.resources, full) ||
      (subresource !== undefined && rule.resources?.includes(`*/${subresource}`) === true)) &&
    (names.length === 0 || names.includes(name))
  )
}

const has = (list: readonly string[] | undefined, wanted: string): boolean =>
  list !== undefined && (list.includes('*') || list.includes(wanted))

const matchesPath = (pattern: string, path: string): boolean =>
  pattern === '*' ||
  pattern === path ||
  (pattern.endsWith('*') && path.startsWith(pattern.replace(/\*+$/, '')))

/** More single rights than this are never compared: who asks for so many is refused. */
const SINGLE_RULES_MAX = 20_000

/**
 * The rights of `wanted` that nothing in `owned` covers, as compact rules; undefined where there
 * are too many to compare.
 */
export function uncovered(
  owned: readonly PolicyRule[],
  wanted: readonly PolicyRule[],
): PolicyRule[] | undefined {
  const count = wanted.reduce((sum, rule) => sum + singleCount(rule), 0)
  if (count > SINGLE_RULES_MAX) return undefined
  const missing = wanted
    .flatMap(splitRule)
    .filter((single) => !owned.some((rule) => ruleCovers(rule, single)))
  return compact(missing)
}

const orOne = (list: readonly unknown[] | undefined): number => Math.max(1, list?.length ?? 0)

function singleCount(rule: PolicyRule): number {
  const paths = (rule.nonResourceURLs?.length ?? 0) * rule.verbs.length
  const resources =
    (rule.apiGroups?.length ?? 0) * (rule.resources?.length ?? 0) * orOne(rule.resourceNames)
  return paths + resources * rule.verbs.length
}

/** Rules of one group, one resource, one verb and at most one name, or of one path and verb. */
function splitRule(rule: PolicyRule): PolicyRule[] {
  const singles: PolicyRule[] = []
  for (const group of rule.apiGroups ?? []) {
    for (const resource of rule.resources ?? []) {
      for (const verb of rule.verbs) {
        const single = { apiGroups: [group], resources: [resource], verbs: [verb] }
        const names = rule.resourceNames ?? []
        if (names.length === 0) singles.push(single)
        for (const name of names) singles.push({ ...single, resourceNames: [name] })
      }
    }
  }
  for (const path of rule.nonResourceURLs ?? []) {
    for (const verb of rule.verbs) singles.push({ nonResourceURLs: [path], verbs: [verb] })
  }
  return singles
}

function ruleCovers(owner: PolicyRule, single: PolicyRule): boolean {
  if (!coversAll(owner.verbs, single.verbs)) return false
  const [path] = single.nonResourceURLs ?? []
  if (path !== undefined) {
    return (owner.nonResourceURLs ?? []).some((pattern) => matchesPath(pattern, path))
  }
  const [resource = ''] = single.resources ?? []
  const slash = resource.indexOf('/')
  const names = owner.resourceNames ?? []
  return (
    coversAll(owner.apiGroups, single.apiGroups ?? []) &&
    (has(owner.resources, resource) ||
      (slash >= 0 && owner.resources?.includes(`*${resource.slice(slash)}`) === true)) &&
    (names.length === 0 ||
      (single.resourceNames !== undefined && coversAll(names, single.resourceNames, false)))
  )
}

function coversAll(
  owned: readonly string[] | undefined,
  wanted: readonly string[],
  hasWildcard = true,
): boolean {
  if (owned === undefined) return false
  return (hasWildcard && owned.includes('*')) || wanted.every((value) => owned.includes(value))
}

/** One rule for all verbs of the same group, resource and name. */
function compact(singles: readonly PolicyRule[]): PolicyRule[] {
  const byTarget = new Map<string, PolicyRule>()
  for (const single of singles) {
    const { apiGroups, resources, resourceNames, nonResourceURLs } = single
    const key = JSON.stringify([apiGroups, resources, resourceNames, nonResourceURLs])
    const known = byTarget.get(key)
    const isSimple = nonResourceURLs === undefined
    if (known === undefined) byTarget.set(isSimple ? key : key + single.verbs.join(), single)
    else byTarget.set(key, { ...known, verbs: [...new Set([...known.verbs, ...single.verbs])] })
  }
  return [...byTarget.values()]
}

/** Go's `%q` of a list of strings. */
export const quoteList = (values: readonly string[]): string =>
  `[${values.map((value) => JSON.stringify(value)).join(' ')}]`

/** A rule on one line, as messages of kube-apiserver show it. */
export function describeRule(rule: PolicyRule): string {
  const fields = [
    ['APIGroups', rule.apiGroups],
    ['Resources', rule.resources],
    ['NonResourceURLs', rule.nonResourceURLs],
    ['ResourceNames', rule.resourceNames],
    ['Verbs', rule.verbs],
  ] as const
  const shown = fields.flatMap(([name, values]) =>
    values === undefined || values.length === 0 ? [] : [`${name}:${quoteList(values)}`],
  )
  return `{${shown.join(', ')}}`
}

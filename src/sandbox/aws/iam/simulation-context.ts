import type { PolicyStatement } from '../../../iam/policy-document.ts'
import { documentOf } from '../identity/policies.ts'
import type { Constraints } from '../wire/constraints.ts'
import type { QueryParameters } from '../wire/query.ts'

const TYPES = ['string', 'numeric', 'boolean', 'ip', 'binary', 'date'].flatMap((type) => [
  type,
  `${type}List`,
])
const MAX_ENTRIES = 500

/** `ContextEntries.member.N.ContextKeyName|ContextKeyType|ContextKeyValues.member.M`. */
export function readContext(
  parameters: QueryParameters,
  constraints: Constraints,
): Readonly<Record<string, string | readonly string[]>> {
  const context: Record<string, string | readonly string[]> = {}
  for (let index = 1; index <= MAX_ENTRIES; index += 1) {
    const member = `ContextEntries.member.${index}`
    const name = parameters.get(`${member}.ContextKeyName`)
    const type = parameters.get(`${member}.ContextKeyType`)
    const values = parameters.list(`${member}.ContextKeyValues`)
    if (name === undefined && type === undefined && values.length === 0) break
    const at = `contextEntries.${index}.member`
    constraints.text(`${at}.contextKeyName`, name, { required: true, min: 5, max: 256 })
    constraints.text(`${at}.contextKeyType`, type, { required: true, oneOf: TYPES })
    context[name ?? ''] = type?.endsWith('List') === true ? values : (values[0] ?? '')
  }
  return context
}

const VARIABLE = /\$\{([^{}',*?$]+)(?:,\s*'[^']*'\s*)?\}/g

/** The context keys that a policy (or one statement of it) names, variables' too. */
export function contextKeysOf(text: string, type: string, statement?: number): readonly string[] {
  const document = documentOf(text, type === 'resource' ? 'resource' : 'identity')
  const chosen =
    statement === undefined ? document.statements : document.statements.slice(statement).slice(0, 1)
  const hasVariables = document.version === '2012-10-17'
  return [...new Set(chosen.flatMap((one) => keysOf(one, hasVariables)))]
}

function keysOf(statement: PolicyStatement, hasVariables: boolean): readonly string[] {
  const keys = statement.conditions.map(({ key }) => key)
  if (!hasVariables) return keys
  const texts = [
    ...(statement.resources ?? statement.notResources ?? []),
    ...statement.conditions.flatMap(({ values }) => values),
  ]
  const named = texts.flatMap((text) =>
    [...text.matchAll(VARIABLE)].map(([, name]) => (name ?? '').trim()),
  )
  return [...keys, ...named]
}

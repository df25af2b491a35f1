import { authorizeTrust } from './evaluate.ts'
import type { JsonNode } from './json-document.ts'
import { formatJsonDocument } from './json-text.ts'
import { parsePolicy } from './policy.ts'
import type { PolicyDocument } from './policy-document.ts'
import type { ContextKeys } from './request.ts'
import type { GrantedEntry, GrantedStatement } from './trust-grant.ts'
import type { TrustText } from './trust-statements.ts'
import { memberOf, statementName } from './trust-statements.ts'

/** The statements that let one entry of a grant in, and those that keep it out, by name. */
export interface Admission {
  readonly allowedBy: readonly string[]
  readonly deniedBy: readonly string[]
}

/** What stands for the `*` of a pattern: a policy that admits all of them admits the pattern. */
const WITNESSES = ['', 'x', 'q7.podrole-witness'] as const

/**
 * Tells what the policy's statements say to an entry of the grant, each judged alone by the
 * evaluator. An entry is allowed where every action that the way needs is, for each text that its
 * pattern stands for. A statement whose conditions ask for more than a grant knows (an address, a
 * time, a session name) is not counted, nor is one that IAM would not take.
 */
export function admissionOf(
  policy: TrustText,
  granted: GrantedStatement,
): (entry: GrantedEntry) => Admission {
  const known = new Set(
    granted.entries.flatMap(({ context }) => Object.keys(context).map((key) => key.toLowerCase())),
  )
  const readable = policy.statements.flatMap((statement, at) => {
    const document = readAlone(policy, statement)
    const [read] = document?.statements ?? []
    if (document === undefined || read === undefined) return []
    if (!read.conditions.every(({ key }) => known.has(key.toLowerCase()))) return []
    return [{ name: statementName(statement, at), effect: read.effect, document }]
  })
  return (entry) => {
    const contexts = contextsOf(entry.context)
    const asked = granted.actions.flatMap((action) =>
      contexts.map((context) =>
        readable.filter(({ document }) => isMatched(document, granted, { action, context })),
      ),
    )
    const allows = asked.map((found) => found.filter(({ effect }) => effect === 'Allow'))
    const denies = asked.flatMap((found) => found.filter(({ effect }) => effect === 'Deny'))
    return {
      allowedBy: allows.every((found) => found.length > 0) ? namesOf(allows.flat()) : [],
      deniedBy: namesOf(denies),
    }
  }
}

const namesOf = (found: readonly { readonly name: string }[]): readonly string[] => [
  ...new Set(found.map(({ name }) => name)),
]

function readAlone(policy: TrustText, statement: JsonNode): PolicyDocument | undefined {
  const version = memberOf(policy.root, 'Version')
  const members = [
    ...(version === undefined ? [] : [{ key: 'Version', value: version }]),
    { key: 'Statement', value: statement },
  ]
  try {
    return parsePolicy(formatJsonDocument({ kind: 'object', members }), 'trust')
  } catch {
    return undefined
  }
}

function contextsOf(context: ContextKeys): readonly ContextKeys[] {
  const isPattern = Object.values(context).some((value) => String(value).includes('*'))
  if (!isPattern) return [context]
  return WITNESSES.map((witness) =>
    Object.fromEntries(
      Object.entries(context).map(([key, value]) => [
        key,
        typeof value === 'string' ? value.replaceAll('*', witness) : value,
      ]),
    ),
  )
}

function isMatched(
  document: PolicyDocument,
  { accountId, caller }: GrantedStatement,
  asked: { readonly action: string; readonly context: ContextKeys },
): boolean {
  const request = { caller, ...asked, resource: '*', resourceAccountId: accountId }
  const { statements } = authorizeTrust(request, { name: 'trust', document }, { identity: [] })
  return statements.some(({ matched }) => matched)
}

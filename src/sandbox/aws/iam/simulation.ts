/**
 * The policy simulator: what the evaluator says to requests that nobody made. Source: IAM API
 * Reference, SimulatePrincipalPolicy, SimulateCustomPolicy, GetContextKeysForPrincipalPolicy.
 */
import { authorize as decide, type Decision, type Policies } from '../../../iam/evaluate.ts'
import type { PolicyKind } from '../../../iam/policy-document.ts'
import { principalContext } from '../../../iam/principal.ts'
import type { Caller } from '../../../iam/request.ts'
import { authorize } from '../identity/authorization.ts'
import { documentOf, organizationSources } from '../identity/policies.ts'
import type { QueryOperations, ResultMembers } from '../wire/call-table.ts'
import { Constraints } from '../wire/constraints.ts'
import { pageOf } from '../wire/pages.ts'
import type { QueryParameters } from '../wire/query.ts'
import type { Node } from '../wire/xml.ts'
import { accountOf, type Call } from '../world.ts'
import { invalidInput, readDocument } from './faults.ts'
import { DOCUMENT } from './shapes.ts'
import { contextKeysOf, readContext } from './simulation-context.ts'
import { readPrincipalSource, type SimulatedPolicy, userOfArn } from './simulation-sources.ts'
import { statementPositions } from './statement-positions.ts'
import { pageMembers, readPage } from './tags.ts'

const ACTION_NAME = { required: true, min: 3, max: 128 }
const RESOURCE_NAME = { required: true, min: 1, max: 2048 }
const MAX_QUESTIONS = 1000

/** What the operations of the simulator have in common. */
interface Question {
  readonly actions: readonly string[]
  readonly resources: readonly string[]
  readonly extra: readonly SimulatedPolicy[]
  readonly boundary: readonly SimulatedPolicy[]
  readonly resourcePolicy: SimulatedPolicy | undefined
  readonly callerArn: string | undefined
  readonly ownerId: string | undefined
  readonly context: Readonly<Record<string, string | readonly string[]>>
  readonly ask: ReturnType<typeof readPage>
}

function readQuestion(
  parameters: QueryParameters,
  constraints: Constraints,
  needsPolicies: boolean,
): Question {
  const actions = parameters.list('ActionNames')
  if (actions.length === 0) constraints.text('actionNames', undefined, { required: true })
  actions.forEach((one, index) => {
    constraints.text(`actionNames.${index + 1}.member`, one, ACTION_NAME)
  })
  const given = parameters.list('ResourceArns')
  given.forEach((one, index) => {
    constraints.text(`resourceArns.${index + 1}.member`, one, RESOURCE_NAME)
  })
  const extra = readPolicies(parameters, constraints, 'PolicyInputList')
  if (needsPolicies && extra.length === 0) {
    constraints.text('policyInputList', undefined, { required: true })
  }
  const boundary = readPolicies(parameters, constraints, 'PermissionsBoundaryPolicyInputList')
  const text = parameters.get('ResourcePolicy')
  constraints.text('resourcePolicy', text, { ...DOCUMENT, required: false })
  const context = readContext(parameters, constraints)
  const ask = readPage(parameters, constraints)
  constraints.check()
  for (const { text: document } of [...extra, ...boundary]) readInput(document, 'identity')
  if (text !== undefined) readInput(text, 'resource')
  if (actions.length * given.length > MAX_QUESTIONS) {
    throw invalidInput(`At most ${MAX_QUESTIONS} actions and resources are simulated in one call.`)
  }
  for (const action of actions) {
    if (!/^[a-z0-9-]+:\w+$/i.test(action)) throw invalidInput(`Invalid Action Name: ${action}`)
  }
  const resourcePolicy = text === undefined ? undefined : inputPolicy('ResourcePolicy', text)
  return {
    actions,
    resources: given.length === 0 ? ['*'] : given,
    extra,
    boundary,
    resourcePolicy: resourcePolicy && { ...resourcePolicy, type: 'resource' },
    callerArn: parameters.get('CallerArn'),
    ownerId: /^arn:[a-z0-9-]+:iam::(\d{12}):/.exec(parameters.get('ResourceOwner') ?? '')?.[1],
    context,
    ask,
  }
}

const inputPolicy = (name: string, text: string): SimulatedPolicy => ({ name, text, type: 'none' })

function readPolicies(
  parameters: QueryParameters,
  constraints: Constraints,
  list: string,
): readonly SimulatedPolicy[] {
  const at = list.slice(0, 1).toLowerCase() + list.slice(1)
  return parameters.list(list).map((text, index) => {
    constraints.text(`${at}.${index + 1}.member`, text, DOCUMENT)
    return inputPolicy(`${list}.${index + 1}`, text)
  })
}

function readInput(text: string, kind: PolicyKind): void {
  try {
    readDocument(text, kind)
  } catch (error) {
    throw invalidInput(error instanceof Error ? error.message : 'Invalid policy document')
  }
}

/** Who is simulated, and with which policies. */
interface Subject {
  readonly caller: Caller
  readonly accountId: string
  readonly policies: readonly SimulatedPolicy[]
  readonly boundary: readonly SimulatedPolicy[]
  readonly isLimited: boolean
  readonly tags: Readonly<Record<string, string>>
}

function simulate(call: Call, question: Question, subject: Subject): ResultMembers {
  const pairs = question.actions.flatMap((action) =>
    question.resources.map((resource) => ({ action, resource })),
  )
  const numbered = pairs.map((pair, index) => ({ ...pair, key: String(index).padStart(6, '0') }))
  const page = pageOf(numbered, ({ key }) => key, question.ask)
  return {
    EvaluationResults: page.items.map((pair) => evaluationNode(call, question, subject, pair)),
    ...pageMembers(page.next),
  }
}

const sourceOf = (kind: PolicyKind) => (policy: SimulatedPolicy) => ({
  name: policy.name,
  document: documentOf(policy.text, kind),
})

function evaluationNode(
  call: Call,
  question: Question,
  subject: Subject,
  pair: { readonly action: string; readonly resource: string },
): Node {
  const { resourcePolicy } = question
  const [boundary] = question.boundary.length > 0 ? question.boundary : subject.boundary
  const organization = subject.isLimited
    ? organizationSources(call.world.tables, subject.accountId)
    : []
  const own = [...subject.policies, ...question.extra]
  const policies: Policies = {
    identity: own.map(sourceOf('identity')),
    ...(boundary !== undefined && { boundary: sourceOf('identity')(boundary) }),
    ...(organization.length > 0 && { organization }),
    ...(resourcePolicy !== undefined && { resource: sourceOf('resource')(resourcePolicy) }),
  }
  const tags = Object.entries(subject.tags).map(([name, value]) => [
    `aws:PrincipalTag/${name}`,
    value,
  ])
  const context = {
    ...principalContext(subject.caller),
    ...(Object.fromEntries(tags) as Record<string, string>),
    ...question.context,
  }
  const { action, resource } = pair
  const resourceAccountId = question.ownerId ?? subject.accountId
  const request = { caller: subject.caller, action, resource, resourceAccountId, context }
  const decision = decide(request, policies)
  const all = [...own, boundary, resourcePolicy].filter((one) => one !== undefined)
  return {
    EvalActionName: action,
    EvalResourceName: resource,
    EvalDecision: wordOf(decision),
    MatchedStatements: matchedNodes(decision, all),
    MissingContextValues: missingKeys(decision, all, context),
    ...(organization.length > 0 && {
      OrganizationsDecisionDetail: { AllowedByOrganizations: allowedBy(decision, 'organization') },
    }),
    ...(boundary !== undefined && {
      PermissionsBoundaryDecisionDetail: {
        AllowedByPermissionsBoundary: allowedBy(decision, 'boundary'),
      },
    }),
  }
}

function wordOf(decision: Decision): string {
  if (decision.allowed) return 'allowed'
  return decision.reason.startsWith('explicit-deny') ? 'explicitDeny' : 'implicitDeny'
}

/** Whether the policies of that use allow: one of them does, and none denies. */
function allowedBy(decision: Decision, use: 'boundary' | 'organization'): boolean {
  const matched = decision.statements.filter(
    (statement) => statement.policyUse === use && statement.matched,
  )
  const denied = matched.some(({ effect }) => effect === 'Deny')
  const names = new Set(
    decision.statements.filter(({ policyUse }) => policyUse === use).map(({ policy }) => policy),
  )
  const allowing = new Set(matched.map(({ policy }) => policy))
  return !denied && [...names].every((name) => allowing.has(name))
}

/** The statements that decided: those that deny where any does, else those that allow. */
function matchedNodes(decision: Decision, policies: readonly SimulatedPolicy[]): readonly Node[] {
  const matched = decision.statements.filter(
    ({ matched: isMatch, policyUse }) => isMatch && policyUse !== 'organization',
  )
  const denies = matched.some(({ effect }) => effect === 'Deny')
  const deciding = matched.filter(({ effect }) => (effect === 'Deny') === denies)
  return deciding.map((outcome) => {
    const policy = policies.find(({ name }) => name === outcome.policy)
    const index = policy === undefined ? 0 : indexOfStatement(policy.text, outcome.statement)
    const place = statementPositions(policy?.text ?? '')[index]
    return {
      SourcePolicyId: policy?.id ?? outcome.policy,
      SourcePolicyType: policy?.type ?? 'none',
      StartPosition: place?.start && { ...place.start },
      EndPosition: place?.end && { ...place.end },
    }
  })
}

function indexOfStatement(text: string, name: string): number {
  if (name.startsWith('#')) return Number(name.slice(1)) - 1
  const { statements } = documentOf(text, text.includes('"Principal"') ? 'resource' : 'identity')
  return statements.findIndex(({ sid }) => sid === name)
}

/** Keys that a statement asked for, about this action and resource, and the context has not. */
function missingKeys(
  decision: Decision,
  policies: readonly SimulatedPolicy[],
  context: Readonly<Record<string, unknown>>,
): readonly string[] {
  const known = new Set(Object.keys(context).map((key) => key.toLowerCase()))
  const missing = new Set<string>()
  for (const outcome of decision.statements) {
    if (!outcome.matched && outcome.mismatch?.reason !== 'condition') continue
    const policy = policies.find(({ name }) => name === outcome.policy)
    if (policy === undefined) continue
    const statement = indexOfStatement(policy.text, outcome.statement)
    for (const key of contextKeysOf(policy.text, policy.type, statement)) {
      if (!known.has(key.toLowerCase())) missing.add(key)
    }
  }
  return [...missing].toSorted()
}

function simulatePrincipal(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const arn = readSourceArn(parameters, constraints)
  const question = readQuestion(parameters, constraints, false)
  authorize(call, { action: 'iam:SimulatePrincipalPolicy', resource: arn })
  const source = readPrincipalSource(call, arn)
  const asCaller =
    question.callerArn === undefined ? undefined : userOfArn(call, question.callerArn)
  if (asCaller === undefined && source.caller.kind !== 'user' && question.resourcePolicy) {
    throw invalidInput('CallerArn is required where ResourcePolicy is given and no user is named.')
  }
  return simulate(call, question, {
    ...source,
    ...(asCaller !== undefined && { caller: asCaller }),
    accountId: accountOf(call),
    isLimited: true,
  })
}

const readSourceArn = (parameters: QueryParameters, constraints: Constraints): string =>
  constraints.text('policySourceArn', parameters.get('PolicySourceArn'), {
    required: true,
    min: 20,
    max: 2048,
  }) ?? ''

function simulateCustom(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const question = readQuestion(parameters, constraints, true)
  authorize(call, { action: 'iam:SimulateCustomPolicy', resource: '*' })
  const accountId = accountOf(call)
  const arn = `arn:${call.world.partition}:iam::${accountId}:user/simulated`
  const nobody = { kind: 'user', accountId, arn, userId: 'AIDASIMULATEDUSER0000' } as const
  const caller = question.callerArn === undefined ? nobody : userOfArn(call, question.callerArn)
  const subject = { caller, accountId, policies: [], boundary: [], isLimited: false, tags: {} }
  return simulate(call, question, subject)
}

function contextKeysForCustom(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const policies = readPolicies(parameters, constraints, 'PolicyInputList')
  if (policies.length === 0) constraints.text('policyInputList', undefined, { required: true })
  constraints.check()
  authorize(call, { action: 'iam:GetContextKeysForCustomPolicy', resource: '*' })
  return { ContextKeyNames: keyNames(policies) }
}

function contextKeysForPrincipal(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const arn = readSourceArn(parameters, constraints)
  const extra = readPolicies(parameters, constraints, 'PolicyInputList')
  constraints.check()
  authorize(call, { action: 'iam:GetContextKeysForPrincipalPolicy', resource: arn })
  return { ContextKeyNames: keyNames([...readPrincipalSource(call, arn).policies, ...extra]) }
}

function keyNames(policies: readonly SimulatedPolicy[]): readonly string[] {
  for (const { text } of policies) readInput(text, 'identity')
  return [...new Set(policies.flatMap(({ text, type }) => contextKeysOf(text, type)))].toSorted()
}

export const SIMULATION_OPERATIONS: QueryOperations = {
  SimulatePrincipalPolicy: simulatePrincipal,
  SimulateCustomPolicy: simulateCustom,
  GetContextKeysForPrincipalPolicy: contextKeysForPrincipal,
  GetContextKeysForCustomPolicy: contextKeysForCustom,
}

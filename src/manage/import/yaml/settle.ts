/** A config of what exists, with less and less in it until its plan has nothing to do. */
import { Document } from 'yaml'
import { PodroleError } from '../../../lib/errors.ts'
import { examineDesired } from '../../desired/read-desired.ts'
import { describeAction } from '../../plan/describe.ts'
import { makePlan } from '../../plan/make-plan.ts'
import type { ObservedCluster, ObservedState } from '../../plan/observed-state.ts'
import { blockOfTags, clusterOfTags } from '../../plan/ownership.ts'
import type { Plan, PlanAction } from '../../plan/plan.ts'
import { commentsOf, type Imported, type ImportScope } from '../imported.ts'
import type { ImportPlace } from '../wishes.ts'
import { Choices, type Entry, LIST_PATHS, type ListName } from './choices.ts'
import { type ClusterDocument, DocumentBuilder } from './cluster-document.ts'

export interface YamlInput {
  readonly clusters: readonly { readonly place: ImportPlace; readonly cluster: ObservedCluster }[]
  readonly observed: ObservedState
  readonly scope: ImportScope
}

interface Draft extends ClusterDocument {
  /** What the reader of documents calls it. */
  readonly source: string
  readonly cluster: ObservedCluster
  readonly text: string
}

/**
 * A document for each cluster; `podrole plan -f` of them has nothing to do. What would be planned,
 * refused or read as a fault is said with less: a role by its ARN, an item not at all, at last a
 * whole list not at all, each with the reason.
 * @throws PodroleError `NotImportable` where even that leaves something to do
 */
export function importYaml(input: YamlInput): Imported {
  const choices = new Choices()
  for (;;) {
    const drafts = draftsOf(input, choices)
    if (settle(drafts, input, choices)) {
      const leftOut = choices.leftOut()
      const head = [
        '# As it is: podrole plan -f of this file has nothing to do.',
        ...commentsOf(leftOut),
      ]
      const text = `${head.join('\n')}\n${drafts.map((draft) => draft.text).join('---\n')}`
      return { text, leftOut }
    }
  }
}

/** Building may choose too, and what one cluster chooses of a role holds for all. */
function draftsOf({ clusters, observed, scope }: YamlInput, choices: Choices): readonly Draft[] {
  const clusterArns = new Set(clusters.map(({ cluster }) => cluster.arn))
  for (;;) {
    const before = choices.count()
    const built = clusters.map(({ cluster, place }) => {
      const input = { place, cluster, observed, scope, clusterArns }
      return { ...new DocumentBuilder(input, choices).build(), cluster }
    })
    if (choices.count() > before) continue
    return built.map((one, at) => ({
      ...one,
      source: `cluster-${at}`,
      text: yamlOf(one.value),
    }))
  }
}

/** As YAML 1.1 too, which eksctl and kubectl read, so that `no` and `0x1` stay texts. */
function yamlOf(value: unknown): string {
  const document = new Document(value, { version: '1.1', aliasDuplicateObjects: false })
  return document.toString({ lineWidth: 0, directives: false })
}

/** Whether the plan is empty; else something more is left out. */
function settle(drafts: readonly Draft[], { observed }: YamlInput, choices: Choices): boolean {
  const { faults, state } = examineDesired(
    drafts.map(({ source, text }) => ({ name: source, text })),
  )
  const before = choices.count()
  for (const { message, path, source } of faults)
    leaveOut(drafts, choices, { source, path }, message)
  if (faults.length > 0) return mustHaveChosen(choices, before, faults[0]?.message)
  const plan = makePlan(state.clusters, observed)
  for (const { path = '', text } of plan.refusals) {
    const [source = '', at = ''] = path.split(': ')
    leaveOut(drafts, choices, { source, path: at }, text)
  }
  // What is refused stays out of the way of what would be done.
  if (plan.refusals.length > 0) return mustHaveChosen(choices, before, plan.refusals[0]?.text)
  for (const { action } of plan.steps) undo(drafts, choices, action, observed)
  if (plan.steps.length > 0) return mustHaveChosen(choices, before, firstOf(plan))
  return true
}

const firstOf = ({ steps: [first] }: Plan): string | undefined =>
  first === undefined ? undefined : describeAction(first.action).title

function mustHaveChosen(choices: Choices, before: number, what: string | undefined): false {
  if (choices.count() > before) return false
  throw new PodroleError('NotImportable', `what exists cannot be said as a file: ${what ?? ''}`, {
    hint: '--as terraform and --as ack say what is there without a plan of podrole.',
  })
}

const ITEM =
  /^(?:iam\.(?:serviceAccounts|podIdentityAssociations)|accessConfig\.accessEntries|addons)\[\d+\]/

function leaveOut(
  drafts: readonly Draft[],
  choices: Choices,
  at: { readonly source: string; readonly path: string },
  why: string,
): void {
  const told = why.replaceAll(/cluster-\d+: /g, '')
  const draft = drafts.find(({ source }) => source === at.source)
  if (draft === undefined) return
  const entry = draft.entries.get(ITEM.exec(at.path)?.[0] ?? '')
  if (entry !== undefined) {
    choices.demote(entry, told)
    return
  }
  const lists = Object.entries(LIST_PATHS) as [ListName, string][]
  const found = lists.filter(([, path]) => at.path.startsWith(path))
  const named = at.path.startsWith('iam.withOIDC') ? [['serviceAccounts', ''] as const] : found
  for (const [list] of named.length > 0 ? named : lists)
    choices.dropList(draft.cluster.arn, list, told)
}

/** Leaves out what makes a plan do that. */
function undo(
  drafts: readonly Draft[],
  choices: Choices,
  action: PlanAction,
  observed: ObservedState,
): void {
  const why = `a plan of it would ${titleOf(action)}`
  if (!('cluster' in action)) {
    undoInIam(drafts, choices, { action, why, observed })
    return
  }
  const draft = drafts.find(({ cluster }) => cluster.arn === action.cluster)
  if (draft === undefined) return
  const entry = entriesOf(draft, action)
  if (entry.length > 0) {
    for (const one of entry) demoteFor(choices, one, action, why)
    return
  }
  choices.dropList(draft.cluster.arn, listOf(action), why)
}

const WORDS = { '+': 'add', '-': 'remove', '~': 'change' } as const

function titleOf(action: PlanAction): string {
  const { sign, title } = describeAction(action)
  return `${WORDS[sign]} ${title}`
}

/** Steps that make a service account differ are first met by not asking for it. */
function demoteFor(choices: Choices, entry: Entry, action: PlanAction, why: string): void {
  const isKube = /service-account$|namespace$/.test(action.do)
  if (isKube && entry.list === 'associations' && !choices.unmade.has(entry.key)) {
    choices.unmade.set(entry.key, { what: `createServiceAccount of ${entry.what}`, why })
    return
  }
  choices.demote(entry, why)
}

function undoInIam(
  drafts: readonly Draft[],
  choices: Choices,
  {
    action,
    observed,
    why,
  }: { readonly action: PlanAction; readonly why: string; readonly observed: ObservedState },
): void {
  const name = roleOf(action)
  const role = observed.roles.find((one) => one.name === name)
  const entries = drafts.flatMap((draft) => [...draft.entries.values()])
  const writing = role === undefined ? [] : entries.filter(({ made }) => made.includes(role.arn))
  if (role !== undefined && writing.length > 0) {
    choices.name(role.arn, why)
    return
  }
  // A role that the list was made for and that nobody has: with the list it would go.
  const list = listOfBlock(blockOfTags(role?.tags ?? {}))
  for (const { cluster } of drafts) {
    const isOf = role === undefined || clusterOfTags(role.tags) === cluster.arn
    if (isOf) choices.dropList(cluster.arn, list, why)
  }
}

function roleOf(action: PlanAction): string | undefined {
  if (!('role' in action)) return undefined
  return typeof action.role === 'string' ? action.role : action.role.name
}

function listOfBlock(block: string | undefined): ListName {
  if (block === 'iam.podIdentityAssociations') return 'associations'
  if (block === 'accessConfig.accessEntries') return 'accessEntries'
  return block === 'addons' ? 'addons' : 'serviceAccounts'
}

type InCluster = Extract<PlanAction, { readonly cluster: string }>

/** The items that the action is about; none where the list as a whole brings it about. */
function entriesOf({ cluster, entries }: Draft, action: InCluster): readonly Entry[] {
  const all = [...entries.values()]
  const subjects = subjectsOf(cluster, action)
  return all.filter(({ key }) => subjects.some((one) => key === `${cluster.arn} ${one}`))
}

function subjectsOf(cluster: ObservedCluster, action: InCluster): readonly string[] {
  switch (action.do) {
    case 'create-association':
    case 'delete-association':
      return [`associations ${nameOf(action.association.serviceAccount)}`]
    case 'update-association':
      return [`associations ${nameOf(action.serviceAccount)}`]
    case 'create-access-entry':
    case 'delete-access-entry':
      return [`accessEntries ${action.entry.principalArn}`]
    case 'update-access-entry':
    case 'associate-access-policy':
    case 'disassociate-access-policy':
      return [`accessEntries ${action.principalArn}`]
    case 'create-addon':
    case 'delete-addon':
      return [`addons ${action.addon.name}`]
    case 'update-addon':
      return [`addons ${action.name}`]
    case 'create-service-account':
    case 'delete-service-account':
      return kubeSubjects(nameOf(action.object.serviceAccount))
    case 'patch-service-account':
      return kubeSubjects(nameOf(action.serviceAccount))
    case 'tag-resource':
    case 'untag-resource':
      return taggedSubjects(cluster, action.arn)
    case 'create-namespace':
    case 'delete-namespace':
    case 'update-authentication-mode':
    case 'enable-workload-identity':
    case 'disable-workload-identity':
      return []
    default:
      return action satisfies never
  }
}

const nameOf = ({
  name,
  namespace,
}: {
  readonly name: string
  readonly namespace: string
}): string => `${namespace}/${name}`

const kubeSubjects = (name: string): readonly string[] => [
  `serviceAccounts ${name}`,
  `associations ${name}`,
]

const taggedSubjects = (
  { accessEntries, addons, associations }: ObservedCluster,
  arn: string,
): readonly string[] => [
  ...associations
    .filter((one) => one.arn === arn)
    .map(({ serviceAccount }) => `associations ${nameOf(serviceAccount)}`),
  ...accessEntries
    .filter((one) => one.arn === arn)
    .map(({ principalArn }) => `accessEntries ${principalArn}`),
  ...addons.filter((one) => one.arn === arn).map(({ name }) => `addons ${name}`),
]

/** The list that brings the action about where no item does: what it does not name would go. */
function listOf(action: InCluster): ListName {
  if (action.do.endsWith('addon')) return 'addons'
  if (/access|authentication/.test(action.do)) return 'accessEntries'
  if (action.do.endsWith('association')) return 'associations'
  const annotations = 'object' in action ? action.object.annotations : {}
  return listOfBlock(blockOfTags(annotations))
}

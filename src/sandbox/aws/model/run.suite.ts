/** Runs a sequence of operations against a sandbox and the model, and tells where they part. */
import {
  type Answer,
  type Members,
  OK,
  type Operation,
  type Outcome,
  type Plain,
  textOf,
} from './operations.suite.ts'
import { stepModel } from './model.suite.ts'
import { pageFaults } from './pages.suite.ts'
import { ask, type Subject } from './wire.suite.ts'
import type { World } from './world.suite.ts'

/** A sandbox that is new, beside the model of it. */
export interface Pair {
  readonly subject: Subject
  readonly world: World
}

export interface Divergence {
  /** Of the operation that showed it; the last ones are the listings at the end. */
  readonly at: number
  readonly operation: Operation
  readonly answer: Answer
  readonly faults: readonly string[]
}

/** The first divergence, with everything listed and described at the end. */
export async function findDivergence(
  pair: Pair,
  operations: readonly Operation[],
  count: (operation: Operation, answer: Answer) => void = () => {},
): Promise<Divergence | undefined> {
  let at = 0
  for (const given of [...operations, 'end' as const]) {
    const steps = given === 'end' ? everything(pair.world) : [given]
    for (const step of steps) {
      const operation = resolve(pair.world, step)
      const answer = await ask(pair.subject, operation)
      const faults = compare(pair.world, operation, answer)
      if (faults.length > 0) return { at, operation, answer, faults }
      count(operation, answer)
    }
    at += 1
  }
  return undefined
}

function compare(world: World, operation: Operation, answer: Answer): readonly string[] {
  const newId = idIn(answer.members)
  const outcome = stepModel(world, operation, newId)
  if ('refused' in outcome) {
    if (outcome.refused.includes(answer.code)) return []
    return [`${answer.code} in place of ${outcome.refused.join(' or ')}`]
  }
  if (answer.code !== OK) return [`${answer.code} in place of ${OK}`]
  return [...idFaults(world, operation, newId), ...memberFaults(world, outcome, answer)]
}

function memberFaults(
  world: World,
  outcome: Exclude<Outcome, { readonly refused: readonly string[] }>,
  answer: Answer,
): readonly string[] {
  if ('page' in outcome) return pageFaults(world.walks, outcome.page, answer)
  if (Bun.deepEquals(withoutUndefined(answer.members), withoutUndefined(outcome.members), true)) {
    return []
  }
  return [`${JSON.stringify(answer.members)} in place of ${JSON.stringify(outcome.members)}`]
}

const withoutUndefined = (members: Members): Plain => JSON.parse(JSON.stringify(members)) as Plain

const ID_FORMS: Readonly<Record<string, RegExp>> = {
  CreateRole: /^AROA[A-Z0-9]{17}$/,
  CreateInstanceProfile: /^AIPA[A-Z0-9]{17}$/,
  CreatePodIdentityAssociation: /^a-[a-z0-9]{17}$/,
}

/** An id that was given out has its form and is new. */
function idFaults({ ids }: World, { name }: Operation, newId: string): readonly string[] {
  const form = ID_FORMS[name]
  if (form === undefined) return []
  const isNew = !ids.has(newId)
  ids.add(newId)
  return form.test(newId) && isNew ? [] : [`${newId} is no new id`]
}

function idIn({ Role, InstanceProfile, association }: Members): string {
  const made = (Role ?? InstanceProfile ?? association ?? {}) as Members
  return ['RoleId', 'InstanceProfileId', 'associationId'].map((name) => textOf(made, name)).join('')
}

/** Puts in what only a run knows: ids that were given out, tokens of pages. */
function resolve(world: World, operation: Operation): Operation {
  const { input } = operation
  const number = input['associationId'] ?? input['resourceArn']
  const id =
    typeof number === 'number'
      ? (world.associationIds[number % Math.max(1, world.associationIds.length)] ??
        'a-aaaaaaaaaaaaaaaaa')
      : undefined
  const account = `arn:aws:eks:${world.region}:${world.clusterAccount}`
  const named: Operation = {
    ...operation,
    input: {
      ...input,
      ...(id !== undefined && input['associationId'] !== undefined && { associationId: id }),
      ...(id !== undefined &&
        input['resourceArn'] !== undefined && {
          resourceArn: `${account}:podidentityassociation/blue/${id}`,
        }),
    },
  }
  return withToken(world, named)
}

/** NEXT becomes the token of the same list's last page; without one it is the first page. */
function withToken(world: World, operation: Operation): Operation {
  for (const name of ['Marker', 'nextToken']) {
    if (operation.input[name] !== 'NEXT') continue
    const first = { ...operation, input: { ...operation.input, [name]: undefined } }
    // Lists change nothing, so that the model may be asked which walk this is.
    const outcome = stepModel(world, first, '')
    const token = 'page' in outcome ? world.walks.get(outcome.page.walk)?.token : undefined
    return { ...first, input: { ...first.input, [name]: token } }
  }
  return operation
}

/** Lists and describes everything that there is. */
function* everything(world: World): Generator<Operation> {
  for (const [accountId, account] of world.accounts) {
    const iam = (name: string, input: Members): Operation => ({
      service: 'iam',
      name,
      accountId,
      input,
    })
    yield iam('ListRoles', { MaxItems: 1000 })
    yield iam('ListOpenIDConnectProviders', {})
    for (const { name } of account.roles.values()) {
      yield iam('GetRole', { RoleName: name })
      yield iam('ListAttachedRolePolicies', { RoleName: name })
      yield iam('ListRolePolicies', { RoleName: name })
    }
    for (const { name } of account.profiles.values()) {
      yield iam('GetInstanceProfile', { InstanceProfileName: name })
    }
    for (const { arn } of account.providers.values()) {
      yield iam('GetOpenIDConnectProvider', { OpenIDConnectProviderArn: arn })
    }
  }
  const eks = (name: string, input: Members): Operation => ({
    service: 'eks',
    name,
    accountId: world.clusterAccount,
    input,
  })
  for (const clusterName of world.clusters)
    yield eks('ListPodIdentityAssociations', { clusterName })
  for (const { id, clusterName } of world.associations.values()) {
    yield eks('DescribePodIdentityAssociation', { clusterName, associationId: id })
  }
}

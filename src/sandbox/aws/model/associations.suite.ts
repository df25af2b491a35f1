/** EKS Pod Identity associations as the model knows them. */
import {
  type Members,
  type Operation,
  type Outcome,
  type Plain,
  type PolicyText,
  textOf,
} from './operations.suite.ts'
import { keyAt, type Step } from './roles.suite.ts'
import { checkNumber, isMissing, isTag, withoutKeys } from './shapes.suite.ts'
import { tagKeysOf } from './tagging.suite.ts'
import {
  DONE,
  Faults,
  type PodAssociation,
  refused,
  roleByArn,
  type Tags,
  type World,
} from './world.suite.ts'

const WRONG = 'InvalidParameterException'
const NONE = 'ResourceNotFoundException'
const PODS = 'pods.eks.amazonaws.com'

const isLabel = (text: string, most: number): boolean =>
  text.length >= 1 && text.length <= most && /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(text)

/** A namespace is one DNS label, a service account a DNS subdomain. */
const isServiceAccount = (text: string): boolean =>
  text.length <= 253 && text.split('.').every((label) => isLabel(label, 253))

const ROLE_ARN = /^arn:aws:iam::(\d{12}):role\/(?:[\u0021-\u007E]+\/)?[\w+=,.@-]{1,64}$/

/** Arguments that create and update share, as they would be. */
type Wanted = Pick<
  PodAssociation,
  'roleArn' | 'targetRoleArn' | 'disableSessionTags' | 'policy'
> & { readonly policyText: PolicyText | undefined }

function checkWanted(world: World, faults: Faults, wanted: Wanted): void {
  faults.shape(ROLE_ARN.exec(wanted.roleArn)?.[1] !== world.clusterAccount)
  faults.shape(wanted.targetRoleArn !== undefined && !ROLE_ARN.test(wanted.targetRoleArn))
  // A session policy goes only with session tags off, and is no longer than any.
  faults.shape(wanted.policy !== undefined && !wanted.disableSessionTags)
  faults.shape((wanted.policy?.length ?? 0) > 2048)
  faults.shape(wanted.policyText?.isMalformed === true)
}

/** The role is there and trusts EKS Pod Identity, in whatever conditions. */
function checkRole(world: World, faults: Faults, wanted: Wanted): void {
  const actions = ['sts:AssumeRole', ...(wanted.disableSessionTags ? [] : ['sts:TagSession'])]
  const statements = roleByArn(world, wanted.roleArn)?.trust.statements ?? []
  const trusts = actions.every((action) =>
    statements.some(
      ({ effect, principal, actions: allowed }) =>
        effect === 'Allow' &&
        principal?.kind === 'Service' &&
        principal.values.includes(PODS) &&
        (allowed.includes(action) || allowed.includes('sts:*')),
    ),
  )
  faults.add(!trusts, WRONG)
}

export const externalIdOf = (world: World, one: PodAssociation): string | undefined =>
  one.targetRoleArn !== undefined && one.disableSessionTags
    ? `${world.region}/${world.clusterAccount}/${one.clusterName}/${one.namespace}/${one.serviceAccount}`
    : undefined

function wire(world: World, one: PodAssociation): Members {
  const externalId = externalIdOf(world, one)
  return {
    association: {
      associationId: one.id,
      associationArn: one.arn,
      clusterName: one.clusterName,
      namespace: one.namespace,
      serviceAccount: one.serviceAccount,
      roleArn: one.roleArn,
      disableSessionTags: one.disableSessionTags,
      ...(one.targetRoleArn !== undefined && { targetRoleArn: one.targetRoleArn }),
      ...(one.policy !== undefined && { policy: one.policy }),
      ...(externalId !== undefined && { externalId }),
      tags: Object.fromEntries(one.tags),
      createdAt: one.createdSeconds,
      modifiedAt: one.modifiedSeconds,
    },
  }
}

const optionalText = (input: Members, name: string): string | undefined =>
  textOf(input, name) === '' ? undefined : textOf(input, name)

const policyOf = (input: Members): PolicyText | undefined =>
  input['policy'] as PolicyText | undefined

function checkTagMap(world: World, faults: Faults, tags: Tags): void {
  for (const [key, value] of tags) {
    faults.shape(!isTag(key, value))
    faults.shape(key.toLowerCase().startsWith('aws:'))
  }
  faults.shape(tags.size > world.quotas.tagsPerResource)
}

const tagMap = (input: Members): Tags =>
  new Map(Object.entries((input['tags'] ?? {}) as Record<string, string>))

const clusterOf = (world: World, input: Members): string | undefined => {
  const name = textOf(input, 'clusterName')
  return world.clusters.has(name) ? name : undefined
}

const create: Step = (world, { input }, newId) => {
  const clusterName = clusterOf(world, input)
  const faults = new Faults(WRONG)
  const policyText = policyOf(input)
  const wanted: Wanted = {
    roleArn: textOf(input, 'roleArn'),
    targetRoleArn: optionalText(input, 'targetRoleArn'),
    disableSessionTags: input['disableSessionTags'] === true,
    policy: policyText?.text,
    policyText,
  }
  const namespace = textOf(input, 'namespace')
  const serviceAccount = textOf(input, 'serviceAccount')
  const tags = tagMap(input)
  faults.shape(!isLabel(namespace, 63) || !isServiceAccount(serviceAccount))
  checkWanted(world, faults, wanted)
  checkTagMap(world, faults, tags)
  if (clusterName === undefined) return refused(NONE, WRONG)
  const here = [...world.associations.values()].filter((one) => one.clusterName === clusterName)
  const isTaken = here.some(
    (one) => one.namespace === namespace && one.serviceAccount === serviceAccount,
  )
  faults.add(isTaken, 'ResourceInUseException')
  faults.add(here.length >= world.quotas.associations, 'ResourceLimitExceededException')
  checkRole(world, faults, wanted)
  if (faults.refusal !== undefined) return faults.refusal
  const nowSeconds = world.nowMs / 1000
  const { policyText: _text, ...values } = wanted
  const association: PodAssociation = {
    ...values,
    id: newId,
    arn: `arn:aws:eks:${world.region}:${world.clusterAccount}:podidentityassociation/${clusterName}/${newId}`,
    clusterName,
    namespace,
    serviceAccount,
    tags,
    createdSeconds: nowSeconds,
    modifiedSeconds: nowSeconds,
  }
  world.associations.set(newId, association)
  world.associationIds.push(newId)
  return { members: wire(world, association) }
}

/** A step for the association that the call names. */
const forAssociation =
  (act: (world: World, association: PodAssociation, operation: Operation) => Outcome): Step =>
  (world, operation) => {
    const clusterName = clusterOf(world, operation.input)
    const association = world.associations.get(textOf(operation.input, 'associationId'))
    if (association === undefined || association.clusterName !== clusterName) return refused(NONE)
    return act(world, association, operation)
  }

/** What the call does not name stays; an empty text takes a value away. */
const update = forAssociation((world, association, { input }) => {
  const policyText = policyOf(input)
  const wanted: Wanted = {
    roleArn: isMissing(input, 'roleArn') ? association.roleArn : textOf(input, 'roleArn'),
    targetRoleArn: isMissing(input, 'targetRoleArn')
      ? association.targetRoleArn
      : optionalText(input, 'targetRoleArn'),
    disableSessionTags: isMissing(input, 'disableSessionTags')
      ? association.disableSessionTags
      : input['disableSessionTags'] === true,
    policy: policyText === undefined ? association.policy : policyText.text || undefined,
    policyText: policyText?.text === '' ? undefined : policyText,
  }
  const faults = new Faults(WRONG)
  checkWanted(world, faults, wanted)
  if (wanted.roleArn !== association.roleArn) checkRole(world, faults, wanted)
  if (faults.refusal !== undefined) return faults.refusal
  const { policyText: _text, ...values } = wanted
  Object.assign(association, values, { modifiedSeconds: world.nowMs / 1000 })
  return { members: wire(world, association) }
})

const list: Step = (world, { input }) => {
  const clusterName = clusterOf(world, input)
  if (clusterName === undefined) return refused(NONE)
  const faults = new Faults(WRONG)
  const limit = checkNumber(faults, input, 'maxResults', [1, 100]) ?? 100
  if (faults.refusal !== undefined) return faults.refusal
  const { namespace, serviceAccount } = input
  const there = new Map<string, Plain>()
  for (const one of world.associations.values()) {
    if (one.clusterName !== clusterName) continue
    if (namespace !== undefined && namespace !== one.namespace) continue
    if (serviceAccount !== undefined && serviceAccount !== one.serviceAccount) continue
    there.set(one.id, {
      clusterName,
      namespace: one.namespace,
      serviceAccount: one.serviceAccount,
      associationArn: one.arn,
      associationId: one.id,
    })
  }
  return {
    page: {
      walk: `associations ${clusterName} ${textOf(input, 'namespace')} ${textOf(input, 'serviceAccount')}`,
      isFirst: isMissing(input, 'nextToken'),
      rows: 'associations',
      token: 'nextToken',
      there,
      limit,
      keyOf: keyAt('associationId'),
    },
  }
}

/** A step for the tags of the association that an ARN names. */
const forTags =
  (act: (world: World, association: PodAssociation, input: Members) => Outcome): Step =>
  (world, { input }) => {
    const arn = textOf(input, 'resourceArn')
    const association = [...world.associations.values()].find((one) => one.arn === arn)
    if (association !== undefined) return act(world, association, input)
    const faults = new Faults('BadRequestException')
    checkTagMap(world, faults, tagMap(input))
    return faults.refusal ?? refused('NotFoundException')
  }

export const ASSOCIATION_STEPS: Readonly<Record<string, Step>> = {
  CreatePodIdentityAssociation: create,
  DescribePodIdentityAssociation: forAssociation((world, one) => ({ members: wire(world, one) })),
  UpdatePodIdentityAssociation: update,
  DeletePodIdentityAssociation: forAssociation((world, one) => {
    world.associations.delete(one.id)
    return { members: wire(world, one) }
  }),
  ListPodIdentityAssociations: list,
  TagResource: forTags((world, one, input) => {
    const faults = new Faults('BadRequestException')
    const tags = tagMap(input)
    checkTagMap(world, faults, tags)
    const merged = new Map([...one.tags, ...tags])
    faults.add(merged.size > world.quotas.tagsPerResource, 'BadRequestException')
    if (faults.refusal !== undefined) return faults.refusal
    one.tags = merged
    return DONE
  }),
  UntagResource: forTags((_world, one, input) => {
    one.tags = withoutKeys(one.tags, tagKeysOf(input), false)
    return DONE
  }),
  ListTagsForResource: forTags((_world, one) => ({
    members: { tags: Object.fromEntries(one.tags) },
  })),
}

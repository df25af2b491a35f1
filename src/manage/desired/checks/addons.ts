import { type FaultPath, formatPath, listOf, quoteValue } from '../faults.ts'
import { roleArnFault } from './arns.ts'
import { checkAddonAssociation, checkAssociation } from './associations.ts'
import {
  type CheckContext,
  type Fields,
  fieldsOf,
  isFields,
  isSet,
  itemsOf,
  textOf,
  uniqueness,
} from './check.ts'
import { checkRole, checkTags, type RoleFieldNames } from './roles.ts'

export const AGENT_ADDON = 'eks-pod-identity-agent'

/** Fields that give an add-on a role by IRSA. */
const IRSA_SOURCES = [
  'wellKnownPolicies',
  'serviceAccountRoleARN',
  'attachPolicyARNs',
  'attachPolicy',
] as const

export const ADDON_ROLE: RoleFieldNames = {
  given: 'serviceAccountRoleARN',
  policy: 'attachPolicy',
  policyArns: 'attachPolicyARNs',
  boundary: 'permissionsBoundary',
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/

/** `addons` */
export function checkAddons(items: readonly unknown[], context: CheckContext): void {
  const unique = uniqueness(context, 'the add-on')
  for (const [index, raw] of items.entries()) {
    const item = fieldsOf(raw)
    const path: FaultPath = ['addons', index]
    const name = textOf(item['name'])
    if (name !== undefined) {
      const fault = `${quoteValue(name)} is not the name of an add-on`
      context.complain([...path, 'name'], NAME.test(name) ? undefined : fault)
      unique(name.toLowerCase(), [...path, 'name'], formatPath(path))
    }
    checkIdentity(item, path, context)
    checkTags(item['tags'], [...path, 'tags'], context)
    for (const [at, association] of itemsOf(item['podIdentityAssociations']).entries()) {
      const place = [...path, 'podIdentityAssociations', at]
      if (!isFields(association)) continue
      checkAssociation(association, place, context)
      checkAddonAssociation(association, place, context)
    }
  }
}

function checkIdentity(item: Fields, path: FaultPath, context: CheckContext): void {
  const { complain } = context
  const irsa = IRSA_SOURCES.filter((field) => isSet(item[field]))
  // An empty list is a word too: no associations.
  const hasAssociations = Array.isArray(item['podIdentityAssociations'])
  const hasDefaults = item['useDefaultPodIdentityAssociations'] === true
  const associations = [...path, 'podIdentityAssociations']
  const name = textOf(item['name']) ?? ''
  if (irsa.length > 1) {
    complain(
      path,
      `at most one of ${listOf(IRSA_SOURCES)} can be specified; here are ${irsa.join(', ')}`,
    )
  } else if (irsa.length === 1) {
    checkAddonRole(item, path, context)
  } else if (isSet(item['permissionsBoundary'])) {
    complain([...path, 'permissionsBoundary'], 'it bounds a role that nothing here asks for')
  }
  if (irsa.length > 0 && hasAssociations) {
    complain(
      associations,
      `cannot set IRSA config (${irsa.join(', ')}) and pod identity associations at the same time`,
    )
  }
  if (name === AGENT_ADDON && hasAssociations) {
    complain(associations, `cannot set pod identity associations for the ${AGENT_ADDON} add-on`)
  }
  if (hasDefaults && (hasAssociations || irsa.length > 0)) {
    const others = [...irsa, ...(hasAssociations ? ['podIdentityAssociations'] : [])]
    complain(
      [...path, 'useDefaultPodIdentityAssociations'],
      `it cannot be specified beside ${others.join(', ')}`,
    )
  }
}

function checkAddonRole(item: Fields, path: FaultPath, context: CheckContext): void {
  const given = textOf(item['serviceAccountRoleARN'])
  if (given !== undefined) {
    context.complain([...path, 'serviceAccountRoleARN'], roleArnFault(given, context))
  }
  // The tags are the add-on's, and are checked once.
  checkRole({ ...item, tags: undefined }, path, ADDON_ROLE, context)
}

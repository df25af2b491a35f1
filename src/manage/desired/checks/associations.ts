import { type AssociationFault, validateAssociationRequest } from '../../../associations/rules.ts'
import type { FaultPath } from '../faults.ts'
import { roleArnFault } from './arns.ts'
import { type CheckContext, type Fields, isFields, isSet, textOf, uniqueness } from './check.ts'
import { ASSOCIATION_ROLE, checkRole } from './roles.ts'

/** Of a cluster; fixed, and not in Service Quotas. https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html */
const MAX_ASSOCIATIONS = 5000

/** `iam.podIdentityAssociations` */
export function checkAssociations(
  items: readonly unknown[],
  at: FaultPath,
  context: CheckContext,
): void {
  for (const [index, item] of items.entries()) {
    if (isFields(item)) checkAssociation(item, [...at, index], context)
  }
  if (items.length > MAX_ASSOCIATIONS) {
    const most = `a cluster has at most ${MAX_ASSOCIATIONS}`
    context.complain(at, `${items.length} associations are given: ${most}`)
  }
}

/** One association, also of an add-on. */
export function checkAssociation(item: Fields, at: FaultPath, context: CheckContext): void {
  const roleARN = textOf(item['roleARN'])
  if (roleARN !== undefined) {
    context.complain([...at, 'roleARN'], roleArnFault(roleARN, context))
  }
  for (const { field, message } of requestFaults(item, context)) {
    const name = FIELD_NAMES[field]
    if (name === undefined) continue
    // The rules name the field first, which the path does already.
    const text = message.startsWith(`${field} `) ? message.slice(field.length + 1) : message
    context.complain([...at, name], text)
  }
  checkRole(item, at, ASSOCIATION_ROLE, context)
}

/** Their names in a document, where the rules for them are EKS's and Kubernetes' own. */
const FIELD_NAMES: Readonly<Partial<Record<AssociationFault['field'], string>>> = {
  namespace: 'namespace',
  serviceAccount: 'serviceAccountName',
  targetRoleArn: 'targetRoleARN',
  policy: 'policy',
}

function requestFaults(item: Fields, context: CheckContext): readonly AssociationFault[] {
  const targetRoleArn = textOf(item['targetRoleARN'])
  const policy = textOf(item['policy'])
  const partition = context.partition ?? targetRoleArn?.split(':')[1] ?? 'aws'
  return validateAssociationRequest(
    {
      clusterName: 'some',
      // What is missing or of another type is told of already.
      namespace: textOf(item['namespace']) ?? 'some',
      serviceAccount: textOf(item['serviceAccountName']) ?? 'some',
      roleArn: `arn:${partition}:iam::000000000000:role/some`,
      ...(targetRoleArn !== undefined && { targetRoleArn }),
      ...(policy !== undefined && { policy }),
      disableSessionTags: item['disableSessionTags'] === true,
    },
    { partition },
  )
}

/** Two associations of one service account, in `iam` and in add-ons: EKS takes one. */
export function checkUniqueAssociations(
  places: readonly { readonly path: FaultPath; readonly text: string; readonly item: Fields }[],
  context: CheckContext,
): void {
  const unique = uniqueness(context, 'an association of the service account')
  for (const { item, path, text } of places) {
    const namespace = textOf(item['namespace'])
    const name = textOf(item['serviceAccountName'])
    if (namespace === undefined || name === undefined) continue
    unique(`${namespace}/${name}`, path, text)
  }
}

/** What EKS takes of an add-on's association: the role and the service account, no more. */
const NOT_OF_ADDONS: Readonly<Record<string, string>> = {
  wellKnownPolicies: 'use useDefaultPodIdentityAssociations of the add-on instead',
  tags: "the add-on's own tags are meant",
  createServiceAccount: 'the add-on makes its service accounts itself',
  targetRoleARN: 'EKS takes role and service account only',
  disableSessionTags: 'EKS takes role and service account only',
  policy: 'EKS takes role and service account only',
}

export function checkAddonAssociation(item: Fields, at: FaultPath, context: CheckContext): void {
  for (const [field, why] of Object.entries(NOT_OF_ADDONS)) {
    if (!isSet(item[field])) continue
    context.complain([...at, field], `it is not supported for an add-on's association: ${why}`)
  }
}

import { authorize } from '../identity/authorization.ts'
import { newUniqueId } from '../identifiers.ts'
import { quotaOf } from '../quotas/quotas.ts'
import type { PolicyRecord, PolicyVersion, Tables } from '../records.ts'
import type { QueryOperations, ResultMembers } from '../wire/call-table.ts'
import { Constraints } from '../wire/constraints.ts'
import { AwsFault } from '../wire/fault.ts'
import { pageOf } from '../wire/pages.ts'
import type { QueryParameters } from '../wire/query.ts'
import type { Node } from '../wire/xml.ts'
import { accountOf, type Call } from '../world.ts'
import awsPolicies from './aws-managed-policies.json'
import {
  alreadyExists,
  countedLength,
  deleteConflict,
  encodeDocument,
  limitExceeded,
  noSuchEntity,
  readDocument,
} from './faults.ts'
import { DOCUMENT, PATH, PATH_PREFIX, POLICY_ARN, POLICY_NAME } from './shapes.ts'
import { taggingOperations } from './tagging.ts'
import {
  mergeTags,
  pageMembers,
  readPage,
  readTags,
  requestTagKeys,
  resourceTagKeys,
  tagNodes,
} from './tags.ts'

/** Puts AWS's own managed policies there: those that the sandbox knows. */
export function installAwsPolicies(tables: Tables, partition: string): void {
  for (const { name, path, document } of awsPolicies) {
    const arn = `arn:${partition}:iam::aws:policy${path}${name}`
    if (tables.policies.has(arn)) continue
    const text = JSON.stringify(document).replaceAll('arn:aws:', `arn:${partition}:`)
    tables.policies.set(arn, {
      accountId: 'aws',
      policyName: name,
      path,
      policyId: newUniqueId('ANPA'),
      arn,
      versions: [{ versionId: 'v1', document: text, createdAtMs: 0 }],
      defaultVersionId: 'v1',
      nextVersion: 2,
      tags: {},
      createdAtMs: 0,
      updatedAtMs: 0,
    })
  }
}

/** A policy of the caller's account or AWS's own. @throws AwsFault `NoSuchEntity` */
export function requirePolicy(call: Call, arn: string): PolicyRecord {
  const policy = call.world.tables.policies.get(arn)
  if (policy !== undefined && [accountOf(call), 'aws'].includes(policy.accountId)) return policy
  throw noSuchEntity(`Policy ${arn} was not found.`)
}

function attachmentsOf(tables: Tables, arn: string): number {
  let count = 0
  for (const table of [tables.roles, tables.users, tables.groups]) {
    for (const holder of table.values()) if (holder.attachedPolicyArns.includes(arn)) count += 1
  }
  return count
}

function boundariesOf(tables: Tables, arn: string): number {
  let count = 0
  for (const table of [tables.roles, tables.users]) {
    for (const entity of table.values()) if (entity.boundaryArn === arn) count += 1
  }
  return count
}

export function policyNode(call: Call, policy: PolicyRecord, full: boolean): ResultMembers {
  const { tables } = call.world
  return {
    PolicyName: policy.policyName,
    PolicyId: policy.policyId,
    Arn: policy.arn,
    Path: policy.path,
    DefaultVersionId: policy.defaultVersionId,
    AttachmentCount: attachmentsOf(tables, policy.arn),
    PermissionsBoundaryUsageCount: boundariesOf(tables, policy.arn),
    IsAttachable: true,
    CreateDate: new Date(policy.createdAtMs),
    UpdateDate: new Date(policy.updatedAtMs),
    ...(full && { Description: policy.description }),
    ...(full && Object.keys(policy.tags).length > 0 && { Tags: tagNodes(policy.tags) }),
  }
}

export function versionNode(policy: PolicyRecord, version: PolicyVersion, full: boolean): Node {
  return {
    ...(full && { Document: encodeDocument(version.document) }),
    VersionId: version.versionId,
    IsDefaultVersion: version.versionId === policy.defaultVersionId,
    CreateDate: new Date(version.createdAtMs),
  }
}

function createPolicy(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const given = parameters.get('PolicyName')
  const policyName = constraints.text('policyName', given, POLICY_NAME) ?? ''
  const path = constraints.text('path', parameters.get('Path'), PATH) ?? '/'
  const text = parameters.get('PolicyDocument')
  const document = constraints.text('policyDocument', text, DOCUMENT) ?? ''
  const description = constraints.text('description', parameters.get('Description'), { max: 1000 })
  const tags = readTags(call, parameters, constraints)
  constraints.check()
  const { tables, partition } = call.world
  const accountId = accountOf(call)
  const arn = `arn:${partition}:iam::${accountId}:policy${path}${policyName}`
  authorize(call, { action: 'iam:CreatePolicy', resource: arn, context: requestTagKeys(tags) })
  const mine = [...tables.policies.values()].filter((policy) => policy.accountId === accountId)
  if (mine.some((one) => one.policyName.toLowerCase() === policyName.toLowerCase())) {
    throw alreadyExists(
      `A policy called ${policyName} already exists. Duplicate names are not allowed.`,
    )
  }
  const limit = quotaOf(call, 'policies')
  if (mine.length >= limit) {
    throw limitExceeded(`Cannot exceed quota for PoliciesPerAccount: ${limit}`)
  }
  checkDocument(call, document)
  const policy: PolicyRecord = {
    accountId,
    policyName,
    path,
    policyId: newUniqueId('ANPA'),
    arn,
    ...(description !== undefined && { description }),
    versions: [{ versionId: 'v1', document, createdAtMs: call.nowMs }],
    defaultVersionId: 'v1',
    nextVersion: 2,
    tags: mergeTags(call, {}, tags, 'exact'),
    createdAtMs: call.nowMs,
    updatedAtMs: call.nowMs,
  }
  tables.policies.set(arn, policy)
  return { Policy: policyNode(call, policy, true) }
}

function checkDocument(call: Call, document: string): void {
  const most = quotaOf(call, 'policyCharacters')
  if (countedLength(document) > most) {
    throw limitExceeded(`Cannot exceed quota for PolicySize: ${most}`)
  }
  readDocument(document, 'identity')
}

const readArn = (parameters: QueryParameters, constraints: Constraints): string =>
  constraints.text('policyArn', parameters.get('PolicyArn'), POLICY_ARN) ?? ''

/** The policy of that ARN, which the caller may do the operation on. */
function requireAllowed(
  call: Call,
  arn: string,
  context: Readonly<Record<string, string | readonly string[]>> = {},
): PolicyRecord {
  const tags = call.world.tables.policies.get(arn)?.tags ?? {}
  const keys = { ...resourceTagKeys(tags), ...context }
  authorize(call, { action: `iam:${call.operation}`, resource: arn, context: keys })
  return requirePolicy(call, arn)
}

/** The same, for what changes it: AWS's own do not change. */
function requireOwn(
  call: Call,
  arn: string,
  context: Readonly<Record<string, string | readonly string[]>> = {},
): PolicyRecord {
  const policy = requireAllowed(call, arn, context)
  if (policy.accountId !== 'aws') return policy
  throw new AwsFault('AccessDenied', `${policy.arn} is managed by AWS`, { status: 403 })
}

function readPolicy(
  call: Call,
  parameters: QueryParameters,
  constraints = new Constraints(),
): PolicyRecord {
  const arn = readArn(parameters, constraints)
  constraints.check()
  return requireAllowed(call, arn)
}

function readOwnPolicy(
  call: Call,
  parameters: QueryParameters,
  constraints = new Constraints(),
): PolicyRecord {
  const arn = readArn(parameters, constraints)
  constraints.check()
  return requireOwn(call, arn)
}

const getPolicy = (call: Call, parameters: QueryParameters): ResultMembers => ({
  Policy: policyNode(call, readPolicy(call, parameters), true),
})

function listPolicies(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const oneOf = ['All', 'AWS', 'Local']
  const scope = constraints.text('scope', parameters.get('Scope'), { oneOf }) ?? 'All'
  const given = parameters.get('PathPrefix')
  const prefix = constraints.text('pathPrefix', given, PATH_PREFIX) ?? '/'
  const filter = parameters.get('PolicyUsageFilter')
  const usages = ['PermissionsPolicy', 'PermissionsBoundary']
  const usage = constraints.text('policyUsageFilter', filter, { oneOf: usages })
  const ask = readPage(parameters, constraints)
  constraints.check()
  authorize(call, { action: 'iam:ListPolicies', resource: '*' })
  const { tables } = call.world
  const owners = [scope !== 'AWS' && accountOf(call), scope !== 'Local' && 'aws']
  const onlyAttached = parameters.get('OnlyAttached') === 'true'
  const isWanted = ({ arn }: PolicyRecord): boolean => {
    const attached = attachmentsOf(tables, arn) > 0
    const bounds = boundariesOf(tables, arn) > 0
    if (usage === 'PermissionsPolicy') return attached
    if (usage === 'PermissionsBoundary') return bounds
    return !onlyAttached || attached
  }
  const found = [...tables.policies.values()].filter(
    (policy) =>
      owners.includes(policy.accountId) && policy.path.startsWith(prefix) && isWanted(policy),
  )
  const page = pageOf(found, ({ arn }) => arn, ask)
  return {
    ...pageMembers(page.next),
    Policies: page.items.map((policy) => policyNode(call, policy, false)),
  }
}

function deletePolicy(call: Call, parameters: QueryParameters): undefined {
  const policy = readOwnPolicy(call, parameters)
  const { tables } = call.world
  if (boundariesOf(tables, policy.arn) + attachmentsOf(tables, policy.arn) > 0) {
    throw deleteConflict('Cannot delete a policy attached to entities.')
  }
  if (policy.versions.length > 1) {
    throw deleteConflict(
      "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.",
    )
  }
  tables.policies.delete(policy.arn)
}

function createPolicyVersion(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const text = parameters.get('PolicyDocument')
  const document = constraints.text('policyDocument', text, DOCUMENT) ?? ''
  const policy = readOwnPolicy(call, parameters, constraints)
  const most = quotaOf(call, 'versionsPerPolicy')
  if (policy.versions.length >= most) {
    throw limitExceeded(
      `A managed policy can have up to ${most} versions. Before you create a new version, you must delete an existing version.`,
    )
  }
  checkDocument(call, document)
  const version = { versionId: `v${policy.nextVersion}`, document, createdAtMs: call.nowMs }
  const asDefault = parameters.get('SetAsDefault') === 'true'
  const changed: PolicyRecord = {
    ...policy,
    versions: [...policy.versions, version],
    nextVersion: policy.nextVersion + 1,
    ...(asDefault && { defaultVersionId: version.versionId }),
    updatedAtMs: call.nowMs,
  }
  call.world.tables.policies.set(policy.arn, changed)
  return { PolicyVersion: versionNode(changed, version, false) }
}

/** The version that VersionId names. */
function readVersion(
  parameters: QueryParameters,
  constraints: Constraints,
  policyOf: () => PolicyRecord,
): { policy: PolicyRecord; version: PolicyVersion } {
  const given = parameters.get('VersionId')
  const shape = { required: true, pattern: 'v[1-9][0-9]*(\\.[A-Za-z0-9-]*)?' }
  const versionId = constraints.text('versionId', given, shape) ?? ''
  const policy = policyOf()
  const version = policy.versions.find((one) => one.versionId === versionId)
  if (version === undefined) {
    throw noSuchEntity(
      `Policy ${policy.arn} version ${versionId} does not exist or is not attachable.`,
    )
  }
  return { policy, version }
}

function getPolicyVersion(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const { policy, version } = readVersion(parameters, constraints, () =>
    readPolicy(call, parameters, constraints),
  )
  return { PolicyVersion: versionNode(policy, version, true) }
}

function listPolicyVersions(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const ask = readPage(parameters, constraints)
  const policy = readPolicy(call, parameters, constraints)
  // The newest first.
  const place = ({ versionId }: PolicyVersion): string =>
    String(1e9 - Number(versionId.slice(1))).padStart(10, '0')
  const page = pageOf(policy.versions, place, ask)
  return {
    ...pageMembers(page.next),
    Versions: page.items.map((version) => versionNode(policy, version, false)),
  }
}

function deletePolicyVersion(call: Call, parameters: QueryParameters): undefined {
  const constraints = new Constraints()
  const { policy, version } = readVersion(parameters, constraints, () =>
    readOwnPolicy(call, parameters, constraints),
  )
  if (version.versionId === policy.defaultVersionId) {
    throw deleteConflict('Cannot delete the default version of a policy.')
  }
  const versions = policy.versions.filter((one) => one !== version)
  call.world.tables.policies.set(policy.arn, { ...policy, versions, updatedAtMs: call.nowMs })
}

function setDefaultPolicyVersion(call: Call, parameters: QueryParameters): undefined {
  const constraints = new Constraints()
  const { policy, version } = readVersion(parameters, constraints, () =>
    readOwnPolicy(call, parameters, constraints),
  )
  const defaultVersionId = version.versionId
  call.world.tables.policies.set(policy.arn, {
    ...policy,
    defaultVersionId,
    updatedAtMs: call.nowMs,
  })
}

export const POLICY_OPERATIONS: QueryOperations = {
  CreatePolicy: createPolicy,
  GetPolicy: getPolicy,
  ListPolicies: listPolicies,
  DeletePolicy: deletePolicy,
  CreatePolicyVersion: createPolicyVersion,
  GetPolicyVersion: getPolicyVersion,
  ListPolicyVersions: listPolicyVersions,
  DeletePolicyVersion: deletePolicyVersion,
  SetDefaultPolicyVersion: setDefaultPolicyVersion,
  ...taggingOperations({
    word: 'Policy',
    tagCase: 'exact',
    readName: readArn,
    require: (call, arn, context) =>
      call.operation === 'ListPolicyTags'
        ? requireAllowed(call, arn, context)
        : requireOwn(call, arn, context),
    save: (call, policy) => call.world.tables.policies.set(policy.arn, policy),
  }),
}

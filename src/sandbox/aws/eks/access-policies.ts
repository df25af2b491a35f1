import { authorize } from '../identity/authorization.ts'
import { type JsonInput, type JsonRoute, readJsonObject, textMember } from '../wire/json.ts'
import type { Call } from '../world.ts'
import { authorizeEntry, requireEntry, saveEntry } from './access-entries.ts'
import { isNodeType } from './access-entry-rules.ts'
import { accessPolicyName } from './access-entry-source.ts'
import policyNames from './access-policies.json'
import {
  invalidParameter,
  invalidRequest,
  type JsonObject,
  notFound,
  objectMember,
  pageOfList,
  textsMember,
} from './body.ts'
import type { AccessScope, AssociatedPolicy } from './records.ts'

/** `arn:aws:eks::aws:cluster-access-policy/NAME` */
export const accessPolicyArn = (partition: string, name: string): string =>
  `arn:${partition}:eks::aws:cluster-access-policy/${name}`

const policyNode = (policy: AssociatedPolicy): Readonly<Record<string, unknown>> => ({
  policyArn: policy.policyArn,
  accessScope: { namespaces: [], ...policy.accessScope },
  associatedAt: policy.associatedAtMs / 1000,
  modifiedAt: policy.modifiedAtMs / 1000,
})

async function listAccessPolicies(call: Call, input: JsonInput): Promise<unknown> {
  authorize(call, { action: 'eks:ListAccessPolicies', resource: '*' })
  const { items, more } = pageOfList(input, policyNames, (name) => name)
  const { partition } = call.world
  return {
    accessPolicies: items.map((name) => ({ name, arn: accessPolicyArn(partition, name) })),
    ...more,
  }
}

const NAMESPACE = /^[a-z0-9*](?:[a-z0-9*-]{0,61}[a-z0-9*])?$/
const MAX_NAMESPACES = 100

/** @throws AwsFault `InvalidParameterException` */
function readScope(body: JsonObject): AccessScope {
  const scope = objectMember(body, 'accessScope')
  if (scope === undefined) throw invalidParameter('accessScope is required')
  const type = textMember(scope, 'type')
  const namespaces = textsMember(scope, 'namespaces') ?? []
  if (type === 'cluster') {
    if (namespaces.length === 0) return { type }
    throw invalidParameter('namespaces cannot be specified where the access scope is cluster')
  }
  if (type !== 'namespace') {
    throw invalidParameter('accessScope.type must be one of: cluster, namespace')
  }
  if (namespaces.length === 0) {
    throw invalidParameter(
      'At least one namespace must be specified where the access scope is namespace',
    )
  }
  const wrong = namespaces.find((namespace) => !NAMESPACE.test(namespace))
  if (wrong !== undefined || namespaces.length > MAX_NAMESPACES) {
    throw invalidParameter(
      `The namespace ${JSON.stringify((wrong ?? '').slice(0, 100))} is invalid`,
    )
  }
  return { type, namespaces: [...new Set(namespaces)] }
}

const ACCESS_POLICY = /^arn:[a-z0-9-]+:eks::aws:cluster-access-policy\/[\w-]+$/

function requireAccessPolicy(call: Call, arn: string): void {
  if (!ACCESS_POLICY.test(arn)) {
    throw invalidParameter('The policyArn parameter format is not valid')
  }
  const name = accessPolicyName(arn)
  if (policyNames.includes(name) && arn === accessPolicyArn(call.world.partition, name)) return
  throw notFound(`The specified policyArn could not be found: ${arn.slice(0, 200)}`)
}

async function associateAccessPolicy(call: Call, input: JsonInput): Promise<unknown> {
  const [clusterName = '', principalArn = ''] = input.labels
  const body = readJsonObject(input.body)
  const policyArn = textMember(body, 'policyArn') ?? ''
  const asked = objectMember(body, 'accessScope') ?? {}
  authorizeEntry(
    call,
    { clusterName, principalArn },
    {
      'eks:policyArn': policyArn,
      'eks:accessScope': textMember(asked, 'type') ?? '',
      'eks:namespaces': textsMember(asked, 'namespaces') ?? [],
    },
  )
  const accessScope = readScope(body)
  const known = requireEntry(call, clusterName, principalArn)
  requireAccessPolicy(call, policyArn)
  if (isNodeType(known.type)) {
    throw invalidRequest(
      `Access policies cannot be associated with an access entry of type ${known.type}`,
      { clusterName },
    )
  }
  const before = known.policies.find((one) => one.policyArn === policyArn)
  const policy: AssociatedPolicy = {
    policyArn,
    accessScope,
    associatedAtMs: before?.associatedAtMs ?? call.nowMs,
    modifiedAtMs: call.nowMs,
  }
  const others = known.policies.filter((one) => one !== before)
  saveEntry(call, { ...known, policies: [...others, policy] })
  return { clusterName, principalArn, associatedAccessPolicy: policyNode(policy) }
}

async function disassociateAccessPolicy(call: Call, input: JsonInput): Promise<unknown> {
  const [clusterName = '', principalArn = '', policyArn = ''] = input.labels
  authorizeEntry(call, { clusterName, principalArn }, { 'eks:policyArn': policyArn })
  const known = requireEntry(call, clusterName, principalArn)
  const policies = known.policies.filter((one) => one.policyArn !== policyArn)
  if (policies.length === known.policies.length) {
    throw notFound(`The access entry has no access policy ${policyArn.slice(0, 200)}`)
  }
  saveEntry(call, { ...known, policies })
  return {}
}

async function listAssociatedAccessPolicies(call: Call, input: JsonInput): Promise<unknown> {
  const [clusterName = '', principalArn = ''] = input.labels
  authorizeEntry(call, { clusterName, principalArn })
  const known = requireEntry(call, clusterName, principalArn)
  const { items, more } = pageOfList(input, known.policies, (one) => one.policyArn)
  return { clusterName, principalArn, associatedAccessPolicies: items.map(policyNode), ...more }
}

const ENTRY_POLICIES = '/clusters/*/access-entries/*/access-policies'

export const ACCESS_POLICY_ROUTES: readonly JsonRoute[] = [
  {
    operation: 'ListAccessPolicies',
    method: 'GET',
    path: '/access-policies',
    run: listAccessPolicies,
  },
  {
    operation: 'AssociateAccessPolicy',
    method: 'POST',
    path: ENTRY_POLICIES,
    run: associateAccessPolicy,
  },
  {
    operation: 'ListAssociatedAccessPolicies',
    method: 'GET',
    path: ENTRY_POLICIES,
    run: listAssociatedAccessPolicies,
  },
  {
    operation: 'DisassociateAccessPolicy',
    method: 'DELETE',
    path: `${ENTRY_POLICIES}/*`,
    run: disassociateAccessPolicy,
  },
]

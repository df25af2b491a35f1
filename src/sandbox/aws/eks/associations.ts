import { associationRoutes, type RoleQuestion } from '../../../broker/association-api.ts'
import { EksFault } from '../../../broker/eks-wire.ts'
import { compileText, matchesPattern } from '../../../iam/pattern.ts'
import { documentOf } from '../identity/policies.ts'
import { authorize } from '../identity/authorization.ts'
import { type requestTagKeys, resourceTagKeys } from '../iam/tags.ts'
import { quotaValue } from '../quotas/quotas.ts'
import { clusterKey, type Tables } from '../records.ts'
import { findRole } from '../sts/parameters.ts'
import { type JsonInput, type JsonRoute, readJsonObject } from '../wire/json.ts'
import { accountOf, type Call } from '../world.ts'
import { associationStore } from './store.ts'
import { readTags, tagContext as tagKeysOf } from './tags.ts'
import { asEksFault, associationArn, clusterArnOf } from './wire.ts'

/** The service that a role must trust to be of use in an association. */
export const PODS_SERVICE = 'pods.eks.amazonaws.com'

/** Whom the operations ask for: the cluster for Create and List, else the association. */
async function runAssociation(call: Call, input: JsonInput): Promise<Response> {
  const [clusterName = '', id] = input.labels
  const { tables } = call.world
  const place = { accountId: accountOf(call), region: call.region }
  const store = associationStore(tables, place)
  const known = id === undefined ? undefined : await store.get(clusterName, id)
  authorize(call, {
    action: `eks:${call.operation}`,
    resource:
      id === undefined ? clusterArnOf(call, clusterName) : associationArn(call, clusterName, id),
    context: { ...resourceTagKeys(known?.tags ?? {}), ...tagContext(call, input) },
  })
  const routes = associationRoutes({
    store,
    clock: call.world.clock,
    log: call.world.log,
    roleInClusterAccount: true,
    findCluster: async (name) =>
      tables.clusters.get(clusterKey(place.accountId, place.region, name)),
    checkRole: async (question) => checkRole(call, question),
    maxPerCluster: quotaValue(tables, place.accountId, 'associations'),
    countAssociations: async (name) => countAssociations(tables, place, name),
  })
  const { request, url, body } = input
  const inner = new Request(url.href, {
    method: request.method,
    headers: request.headers,
    ...(body.length > 0 && { body: Buffer.from(body) }),
  })
  const response = await routes(inner)
  if (response !== undefined) return response
  throw new Error(`no association operation for ${request.method} ${url.pathname}`)
}

function tagContext(call: Call, input: JsonInput): ReturnType<typeof requestTagKeys> {
  if (call.operation !== 'CreatePodIdentityAssociation') return {}
  return tagKeysOf(readTags(call, readJsonObject(input.body)['tags']))
}

function countAssociations(
  tables: Tables,
  place: { readonly accountId: string; readonly region: string },
  clusterName: string,
): number {
  let count = 0
  for (const { accountId, region, association } of tables.associations.values()) {
    const here = accountId === place.accountId && region === place.region
    if (here && association.clusterName === clusterName) count += 1
  }
  return count
}

/**
 * The caller may pass the role, it exists, and it trusts EKS Pod Identity.
 * Source: EKS User Guide, "Assign an IAM role to a Kubernetes service account".
 */
export function checkRole(call: Call, question: RoleQuestion): void {
  const { roleArn, cluster } = question
  try {
    authorize(call, {
      action: 'iam:PassRole',
      resource: roleArn,
      context: {
        'iam:PassedToService': PODS_SERVICE,
        'iam:AssociatedResourceArn': cluster.arn,
      },
    })
  } catch (error) {
    throw asEksFault(error)
  }
  const role = findRole(call.world.tables, roleArn)
  if (role === undefined) {
    throw new EksFault('InvalidParameterException', 'Role provided in the request does not exist.')
  }
  const needed = ['sts:AssumeRole', ...(question.disableSessionTags ? [] : ['sts:TagSession'])]
  if (needed.every((action) => trustsPods(role.trustPolicy, action))) return
  throw new EksFault('InvalidParameterException', 'Trust policy of the role provided is invalid')
}

/** Whether a statement allows the action to the service; conditions speak of pods not yet there. */
function trustsPods(trustPolicy: string, action: string): boolean {
  return documentOf(trustPolicy, 'trust').statements.some(
    (statement) =>
      statement.effect === 'Allow' &&
      (statement.principals ?? []).some(
        ({ type, value }) => type === 'Service' && value === PODS_SERVICE,
      ) &&
      (statement.actions ?? []).some((pattern) =>
        matchesPattern(compileText(pattern.toLowerCase()), action.toLowerCase()),
      ),
  )
}

const COLLECTION = '/clusters/*/pod-identity-associations'
const ONE = `${COLLECTION}/*`

export const ASSOCIATION_ROUTES: readonly JsonRoute[] = [
  row('CreatePodIdentityAssociation', 'POST', COLLECTION),
  row('ListPodIdentityAssociations', 'GET', COLLECTION),
  row('DescribePodIdentityAssociation', 'GET', ONE),
  row('UpdatePodIdentityAssociation', 'POST', ONE),
  row('DeletePodIdentityAssociation', 'DELETE', ONE),
]

function row(operation: string, method: string, path: string): JsonRoute {
  return { operation, method, path, run: runAssociation }
}

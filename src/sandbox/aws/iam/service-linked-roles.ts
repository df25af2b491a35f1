/**
 * Roles that belong to one service, which alone may change them. Source: IAM User Guide, "Create a
 * service-linked role"; EKS User Guide, "Using service-linked roles for Amazon EKS".
 */
import { randomUUID } from 'node:crypto'
import { isGone } from '../eks/lifecycle.ts'
import type { Lifecycle } from '../eks/records.ts'
import { authorize } from '../identity/authorization.ts'
import { nameKey, type RoleRecord } from '../records.ts'
import type { QueryOperations, ResultMembers } from '../wire/call-table.ts'
import { Constraints } from '../wire/constraints.ts'
import type { QueryParameters } from '../wire/query.ts'
import { accountOf, type Call, type World } from '../world.ts'
import { invalidInput, noSuchEntity } from './faults.ts'
import { installRole } from './installed-roles.ts'
import {
  checkRoleQuota,
  DESCRIPTION,
  isServiceLinked,
  readRoleName,
  requireRole,
  roleNode,
} from './roles.ts'
import serviceLinkedRoles from './service-linked-roles.json'
import { GROUP_NAME } from './shapes.ts'

type LinkedRole = (typeof serviceLinkedRoles)[number]

const MAX_TASKS = 1000
const SUFFIX = { min: 1, max: 64, pattern: '[\\w+=,.@-]+' }
const TASK_ID = { required: true, min: 1, max: 1000 }

const pathOf = (service: string): string => `/aws-service-role/${service}/`

const findLinked = (service: string): LinkedRole | undefined =>
  serviceLinkedRoles.find((one) => one.service === service)

/** The role of a service in an account, made where it is missing. */
export function ensureServiceLinkedRole(
  world: Pick<World, 'tables' | 'partition' | 'clock'>,
  accountId: string,
  service: string,
): void {
  const linked = findLinked(service)
  if (linked === undefined) return
  if (world.tables.roles.has(nameKey(accountId, linked.roleName))) return
  installLinked(world, accountId, linked, linked.description)
}

function installLinked(
  world: Pick<World, 'tables' | 'partition' | 'clock'>,
  accountId: string,
  { service, roleName, policyName }: LinkedRole,
  description: string,
): RoleRecord {
  return installRole(world, {
    accountId,
    roleName,
    path: pathOf(service),
    ...(description !== '' && { description }),
    service,
    maxSessionSeconds: 3600,
    attachedPolicyArns: [`arn:${world.partition}:iam::aws:policy/aws-service-role/${policyName}`],
  })
}

function createServiceLinkedRole(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const given = parameters.get('AWSServiceName')
  const service = constraints.text('aWSServiceName', given, GROUP_NAME) ?? ''
  const description = constraints.text('description', parameters.get('Description'), DESCRIPTION)
  const suffix = constraints.text('customSuffix', parameters.get('CustomSuffix'), SUFFIX)
  constraints.check()
  const linked = findLinked(service)
  const name = linked?.roleName ?? '*'
  authorize(call, {
    action: 'iam:CreateServiceLinkedRole',
    resource: `arn:${call.world.partition}:iam::${accountOf(call)}:role${pathOf(service)}${name}`,
    context: { 'iam:AWSServiceName': service },
  })
  if (linked === undefined) {
    const known = serviceLinkedRoles.map((one) => one.service).join(', ')
    throw invalidInput(`The sandbox has no service-linked role for ${service}, only for ${known}`)
  }
  if (suffix !== undefined) throw invalidInput(`Custom suffix is not allowed for ${service}`)
  if (call.world.tables.roles.has(nameKey(accountOf(call), name))) {
    throw invalidInput(
      `Service role name ${name} has been taken in this account, please try a different suffix.`,
    )
  }
  checkRoleQuota(call)
  const text = description ?? linked.description
  const role = installLinked(call.world, accountOf(call), linked, text)
  return { Role: roleNode(call, role, true) }
}

/** Region → the ARNs of what still needs the role there. */
type Usage = ReadonlyMap<string, readonly string[]>

/** What of a service's is in an account: it keeps the service's role. */
function usageOf({ world, nowMs }: Call, accountId: string, service: string): Usage {
  const { tables } = world
  const clusters = [...tables.clusters.values()]
  const lives = (one: Lifecycle): boolean => !isGone(one, nowMs)
  const compute = [...tables.nodegroups.values()].filter(lives).map((one) => one.nodegroupArn)
  const fargate = [...tables.fargateProfiles.values()]
    .filter(lives)
    .map((one) => one.fargateProfileArn)
  const used: Readonly<Record<string, readonly string[]>> = {
    'eks.amazonaws.com': clusters
      .filter((one) => one.connector === undefined)
      .map(({ arn }) => arn),
    'eks-connector.amazonaws.com': clusters
      .filter((one) => one.connector !== undefined)
      .map(({ arn }) => arn),
    'eks-nodegroup.amazonaws.com': compute,
    'eks-fargate.amazonaws.com': fargate,
  }
  const own = (used[service] ?? []).filter((arn) => arn.split(':')[4] === accountId)
  return Map.groupBy(own, (arn) => arn.split(':')[3] ?? '')
}

/** Deletes the role at once where nothing needs it; the task tells what came of it. */
function deleteServiceLinkedRole(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const name = readRoleName(parameters, constraints)
  constraints.check()
  const role = requireRole(call, name)
  if (!isServiceLinked(role)) {
    throw noSuchEntity(`The role with name ${name} is not a service-linked role.`)
  }
  const { tables } = call.world
  const { accountId, path, roleName } = role
  const taskId = `task${path}${roleName}/${randomUUID()}`
  const usage = usageOf(call, accountId, path.split('/')[2] ?? '')
  if (usage.size === 0) tables.roles.delete(nameKey(accountId, roleName))
  const { deletionTasks } = tables
  const [oldest] = deletionTasks.size >= MAX_TASKS ? deletionTasks.entries() : []
  if (oldest !== undefined) deletionTasks.delete(oldest[0])
  deletionTasks.set(taskId, { accountId, usage: Object.fromEntries(usage) })
  return { DeletionTaskId: taskId }
}

function deletionStatus(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const given = parameters.get('DeletionTaskId')
  const taskId = constraints.text('deletionTaskId', given, TASK_ID) ?? ''
  constraints.check()
  const [, arnPath = '*'] = /^task(\/aws-service-role\/.+)\/[^/]+$/.exec(taskId) ?? []
  authorize(call, {
    action: 'iam:GetServiceLinkedRoleDeletionStatus',
    resource: `arn:${call.world.partition}:iam::${accountOf(call)}:role${arnPath}`,
  })
  const task = call.world.tables.deletionTasks.get(taskId)
  if (task === undefined || task.accountId !== accountOf(call)) {
    throw noSuchEntity(`The deletion task with id ${taskId.slice(0, 200)} cannot be found.`)
  }
  const usage = Object.entries(task.usage)
  if (usage.length === 0) return { Status: 'SUCCEEDED' }
  const RoleUsageList = usage.map(([Region, Resources]) => ({ Region, Resources }))
  const Reason = 'A service-linked role is required for these resources to function.'
  return { Status: 'FAILED', Reason: { Reason, RoleUsageList } }
}

export const SERVICE_LINKED_ROLE_OPERATIONS: QueryOperations = {
  CreateServiceLinkedRole: createServiceLinkedRole,
  DeleteServiceLinkedRole: deleteServiceLinkedRole,
  GetServiceLinkedRoleDeletionStatus: deletionStatus,
}

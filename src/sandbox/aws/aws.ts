/**
 * The sandbox's AWS: STS, IAM, EKS, EKS Auth and S3 on AWS's wire, strict. Every signature is
 * verified against keys that were given out here, every call is decided by the policies that are
 * stored here.
 */
import { partitionOfRegion } from '../../iam/partitions.ts'
import type { AssociationsClient } from '../../aws/associations-client.ts'
import type { Clock } from '../../lib/clock.ts'
import { PodroleError } from '../../lib/errors.ts'
import type { Handler } from '../../lib/handler.ts'
import type { Log } from '../../lib/log.ts'
import { Secret } from '../../lib/secret.ts'
import type { IssuerNames } from '../../issuer/outside/issuer-names.ts'
import type { State } from '../state.ts'
import { createDecisionLog, type DecisionLog } from './decisions.ts'
import { dispatchHandler } from './dispatch.ts'
import { createFaultBoard, type FaultBoard } from './faults/board.ts'
import { createEventualTables } from './faults/eventual.ts'
import { type InstanceSpec, putInstance } from './ec2/instances.ts'
import type { InstanceRecord } from './ec2/records.ts'
import { associationSource } from './eks/store.ts'
import { type AccessEntrySource, accessEntrySource } from './eks/access-entry-source.ts'
import { admitCreator } from './eks/cluster-access.ts'
import { activate, DEFAULT_VERSION } from './eks/clusters.ts'
import { type EksTokenIdentity, verifyEksToken } from './eks-tokens.ts'
import { newAccessKeyId, newSecretAccessKey, newUniqueId } from './identifiers.ts'
import { decideTrust } from './identity/authorization.ts'
import { newMessageKey } from './identity/authorization-message.ts'
import {
  asCredentials,
  type IssuedCredentials,
  sessionArn,
  startSession,
} from './identity/sessions.ts'
import {
  beginServiceControlPolicies,
  type ServiceControlSetting,
  setServiceControlPolicies,
} from './identity/organization.ts'
import { type InstalledRole, installRole } from './iam/installed-roles.ts'
import { installAwsPolicies } from './iam/managed-policies.ts'
import { ensureServiceLinkedRole } from './iam/service-linked-roles.ts'
import { beginQuotas, type QuotaSetting, setQuota } from './quotas/quotas.ts'
import {
  clusterKey,
  type ClusterRecord,
  nameKey,
  openTables,
  type Tables,
  type ServiceControlPolicy,
  type SessionRecord,
} from './records.ts'
import { createSecureHandler, issuerHostOf } from './secure.ts'
import { createIssuerKeys } from './sts/issuer-key-cache.ts'
import { findRole } from './sts/parameters.ts'
import { RequestRates } from './sts/request-rates.ts'
import type { Call, ClusterRuntime, ClusterSpec, World } from './world.ts'

export type { ClusterRuntime, ClusterSpec } from './world.ts'
export type { DecisionLog } from './decisions.ts'
export type { IssuedCredentials } from './identity/sessions.ts'

/** What serves `Aws.handler` must let bodies of this size through: S3's objects, framed. */
export const AWS_MAX_BODY_BYTES = 34 << 20

export interface AwsOptions {
  readonly state: State
  readonly clock: Clock
  readonly log: Log
  /** Twelve digits each; the first is the default. */
  readonly accountIds: readonly string[]
  readonly region: string
  readonly names: IssuerNames
  /** `SERVICE:OPERATION=EFFECT[,EFFECT…]`: what goes wrong from the start. */
  readonly faults?: readonly string[]
  /** How long STS keeps an issuer's keys; 0 (the default) fetches them for each token. */
  readonly issuerKeyCacheMs?: number
  /** What EKS's CreateCluster starts; without it there are only clusters that were added. */
  readonly launchCluster?: (spec: ClusterSpec) => Promise<ClusterRuntime>
  readonly stopCluster?: (spec: ClusterSpec) => Promise<void>
  /** Until the sandbox ends. */
  readonly serviceControlPolicies?: readonly ServiceControlSetting[]
  /** In place of AWS's defaults, until the sandbox ends. */
  readonly quotas?: readonly QuotaSetting[]
}

/** A role's session for a service of AWS. */
export interface ServiceSessionRequest {
  readonly roleArn: string
  /** `ec2.amazonaws.com`: the role's trust policy must allow it. */
  readonly service: string
  readonly sessionName: string
  readonly durationSeconds: number
}

/** Where a cluster is. */
interface ClusterPlace {
  readonly accountId: string
  readonly region: string
  readonly name: string
}

export interface Aws {
  /** Those that were asked for, and those that the state has besides. */
  readonly accountIds: readonly string[]
  /** `http://127.0.0.1:PORT`: every service. */
  readonly handler: Handler
  /** HTTPS by name: S3, EKS's issuers, `*.issuer.sandbox`. */
  readonly secureHandler: Handler
  /** The key of an IAM user who may do everything in that account (the first by default). */
  adminCredentials(accountId?: string): { accessKeyId: string; secretAccessKey: Secret }
  /** An EKS cluster that already runs; one that the state knows goes on as it was. */
  addCluster(spec: ClusterSpec, runtime: ClusterRuntime): void
  /** True also while the cluster is being created. */
  hasCluster(accountId: string, region: string, name: string): boolean
  /** An issuer at `https://HOST.issuer.sandbox/…`. */
  addIssuer(host: string, app: Handler): void
  /**
   * What a service of AWS gets for a role, as EC2 for a node's.
   * @throws PodroleError `RoleNotAssumable`
   */
  issueServiceCredentials(request: ServiceSessionRequest): IssuedCredentials
  /** Puts a role there that no call makes, and gives its ARN. */
  installRole(role: InstalledRole): string
  /** An EC2 instance, for DescribeInstances: new, or in the place of the same node's. */
  putInstance(spec: InstanceSpec): InstanceRecord
  /** Sets a quota, for one account or (`*`) for all; it holds from the next call on. */
  setQuota(setting: QuotaSetting): void
  /** Policies of an organization over one account or (`*`) all; none ends them. */
  setServiceControlPolicies(accountId: string, policies: readonly ServiceControlPolicy[]): void
  /** The faults that are in force, to be changed at any time. */
  readonly faults: FaultBoard
  /** The session tags of the newest session with that ARN; empty where there is none. */
  sessionTags(sessionArn: string): Readonly<Record<string, string>>
  /** What the API server of an EKS cluster asks of AWS: whose token it is, and its access entry. */
  eksAccess(place: ClusterPlace): {
    eksTokens(token: string): Promise<EksTokenIdentity | undefined>
    readonly entries: AccessEntrySource
  }
  /** The associations of an EKS cluster, as its control plane knows them. */
  associationsOf(place: ClusterPlace): AssociationsClient
  /** The state was brought back to what it was: everybody sees that at once. */
  restored(): void
  readonly decisions: DecisionLog
  /** Every secret key and session token that was given out. */
  issuedSecrets(): readonly string[]
}

const ADMIN = 'admin'
const ADMIN_POLICY = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }],
})

export function createAws(options: AwsOptions): Aws {
  const tables = openTables(options.state)
  const { launchCluster, stopCluster, state, clock } = options
  const decisions = createDecisionLog()
  const partition = partitionOfRegion(options.region).id
  installAwsPolicies(tables, partition)
  beginServiceControlPolicies(tables, options.serviceControlPolicies ?? [])
  beginQuotas(tables, options.quotas ?? [])
  for (const accountId of options.accountIds) installAdmin({ tables, partition, clock }, accountId)
  const accountIds = accountsOf(tables, options.accountIds)
  const board = createFaultBoard(options.faults)
  const eventual = createEventualTables(state, clock, (service) => board.eventualMs(service))
  const world: World = {
    tables,
    seen: eventual.seen,
    faults: { board, tables: eventual },
    issuerKeys: createIssuerKeys(options.names, clock, options.issuerKeyCacheMs ?? 0),
    messageKey: newMessageKey(),
    stsRates: new RequestRates(),
    clock,
    log: options.log,
    names: options.names,
    decisions,
    accountIds,
    region: options.region,
    partition,
    runtimes: new Map(),
    ...(launchCluster !== undefined && { launchCluster }),
    ...(stopCluster !== undefined && { stopCluster }),
  }
  const issuers = new Map<string, Handler>()
  return {
    accountIds,
    handler: dispatchHandler(world),
    secureHandler: createSecureHandler(world, issuers),
    adminCredentials: (accountId = options.accountIds[0] ?? '') => adminKey(world, accountId),
    addCluster: (spec, runtime) => addCluster(world, spec, runtime),
    hasCluster: (accountId, region, name) =>
      tables.clusters.has(clusterKey(accountId, region, name)),
    addIssuer: (host, app) => {
      issuers.set(issuerHostOf(host), app)
    },
    issueServiceCredentials: (request) => issueServiceCredentials(world, request),
    installRole: (role) => installRole(world, role).arn,
    putInstance: (spec) => putInstance(tables, spec, options.clock.now()),
    faults: board,
    setQuota: (setting) => setQuota(tables, setting),
    setServiceControlPolicies: (accountId, policies) =>
      setServiceControlPolicies(tables, accountId, policies),
    restored: () => {
      eventual.forget()
      settleClusters(world)
    },
    sessionTags: (arn) => findSession(world, arn)?.tags ?? {},
    decisions,
    eksAccess: (place) => ({
      eksTokens: async (token) =>
        verifyEksToken({ ...world, tables: eventual.seen }, token, place.name),
      entries: accessEntrySource(eventual.seen, place),
    }),
    associationsOf: (place) => associationSource(eventual.seen, place),
    issuedSecrets: () =>
      [...tables.keys.values()].flatMap(({ secretAccessKey, session, temporary }) => {
        const token = (session ?? temporary)?.sessionToken
        return token === undefined ? [secretAccessKey] : [secretAccessKey, token]
      }),
  }
}

function installAdmin(
  world: Pick<World, 'tables' | 'partition' | 'clock'>,
  accountId: string,
): void {
  const { tables, partition } = world
  const key = nameKey(accountId, ADMIN)
  if (tables.users.has(key)) return
  tables.users.set(key, {
    accountId,
    userName: ADMIN,
    userId: newUniqueId('AIDA'),
    arn: `arn:${partition}:iam::${accountId}:user/${ADMIN}`,
    path: '/',
    inlinePolicies: { administrator: ADMIN_POLICY },
    attachedPolicyArns: [],
    tags: {},
    createdAtMs: world.clock.now(),
  })
  const accessKeyId = newAccessKeyId('AKIA')
  const secretAccessKey = newSecretAccessKey()
  tables.keys.set(accessKeyId, { accessKeyId, secretAccessKey, accountId, userName: ADMIN })
}

/** An account is there where its administrator is. */
const accountsOf = (tables: Tables, asked: readonly string[]): readonly string[] => {
  const admins = [...tables.users.values()].filter(({ userName }) => userName === ADMIN)
  return [...new Set([...asked, ...admins.map(({ accountId }) => accountId)])]
}

function adminKey(
  world: World,
  accountId: string,
): { accessKeyId: string; secretAccessKey: Secret } {
  for (const key of world.tables.keys.values()) {
    if (key.accountId !== accountId || key.userName !== ADMIN || key.temporary) continue
    return { accessKeyId: key.accessKeyId, secretAccessKey: new Secret(key.secretAccessKey) }
  }
  throw new PodroleError(
    'UnknownAccount',
    `the sandbox has no account ${JSON.stringify(accountId)}: wanted one of ${world.accountIds.join(', ')}`,
  )
}

function findSession(world: World, arn: string): SessionRecord | undefined {
  const { tables, partition } = world
  return [...tables.keys.values()].findLast(
    ({ accountId, session }) =>
      session !== undefined && sessionArn(partition, accountId, session) === arn,
  )?.session
}

function addCluster(world: World, spec: ClusterSpec, runtime: ClusterRuntime): void {
  const known = world.tables.clusters.get(clusterKey(spec.accountId, spec.region, spec.name))
  // Its access entries are what they were, also where its creator's was deleted.
  if (known !== undefined) return activate(world, known, runtime)
  const { partition, clock } = world
  const arn = `arn:${partition}:eks:${spec.region}:${spec.accountId}:cluster/${spec.name}`
  const defaultRole = `arn:${partition}:iam::${spec.accountId}:role/eks-cluster-${spec.name}`
  const record: ClusterRecord = {
    accountId: spec.accountId,
    region: spec.region,
    name: spec.name,
    arn,
    status: 'CREATING',
    kubernetesVersion: spec.kubernetesVersion ?? DEFAULT_VERSION,
    roleArn: spec.roleArn ?? defaultRole,
    tags: spec.tags ?? {},
    createdAtMs: clock.now(),
    creatorArn: `arn:${partition}:iam::${spec.accountId}:user/${ADMIN}`,
  }
  activate(world, record, runtime)
  admitCreator(world, record, clock.now())
  ensureServiceLinkedRole(world, spec.accountId, 'eks.amazonaws.com')
}

/** Records of clusters that run say so, whatever they were doing; others have nothing behind them. */
function settleClusters(world: World): void {
  for (const [key, runtime] of world.runtimes) {
    const record = world.tables.clusters.get(key)
    if (record === undefined) world.runtimes.delete(key)
    else if (record.status !== 'ACTIVE') activate(world, record, runtime)
  }
}

function issueServiceCredentials(world: World, request: ServiceSessionRequest): IssuedCredentials {
  const role = findRole(world.tables, request.roleArn)
  const caller = { kind: 'service', service: request.service } as const
  const call: Call = {
    world,
    protocol: 'query',
    service: 'sts',
    operation: 'AssumeRole',
    region: world.region,
    requestId: crypto.randomUUID(),
    nowMs: world.clock.now(),
    sourceIp: '127.0.0.1',
    secure: true,
    userAgent: request.service,
    identity: { caller },
  }
  const context = { 'sts:RoleSessionName': request.sessionName }
  const ask = { caller, key: undefined, action: 'sts:AssumeRole', context }
  const decision = role === undefined ? undefined : decideTrust(call, { ...ask, role })
  if (role === undefined || decision?.allowed !== true) {
    throw new PodroleError(
      'RoleNotAssumable',
      `${request.service} cannot assume ${request.roleArn}: ${decision?.text ?? 'there is no such role'}`,
      { hint: `the role's trust policy must allow sts:AssumeRole to ${request.service}` },
    )
  }
  const { sessionName, durationSeconds } = request
  const region = world.region
  return asCredentials(startSession(world, { role, sessionName, durationSeconds, region }))
}

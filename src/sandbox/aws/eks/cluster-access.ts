/** How a cluster lets people in: its authentication mode, and its creator's way in. */
import type { Caller } from '../../../iam/request.ts'
import { uniqueIdOf } from '../iam/principals.ts'
import type { ClusterRecord } from '../records.ts'
import { textMember } from '../wire/json.ts'
import type { World } from '../world.ts'
import { putEntry } from './access-entries.ts'
import { readPrincipal } from './access-entry-rules.ts'
import { accessEntryKey } from './access-entry-source.ts'
import { accessPolicyArn } from './access-policies.ts'
import { clusterKeyOf } from './access-entries.ts'
import { booleanMember, invalidParameter, type JsonObject, objectMember } from './body.ts'
import type { AuthenticationMode } from './records.ts'

const MODES: readonly AuthenticationMode[] = ['API', 'API_AND_CONFIG_MAP', 'CONFIG_MAP']

/** @throws AwsFault `InvalidParameterException` */
export function readMode(config: JsonObject): AuthenticationMode | undefined {
  const text = textMember(config, 'authenticationMode')
  const mode = MODES.find((one) => one === text)
  if (mode !== undefined || text === undefined) return mode
  throw invalidParameter(
    `authenticationMode ${text.slice(0, 100)} is not valid: wanted one of ${MODES.join(', ')}`,
  )
}

/** `accessConfig` of CreateCluster: through the API the default is CONFIG_MAP. */
export function readAccessConfig(body: JsonObject): {
  readonly authenticationMode: AuthenticationMode
  readonly bootstrapCreatorAdmin: boolean
} {
  const config = objectMember(body, 'accessConfig') ?? {}
  const authenticationMode = readMode(config) ?? 'CONFIG_MAP'
  const bootstrapCreatorAdmin =
    booleanMember(config, 'bootstrapClusterCreatorAdminPermissions') ?? true
  if (authenticationMode === 'CONFIG_MAP' && !bootstrapCreatorAdmin) {
    throw invalidParameter(
      'bootstrapClusterCreatorAdminPermissions must be true if cluster authentication mode is set to CONFIG_MAP',
    )
  }
  return { authenticationMode, bootstrapCreatorAdmin }
}

/** The role or user behind a caller; none for others. */
export function creatorArnOf(caller: Caller): string | undefined {
  if (caller.kind === 'user') return caller.arn
  if (caller.kind === 'federated-user') return caller.userArn
  return caller.kind === 'role-session' ? caller.roleArn : undefined
}

/**
 * The creator's entry, where the cluster knows entries and was to give its creator one.
 * Source: Amazon EKS API Reference, CreateAccessConfigRequest.
 */
export function admitCreator(world: World, cluster: ClusterRecord, nowMs: number): void {
  const { creatorArn, authenticationMode, bootstrapCreatorAdmin } = cluster
  if (creatorArn === undefined || bootstrapCreatorAdmin === false) return
  if (authenticationMode === 'CONFIG_MAP') return
  if (uniqueIdOf(world.tables, creatorArn) === undefined) return
  if (world.tables.accessEntries.has(accessEntryKey(clusterKeyOf(cluster), creatorArn))) return
  const principal = readPrincipal(world.tables, creatorArn, 'STANDARD')
  const policy = {
    policyArn: accessPolicyArn(world.partition, 'AmazonEKSClusterAdminPolicy'),
    accessScope: { type: 'cluster' } as const,
    associatedAtMs: nowMs,
    modifiedAtMs: nowMs,
  }
  putEntry(world, { cluster, principal, type: 'STANDARD', policies: [policy] }, nowMs)
}

/** The modes may only grow towards the API. */
export function checkModeChange(from: AuthenticationMode, to: AuthenticationMode): void {
  const allowed =
    (from === 'CONFIG_MAP' && to === 'API_AND_CONFIG_MAP') ||
    (from === 'API_AND_CONFIG_MAP' && to === 'API')
  if (!allowed) {
    throw invalidParameter(`Unsupported authentication mode update from ${from} to ${to}`)
  }
}

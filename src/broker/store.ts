/** What a broker keeps besides associations: clusters, keys, its issuer's signing key, issuances. */
import type { Migration, SqliteDatabase } from '../associations/sqlite.ts'
import { type IssuerState, parseIssuerState } from '../issuer/rotation/state.ts'
import { PodroleError } from '../lib/errors.ts'
import { Secret } from '../lib/secret.ts'

/** A cluster whose pods the broker gives credentials to. */
export interface RegisteredCluster {
  readonly name: string
  /** `arn:PARTITION:podrole:REGION:ACCOUNT:cluster/NAME` */
  readonly arn: string
  /** What its service account tokens hold as `iss`. */
  readonly issuer: string
  /** JWKS, JSON text: the public keys that its tokens are signed with. */
  readonly jwks: string
  /** Which audiences a pod's token may have. */
  readonly audiences: readonly string[]
  /** Service accounts, `NAMESPACE/NAME`, whose tokens prove an agent. */
  readonly agents: readonly string[]
  /** Whether `jwks` goes along with what the issuer publishes. */
  readonly followsIssuer: boolean
  readonly createdAtMs: number
  readonly modifiedAtMs: number
}

/**
 * What a broker key may do: an admin's everything but asking for credentials; an agent's that alone,
 * for the pods of one cluster; a webhook's only read the associations of one cluster.
 */
export type KeyScope =
  | { readonly kind: 'admin' }
  | { readonly kind: 'agent' | 'webhook'; readonly clusterName: string }

/** A key for SigV4 against the broker alone; AWS does not know it. */
export interface BrokerKey {
  readonly accessKeyId: string
  readonly secretAccessKey: Secret
  readonly scope: KeyScope
  readonly description: string
  readonly createdAtMs: number
}

/** The fleet issuer's private key as it is stored. */
export interface StoredSigningKey {
  readonly kid: string
  /** Sealed, or as `issuer/` exports it. */
  readonly exported: Secret
  readonly createdAtMs: number
}

/** How far the fleet issuer's keys are, as all brokers of a database share it. */
export interface StoredIssuerState {
  readonly state: IssuerState
  /** Another one after every change. */
  readonly version: number
}

/** Who got what: no secret is in it. */
export interface Issuance {
  readonly atMs: number
  readonly clusterName: string
  readonly namespace: string
  readonly serviceAccount: string
  readonly podName: string
  readonly podUid: string
  readonly nodeName?: string
  /** How the agent proved itself: `key:ID` or `system:serviceaccount:…`. */
  readonly agent: string
  readonly associationId: string
  readonly roleArn: string
  readonly targetRoleArn?: string
  /** The session's ARN, which CloudTrail shows. */
  readonly assumedRoleArn: string
  /** `jti` of the fleet token. */
  readonly tokenId: string
  readonly expiresAtMs: number
}

/** The fleet issuer's keys, as far as a store keeps them. */
export interface FleetKeyStore {
  /** Undefined where no broker has made a key yet. */
  readIssuerState(): Promise<StoredIssuerState | undefined>
  /**
   * Writes a state over the version that was read, or where nothing was (`undefined`); false, and
   * nothing is written, where another broker was faster.
   */
  replaceIssuerState(state: IssuerState, replaces: number | undefined): Promise<boolean>
  /** In the order of their kids. */
  listSigningKeys(): Promise<readonly StoredSigningKey[]>
  /** Puts it in the place of one with the same kid, if there is one. */
  putSigningKey(key: StoredSigningKey): Promise<void>
  deleteSigningKey(kid: string): Promise<void>
}

export interface BrokerStore extends FleetKeyStore {
  /** True where the cluster is new. */
  putCluster(cluster: RegisteredCluster): Promise<boolean>
  getCluster(name: string): Promise<RegisteredCluster | undefined>
  /** In the order of their names. */
  listClusters(): Promise<readonly RegisteredCluster[]>
  /**
   * Puts other keys in the place of those that were read; false, and nothing is written, where the
   * cluster is gone or was changed since.
   */
  replaceClusterKeys(
    read: Pick<RegisteredCluster, 'name' | 'jwks' | 'modifiedAtMs'>,
    next: Pick<RegisteredCluster, 'jwks' | 'modifiedAtMs'>,
  ): Promise<boolean>
  /**
   * Deletes a cluster and the keys that are limited to it.
   * @throws PodroleError `ClusterInUse` while it has associations
   */
  deleteCluster(name: string): Promise<boolean>
  addKey(key: BrokerKey): Promise<void>
  getKey(accessKeyId: string): Promise<BrokerKey | undefined>
  listKeys(): Promise<readonly BrokerKey[]>
  deleteKey(accessKeyId: string): Promise<boolean>
  recordIssuance(issuance: Issuance): Promise<void>
  /** Newest first. */
  listIssuances(limit: number): Promise<readonly Issuance[]>
}

/** The tables of `createBrokerStore`, which stand beside those of the associations. */
export const BROKER_MIGRATIONS: readonly Migration[] = [
  {
    name: '0002-broker',
    statements: `
      create table clusters (
        name text primary key,
        arn text not null unique,
        issuer text not null,
        jwks text not null,
        audiences text not null,
        agents text not null,
        created_at_ms integer not null,
        modified_at_ms integer not null
      );
      create table broker_keys (
        access_key_id text primary key,
        secret_access_key text not null,
        scope text not null,
        cluster_name text,
        description text not null,
        created_at_ms integer not null
      );
      create table signing_keys (
        kid text primary key,
        exported text not null,
        created_at_ms integer not null
      );
      create table issuances (
        id integer primary key autoincrement,
        at_ms integer not null,
        cluster_name text not null,
        namespace text not null,
        service_account text not null,
        pod_name text not null,
        pod_uid text not null,
        node_name text,
        agent text not null,
        association_id text not null,
        role_arn text not null,
        target_role_arn text,
        assumed_role_arn text not null,
        token_id text not null,
        expires_at_ms integer not null
      );
      create index issuances_by_service_account
        on issuances (cluster_name, namespace, service_account, at_ms);
    `,
  },
  {
    name: '0003-issuer-state',
    statements: `
      create table issuer_state (
        id integer primary key check (id = 1),
        version integer not null,
        state text not null
      );
    `,
  },
  {
    name: '0004-followed-issuers',
    statements: 'alter table clusters add column follows_issuer integer not null default 0;',
  },
]

interface ClusterRow {
  readonly name: string
  readonly arn: string
  readonly issuer: string
  readonly jwks: string
  readonly audiences: string
  readonly agents: string
  readonly follows_issuer: number
  readonly created_at_ms: number
  readonly modified_at_ms: number
}

interface KeyRow {
  readonly access_key_id: string
  readonly secret_access_key: string
  readonly scope: string
  readonly cluster_name: string | null
  readonly description: string
  readonly created_at_ms: number
}

interface SigningKeyRow {
  readonly kid: string
  readonly exported: string
  readonly created_at_ms: number
}

interface IssuerStateRow {
  readonly version: number
  readonly state: string
}

interface IssuanceRow {
  readonly at_ms: number
  readonly cluster_name: string
  readonly namespace: string
  readonly service_account: string
  readonly pod_name: string
  readonly pod_uid: string
  readonly node_name: string | null
  readonly agent: string
  readonly association_id: string
  readonly role_arn: string
  readonly target_role_arn: string | null
  readonly assumed_role_arn: string
  readonly token_id: string
  readonly expires_at_ms: number
}

/** A store over a database that has the associations' migrations and `BROKER_MIGRATIONS`. */
export function createBrokerStore(database: SqliteDatabase): BrokerStore {
  return {
    ...clusterQueries(database),
    ...keyQueries(database),
    ...signingKeyQueries(database),
    recordIssuance: async (issuance) => {
      await database.write((sql) => sql`insert into issuances ${sql(issuanceRow(issuance))}`)
    },
    listIssuances: async (limit) => {
      const rows: IssuanceRow[] = await database.read(
        (sql) => sql`select * from issuances order by id desc limit ${limit}`,
      )
      return rows.map(issuanceOf)
    },
  }
}

function clusterQueries(
  database: SqliteDatabase,
): Pick<
  BrokerStore,
  'putCluster' | 'getCluster' | 'listClusters' | 'replaceClusterKeys' | 'deleteCluster'
> {
  return {
    putCluster: (cluster) =>
      database.write(async (sql) => {
        const known: unknown[] = await sql`select 1 from clusters where name = ${cluster.name}`
        const row = clusterRow(cluster)
        if (known.length > 0) await sql`update clusters set ${sql(row)} where name = ${row.name}`
        else await sql`insert into clusters ${sql(row)}`
        return known.length === 0
      }),
    getCluster: async (name) => {
      const rows: ClusterRow[] = await database.read(
        (sql) => sql`select * from clusters where name = ${name}`,
      )
      return rows.map(clusterOf)[0]
    },
    listClusters: async () => {
      const rows: ClusterRow[] = await database.read(
        (sql) => sql`select * from clusters order by name`,
      )
      return rows.map(clusterOf)
    },
    replaceClusterKeys: async (read, next) => {
      const changed: unknown[] = await database.write(
        (sql) => sql`update clusters set jwks = ${next.jwks}, modified_at_ms = ${next.modifiedAtMs}
          where name = ${read.name} and jwks = ${read.jwks}
            and modified_at_ms = ${read.modifiedAtMs} and follows_issuer = 1
          returning 1`,
      )
      return changed.length > 0
    },
    deleteCluster: (name) => database.write((sql) => deleteCluster(sql, name)),
  }
}

async function deleteCluster(sql: Bun.SQL, name: string): Promise<boolean> {
  const used: unknown[] = await sql`select 1 from associations where cluster_name = ${name} limit 1`
  if (used.length > 0) {
    throw new PodroleError('ClusterInUse', `cluster ${name} still has associations`, {
      status: 409,
      hint: 'Delete its associations first.',
    })
  }
  await sql`delete from broker_keys where cluster_name = ${name}`
  const gone: unknown[] = await sql`delete from clusters where name = ${name} returning name`
  return gone.length > 0
}

function keyQueries(
  database: SqliteDatabase,
): Pick<BrokerStore, 'addKey' | 'getKey' | 'listKeys' | 'deleteKey'> {
  return {
    addKey: async (key) => {
      await database.write((sql) => sql`insert into broker_keys ${sql(keyRow(key))}`)
    },
    getKey: async (accessKeyId) => {
      const rows: KeyRow[] = await database.read(
        (sql) => sql`select * from broker_keys where access_key_id = ${accessKeyId}`,
      )
      return rows.map(keyOf)[0]
    },
    listKeys: async () => {
      const rows: KeyRow[] = await database.read(
        (sql) => sql`select * from broker_keys order by created_at_ms, access_key_id`,
      )
      return rows.map(keyOf)
    },
    deleteKey: async (accessKeyId) => {
      const gone: unknown[] = await database.write(
        (sql) => sql`delete from broker_keys where access_key_id = ${accessKeyId} returning 1`,
      )
      return gone.length > 0
    },
  }
}

function signingKeyQueries(database: SqliteDatabase): FleetKeyStore {
  return {
    readIssuerState: async () => {
      const [row]: IssuerStateRow[] = await database.read(
        (sql) => sql`select version, state from issuer_state`,
      )
      if (row === undefined) return undefined
      const state = parseIssuerState(row.state, "the database's issuer_state")
      return { state, version: row.version }
    },
    replaceIssuerState: (state, replaces) =>
      database.write(async (sql) => {
        const [row]: IssuerStateRow[] = await sql`select version, state from issuer_state`
        if (row?.version !== replaces) return false
        const text = JSON.stringify(state)
        await (row === undefined
          ? sql`insert into issuer_state (id, version, state) values (1, 1, ${text})`
          : sql`update issuer_state set version = ${row.version + 1}, state = ${text}`)
        return true
      }),
    listSigningKeys: async () => {
      const rows: SigningKeyRow[] = await database.read(
        (sql) => sql`select * from signing_keys order by kid`,
      )
      return rows.map(signingKeyOf)
    },
    putSigningKey: async ({ kid, exported, createdAtMs }) => {
      await database.write(
        (sql) => sql`insert or replace into signing_keys (kid, exported, created_at_ms)
          values (${kid}, ${exported.reveal()}, ${createdAtMs})`,
      )
    },
    deleteSigningKey: async (kid) => {
      await database.write((sql) => sql`delete from signing_keys where kid = ${kid}`)
    },
  }
}

const signingKeyOf = (row: SigningKeyRow): StoredSigningKey => ({
  kid: row.kid,
  exported: new Secret(row.exported),
  createdAtMs: row.created_at_ms,
})

function clusterRow(cluster: RegisteredCluster): ClusterRow {
  return {
    name: cluster.name,
    arn: cluster.arn,
    issuer: cluster.issuer,
    jwks: cluster.jwks,
    audiences: JSON.stringify(cluster.audiences),
    agents: JSON.stringify(cluster.agents),
    follows_issuer: cluster.followsIssuer ? 1 : 0,
    created_at_ms: cluster.createdAtMs,
    modified_at_ms: cluster.modifiedAtMs,
  }
}

function clusterOf(row: ClusterRow): RegisteredCluster {
  return {
    name: row.name,
    arn: row.arn,
    issuer: row.issuer,
    jwks: row.jwks,
    audiences: JSON.parse(row.audiences) as string[],
    agents: JSON.parse(row.agents) as string[],
    followsIssuer: row.follows_issuer === 1,
    createdAtMs: row.created_at_ms,
    modifiedAtMs: row.modified_at_ms,
  }
}

function keyRow(key: BrokerKey): KeyRow {
  return {
    access_key_id: key.accessKeyId,
    secret_access_key: key.secretAccessKey.reveal(),
    scope: key.scope.kind,
    cluster_name: key.scope.kind === 'admin' ? null : key.scope.clusterName,
    description: key.description,
    created_at_ms: key.createdAtMs,
  }
}

function keyOf(row: KeyRow): BrokerKey {
  return {
    accessKeyId: row.access_key_id,
    secretAccessKey: new Secret(row.secret_access_key),
    scope: scopeOf(row),
    description: row.description,
    createdAtMs: row.created_at_ms,
  }
}

function issuanceRow(issuance: Issuance): IssuanceRow {
  return {
    at_ms: issuance.atMs,
    cluster_name: issuance.clusterName,
    namespace: issuance.namespace,
    service_account: issuance.serviceAccount,
    pod_name: issuance.podName,
    pod_uid: issuance.podUid,
    node_name: issuance.nodeName ?? null,
    agent: issuance.agent,
    association_id: issuance.associationId,
    role_arn: issuance.roleArn,
    target_role_arn: issuance.targetRoleArn ?? null,
    assumed_role_arn: issuance.assumedRoleArn,
    token_id: issuance.tokenId,
    expires_at_ms: issuance.expiresAtMs,
  }
}

function issuanceOf(row: IssuanceRow): Issuance {
  return {
    atMs: row.at_ms,
    clusterName: row.cluster_name,
    namespace: row.namespace,
    serviceAccount: row.service_account,
    podName: row.pod_name,
    podUid: row.pod_uid,
    ...(row.node_name !== null && { nodeName: row.node_name }),
    agent: row.agent,
    associationId: row.association_id,
    roleArn: row.role_arn,
    ...(row.target_role_arn !== null && { targetRoleArn: row.target_role_arn }),
    assumedRoleArn: row.assumed_role_arn,
    tokenId: row.token_id,
    expiresAtMs: row.expires_at_ms,
  }
}

/** What is not plainly an admin's or an agent's key is limited to reading; no name fits no cluster. */
function scopeOf(row: KeyRow): KeyScope {
  if (row.scope === 'admin') return { kind: 'admin' }
  const clusterName = row.cluster_name ?? ''
  return { kind: row.scope === 'agent' ? 'agent' : 'webhook', clusterName }
}

/** Associations in SQLite. */
import type { Association, AssociationKey } from './association.ts'
import { isUniqueViolation, type Migration, type SqliteDatabase } from './sqlite.ts'
import { AssociationExists, type AssociationFilter, type AssociationStore } from './store.ts'

/** The tables of `createSqliteStore`: pass them to `openSqlite`. */
export const ASSOCIATION_MIGRATIONS: readonly Migration[] = [
  {
    name: '0001-associations',
    statements: `
      create table associations (
        association_id text primary key,
        association_arn text not null,
        cluster_name text not null,
        namespace text not null,
        service_account text not null,
        role_arn text not null,
        target_role_arn text,
        disable_session_tags integer not null,
        policy text,
        external_id text,
        owner_arn text,
        tags text not null,
        created_at_ms integer not null,
        modified_at_ms integer not null,
        unique (cluster_name, namespace, service_account)
      );
    `,
  },
]

interface Row {
  readonly association_id: string
  readonly association_arn: string
  readonly cluster_name: string
  readonly namespace: string
  readonly service_account: string
  readonly role_arn: string
  readonly target_role_arn: string | null
  readonly disable_session_tags: number
  readonly policy: string | null
  readonly external_id: string | null
  readonly owner_arn: string | null
  readonly tags: string
  readonly created_at_ms: number
  readonly modified_at_ms: number
}

/** A store over a database that has `ASSOCIATION_MIGRATIONS`. */
export function createSqliteStore(database: SqliteDatabase): AssociationStore {
  return {
    create: (association) => createRow(database, association),
    find: (key) => findRow(database, key),
    get: async (clusterName, associationId) => {
      const rows: Row[] = await database.read(
        (sql) => sql`select * from associations
          where association_id = ${associationId} and cluster_name = ${clusterName}`,
      )
      return rows.map(fromRow)[0]
    },
    list: (filter) => listRows(database, filter),
    replace: (association) => replaceRow(database, association),
    delete: async (clusterName, associationId) => {
      const rows: Row[] = await database.write(
        (sql) => sql`delete from associations
          where association_id = ${associationId} and cluster_name = ${clusterName} returning *`,
      )
      return rows.map(fromRow)[0]
    },
  }
}

async function createRow(database: SqliteDatabase, association: Association): Promise<void> {
  try {
    await database.write((sql) => sql`insert into associations ${sql(toRow(association))}`)
  } catch (error) {
    if (!isUniqueViolation(error)) throw error
    const existing = await findRow(database, association)
    throw new AssociationExists(existing?.associationId ?? association.associationId)
  }
}

async function findRow(
  database: SqliteDatabase,
  key: AssociationKey,
): Promise<Association | undefined> {
  const rows: Row[] = await database.read(
    (sql) => sql`select * from associations where cluster_name = ${key.clusterName}
      and namespace = ${key.namespace} and service_account = ${key.serviceAccount}`,
  )
  return rows.map(fromRow)[0]
}

async function listRows(
  database: SqliteDatabase,
  filter: AssociationFilter,
): Promise<readonly Association[]> {
  const { namespace = null, serviceAccount = null, after = '' } = filter
  const rows: Row[] = await database.read(
    (sql) => sql`select * from associations where cluster_name = ${filter.clusterName}
      and (${namespace} is null or namespace = ${namespace})
      and (${serviceAccount} is null or service_account = ${serviceAccount})
      and association_id > ${after}
      order by association_id limit ${filter.limit}`,
  )
  return rows.map(fromRow)
}

async function replaceRow(database: SqliteDatabase, association: Association): Promise<boolean> {
  const row = toRow(association)
  const rows: unknown[] = await database.write(
    (sql) => sql`update associations set ${sql(row)} where association_id = ${row.association_id}
      and cluster_name = ${row.cluster_name} returning association_id`,
  )
  return rows.length > 0
}

function toRow(association: Association): Row {
  return {
    association_id: association.associationId,
    association_arn: association.associationArn,
    cluster_name: association.clusterName,
    namespace: association.namespace,
    service_account: association.serviceAccount,
    role_arn: association.roleArn,
    target_role_arn: association.targetRoleArn ?? null,
    disable_session_tags: association.disableSessionTags ? 1 : 0,
    policy: association.policy ?? null,
    external_id: association.externalId ?? null,
    owner_arn: association.ownerArn ?? null,
    tags: JSON.stringify(association.tags),
    created_at_ms: association.createdAtMs,
    modified_at_ms: association.modifiedAtMs,
  }
}

function fromRow(row: Row): Association {
  return {
    associationId: row.association_id,
    associationArn: row.association_arn,
    clusterName: row.cluster_name,
    namespace: row.namespace,
    serviceAccount: row.service_account,
    roleArn: row.role_arn,
    ...(row.target_role_arn !== null && { targetRoleArn: row.target_role_arn }),
    disableSessionTags: row.disable_session_tags === 1,
    ...(row.policy !== null && { policy: row.policy }),
    ...(row.external_id !== null && { externalId: row.external_id }),
    ...(row.owner_arn !== null && { ownerArn: row.owner_arn }),
    tags: JSON.parse(row.tags) as Record<string, string>,
    createdAtMs: row.created_at_ms,
    modifiedAtMs: row.modified_at_ms,
  }
}

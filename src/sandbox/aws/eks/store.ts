import type { AssociationsClient } from '../../../aws/associations-client.ts'
import type { Association } from '../../../associations/association.ts'
import { AssociationExists, type AssociationStore } from '../../../associations/store.ts'
import type { AssociationRecord, Tables } from '../records.ts'

/** The associations of one cluster, to those who need no permission for it. */
export function associationSource(
  tables: Tables,
  {
    name,
    ...place
  }: { readonly accountId: string; readonly region: string; readonly name: string },
): AssociationsClient {
  const store = associationStore(tables, place)
  return {
    exists: async (_cluster, account) => {
      const key = { clusterName: name, namespace: account.namespace, serviceAccount: account.name }
      return (await store.find(key)) !== undefined
    },
    list: () => store.list({ clusterName: name, limit: Number.POSITIVE_INFINITY }),
  }
}

/** The associations of one account and region, kept in the sandbox's tables. */
export function associationStore(
  tables: Tables,
  place: { readonly accountId: string; readonly region: string },
): AssociationStore {
  const { accountId, region } = place
  const keyOf = (clusterName: string, id: string): string =>
    `${accountId}/${region}/${clusterName}/${id}`
  const all = (clusterName: string): Association[] =>
    [...tables.associations.values()]
      .filter((record) => record.accountId === accountId && record.region === region)
      .map(({ association }) => association)
      .filter((association) => association.clusterName === clusterName)
  const findNow = (key: Parameters<AssociationStore['find']>[0]): Association | undefined =>
    all(key.clusterName).find(
      ({ namespace, serviceAccount }) =>
        namespace === key.namespace && serviceAccount === key.serviceAccount,
    )
  const save = (association: Association): void => {
    const record: AssociationRecord = { accountId, region, association }
    tables.associations.set(keyOf(association.clusterName, association.associationId), record)
  }
  return {
    create: async (association) => {
      const known = findNow(association)
      if (known !== undefined) throw new AssociationExists(known.associationId)
      save(association)
    },
    find: async (key) => findNow(key),
    get: async (clusterName, id) => tables.associations.get(keyOf(clusterName, id))?.association,
    list: async ({ clusterName, namespace, serviceAccount, limit, after }) =>
      all(clusterName)
        .filter(
          (one) =>
            (namespace === undefined || one.namespace === namespace) &&
            (serviceAccount === undefined || one.serviceAccount === serviceAccount) &&
            (after === undefined || one.associationId > after),
        )
        .sort((a, b) => (a.associationId < b.associationId ? -1 : 1))
        .slice(0, limit),
    replace: async (association) => {
      const key = keyOf(association.clusterName, association.associationId)
      if (!tables.associations.has(key)) return false
      save(association)
      return true
    },
    delete: async (clusterName, id) => {
      const key = keyOf(clusterName, id)
      const known = tables.associations.get(key)?.association
      tables.associations.delete(key)
      return known
    },
  }
}

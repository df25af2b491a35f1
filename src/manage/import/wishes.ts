/** What is read for an import: everything that a file can speak of. */
import type { DesiredCluster } from '../desired/desired-state.ts'

/** A cluster to be imported. */
export interface ImportPlace {
  readonly name: string
  readonly region?: string
  /** Of a cluster that is not EKS: its broker's URL, its issuer's, or both. */
  readonly broker?: string
  readonly issuer?: string
}

/** A cluster of which a file speaks of everything, so that a plan's reading reads everything. */
export function wishOf({ broker, issuer, name, region }: ImportPlace): DesiredCluster {
  const isEks = broker === undefined && issuer === undefined
  return {
    source: name,
    kind: isEks ? 'eks' : 'self-managed',
    name,
    tags: {},
    withOidc: true,
    serviceAccounts: [],
    ...((isEks || broker !== undefined) && { associations: [] }),
    ...(isEks && { access: { path: 'accessConfig', entries: [] }, addons: [] }),
    ...(!isEks && { workloadIdentity: 'enabled' }),
    ...(region !== undefined && { region }),
    ...(broker !== undefined && { broker }),
    ...(issuer !== undefined && { issuer }),
  }
}

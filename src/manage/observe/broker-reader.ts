import { describeAssociations, type AssociationPort, orGone } from '../eks/association-port.ts'
import { planAssociationOf } from './eks-reader.ts'
import type { ClusterFacts, ClusterReader } from './ports.ts'

/** A cluster on a broker, which has neither access entries nor add-ons. */
export const brokerReader = (
  associations: AssociationPort,
  /** @throws the fault `ResourceNotFound` where the broker does not have the cluster */
  facts: () => Promise<ClusterFacts>,
): ClusterReader => ({
  ...NOTHING_OF_EKS,
  facts: () => orGone(facts),
  associations: async () => (await describeAssociations(associations)).map(planAssociationOf),
})

/** A cluster that nobody but a file knows: no EKS cluster, and without a broker. */
export const lonelyReader = (facts: ClusterFacts): ClusterReader => ({
  ...NOTHING_OF_EKS,
  facts: () => Promise.resolve(facts),
  associations: () => Promise.resolve([]),
})

const NOTHING_OF_EKS = {
  accessEntries: () => Promise.resolve([]),
  addons: () => Promise.resolve([]),
  offer: () => Promise.resolve(undefined),
} as const

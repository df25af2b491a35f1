import { EksFault, type EksErrorName } from '../../../broker/eks-wire.ts'
import type { ClusterRecord } from '../records.ts'
import { clusterKey } from '../records.ts'
import { AwsFault } from '../wire/fault.ts'
import { accountOf, type Call } from '../world.ts'

/** A cluster of the call's account and region. @throws AwsFault `ResourceNotFoundException` */
export function requireCluster(call: Call, name: string): ClusterRecord {
  const record = call.world.tables.clusters.get(clusterKey(accountOf(call), call.region, name))
  if (record !== undefined) return record
  throw new AwsFault('ResourceNotFoundException', `No cluster found for name: ${name}.`, {
    status: 404,
    members: { clusterName: name.slice(0, 100) },
  })
}

export const clusterArnOf = (call: Call, name: string): string =>
  `arn:${call.world.partition}:eks:${call.region}:${accountOf(call)}:cluster/${name}`

export const associationArn = (call: Call, clusterName: string, id: string): string =>
  `arn:${call.world.partition}:eks:${call.region}:${accountOf(call)}:podidentityassociation/${clusterName}/${id}`

/** A fault of ours on the wire of the association operations. */
export function asEksFault(thrown: unknown): unknown {
  if (!(thrown instanceof AwsFault)) return thrown
  return new EksFault(thrown.code as EksErrorName, thrown.message, {
    status: thrown.httpStatus,
    members: thrown.members,
  })
}

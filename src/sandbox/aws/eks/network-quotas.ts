import { type QuotaName, quotaOf } from '../quotas/quotas.ts'
import type { Call } from '../world.ts'
import { type JsonObject, limitExceeded, textsMember } from './body.ts'

const LISTS: readonly (readonly [member: string, quota: QuotaName, what: string])[] = [
  ['securityGroupIds', 'controlPlaneSecurityGroups', 'control plane security groups'],
  ['publicAccessCidrs', 'publicAccessCidrs', 'public endpoint access CIDR ranges'],
]

/** What a cluster's network may list. @throws AwsFault `ResourceLimitExceededException` */
export function checkNetworkQuotas(call: Call, resourcesVpcConfig: JsonObject): void {
  for (const [member, quota, what] of LISTS) {
    const most = quotaOf(call, quota)
    if ((textsMember(resourcesVpcConfig, member) ?? []).length <= most) continue
    throw limitExceeded(`A cluster has at most ${most} ${what}`)
  }
}

/** Clusters that are gone, for the one command that goes on without them: `podrole delete`. */
import { formatArn } from '../../iam/arn.ts'
import { iamProviders } from '../../issuer/provider-iam.ts'
import { systemClock } from '../../lib/clock.ts'
import { issuerOfGone } from '../../manage/observe/gone-cluster.ts'
import type { ObservePlaces } from '../../manage/observe/ports.ts'
import type { OpenPlaces } from './observe-places.ts'

/** Only EKS says of a cluster that there is none: a broker may have been asked in its place. */
export const goneClusters =
  ({ account, iam }: OpenPlaces): NonNullable<ObservePlaces['gone']> =>
  async ({ kind, name, region = account.region }) => {
    if (kind !== 'eks') return undefined
    const { accountId, partition } = account
    const resource = `cluster/${name}`
    const arn = formatArn({ partition, service: 'eks', region, accountId, resource })
    const providers = await iamProviders(account, { environment: process.env, clock: systemClock })
    const issuer = await issuerOfGone(arn, { providers, roles: () => iam.roles() })
    return { arn, region, ...(issuer !== undefined && { issuer }) }
  }

import type { AuthenticationMode } from '@aws-sdk/client-eks'
import { PodroleError } from '../../lib/errors.ts'
import { askUntil, type Patience } from '../../lib/waiting.ts'
import type { AddonWait } from '../eks/addon-wait.ts'
import { eksAccessEntries } from '../eks/eks-access-entries.ts'
import { eksAddons } from '../eks/eks-addons.ts'
import { eksAssociations } from '../eks/eks-associations.ts'
import type { EksClient } from '../eks/eks-client.ts'
import type { ClusterPlaces } from './cluster-port.ts'

/** EKS changes a cluster's authentication mode within a few minutes. */
const MODE_PATIENCE: Patience = { totalMs: 600_000, firstDelayMs: 500, maxDelayMs: 10_000 }

/** A cluster on EKS, for `clusterPort`. */
export function eksPlaces(
  eks: EksClient,
  clusterName: string,
  addonWait: AddonWait,
): ClusterPlaces {
  const { call, sdk } = eks
  const describe = (): Promise<{ readonly mode: string; readonly status: string }> =>
    call(`DescribeCluster ${clusterName}`, async (client) => {
      const { cluster } = await client.send(new sdk.DescribeClusterCommand({ name: clusterName }))
      const mode = cluster?.accessConfig?.authenticationMode ?? 'CONFIG_MAP'
      return { mode, status: cluster?.status ?? '' }
    })
  return {
    associations: eksAssociations(eks, clusterName),
    eks: {
      entries: eksAccessEntries(eks, clusterName),
      addons: eksAddons(eks, clusterName),
      addonWait,
      tagsOf: (resourceArn) =>
        call(`ListTagsForResource ${resourceArn}`, async (client) => {
          const found = await client.send(new sdk.ListTagsForResourceCommand({ resourceArn }))
          return found.tags ?? {}
        }),
      authenticationMode: async () => (await describe()).mode,
      setAuthenticationMode: async (mode) => {
        await call(`UpdateClusterConfig ${clusterName}`, async (client) => {
          const accessConfig = { authenticationMode: mode as AuthenticationMode }
          await client.send(new sdk.UpdateClusterConfigCommand({ name: clusterName, accessConfig }))
        })
        const end = await askUntil(
          describe,
          (one) => one.mode === mode && one.status === 'ACTIVE',
          MODE_PATIENCE,
        )
        if (end.mode !== mode) {
          throw new PodroleError(
            'NotShown',
            `cluster ${clusterName} has authentication mode ${end.mode}, not ${mode} yet`,
          )
        }
      },
    },
  }
}

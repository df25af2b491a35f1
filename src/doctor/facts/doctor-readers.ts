/** IAM and EKS by the AWS SDK, as far as doctor looks; it writes nothing. */
import type { AwsAccount } from '../../aws/account.ts'
import { describeClusterInstances } from '../../aws/ec2-instances.ts'
import type { Environment } from '../../aws/endpoints.ts'
import { callSdk } from '../../aws/sdk-fault.ts'
import { outlastThrottling } from '../../aws/throttling.ts'
import type { Clock } from '../../lib/clock.ts'
import { mapLimited } from '../../lib/map-limited.ts'
import { AGENT_ADDON } from '../../manage/desired/checks/addons.ts'
import { addonVersions, describeAddonVersions } from '../../manage/eks/eks-addons.ts'
import { eksAssociations } from '../../manage/eks/eks-associations.ts'
import { type EksClient, openEks } from '../../manage/eks/eks-client.ts'
import { iamReader } from '../../manage/observe/iam-reader.ts'
import type {
  AgentAddonFact,
  AssociatedFact,
  ComputeFact,
  EksClusterFact,
  InstanceFact,
} from './doctor-facts.ts'
import { orAbsent } from './fact.ts'
import type { DoctorEks, DoctorIam } from './gather-doctor.ts'

export interface DoctorAround {
  readonly environment: Environment
  readonly clock: Clock
  /** Told the name of every operation that is called. */
  readonly onCall: (operation: string) => void
}

const AT_ONCE = 8

export async function doctorIam(account: AwsAccount, around: DoctorAround): Promise<DoctorIam> {
  const sdk = await import('@aws-sdk/client-iam')
  const iam = new sdk.IAMClient(account.clientConfig)
  const reader = await iamReader(account, around)
  const call = <T>(what: string, send: () => Promise<T>): Promise<T> =>
    outlastThrottling(() => {
      around.onCall(what.split(' ', 1)[0] ?? what)
      return callSdk(what, send)
    })
  return {
    roles: () => reader.roles(),
    providers: async () => {
      const answer = await call('ListOpenIDConnectProviders', () =>
        iam.send(new sdk.ListOpenIDConnectProvidersCommand({})),
      )
      return (answer.OpenIDConnectProviderList ?? []).flatMap(({ Arn }) => Arn ?? [])
    },
    policyText: (PolicyArn) =>
      orAbsent(async () => {
        const { Policy } = await call(`GetPolicy ${PolicyArn}`, () =>
          iam.send(new sdk.GetPolicyCommand({ PolicyArn })),
        )
        const input = { PolicyArn, VersionId: Policy?.DefaultVersionId ?? '' }
        const { PolicyVersion } = await call(`GetPolicyVersion ${PolicyArn}`, () =>
          iam.send(new sdk.GetPolicyVersionCommand(input)),
        )
        return decodeURIComponent(PolicyVersion?.Document ?? '')
      }),
  }
}

export async function doctorEks(account: AwsAccount, around: DoctorAround): Promise<DoctorEks> {
  const eks = await openEks(account, around.onCall)
  return {
    clusters: async () => {
      const names = await eks.all('ListClusters', async (client, nextToken) => {
        const page = await client.send(new eks.sdk.ListClustersCommand({ nextToken }))
        return { items: page.clusters, nextToken: page.nextToken }
      })
      const found = await mapLimited(names, AT_ONCE, (name) => describeCluster(eks, name))
      return found.filter((one) => one !== undefined)
    },
    nodegroups: (name) => readNodegroups(eks, name),
    fargateProfiles: (name) => readFargateProfiles(eks, name),
    associations: async (name): Promise<readonly AssociatedFact[]> =>
      (await eksAssociations(eks, name).list()).map((one) => ({
        id: one.associationId,
        namespace: one.namespace,
        serviceAccount: one.serviceAccount,
        isOwned: one.ownerArn !== undefined,
      })),
    agentAddon: (name, version) => readAgentAddon(eks, name, version),
    instances: (name): Promise<readonly InstanceFact[]> =>
      describeClusterInstances(account, name, around),
  }
}

/** Undefined where it went away since the list. */
const describeCluster = (eks: EksClient, name: string): Promise<EksClusterFact | undefined> =>
  orAbsent(async () => {
    const { cluster } = await eks.call(`DescribeCluster ${name}`, (client) =>
      client.send(new eks.sdk.DescribeClusterCommand({ name })),
    )
    const issuer = cluster?.identity?.oidc?.issuer
    const roleArn = cluster?.roleArn
    const nodeRoleArn = cluster?.computeConfig?.nodeRoleArn
    return {
      name,
      arn: cluster?.arn ?? '',
      version: cluster?.version ?? '',
      isAutoMode: cluster?.computeConfig?.enabled === true,
      ...(issuer !== undefined && { issuer }),
      ...(roleArn !== undefined && { roleArn }),
      ...(nodeRoleArn !== undefined && { autoNodeRoleArn: nodeRoleArn }),
    }
  })

async function readNodegroups(
  { all, call, sdk }: EksClient,
  clusterName: string,
): Promise<readonly ComputeFact[]> {
  const names = await all(`ListNodegroups of ${clusterName}`, async (client, nextToken) => {
    const page = await client.send(new sdk.ListNodegroupsCommand({ clusterName, nextToken }))
    return { items: page.nodegroups, nextToken: page.nextToken }
  })
  return mapLimited(names, AT_ONCE, async (nodegroupName) => {
    const { nodegroup } = await call(`DescribeNodegroup ${nodegroupName}`, (client) =>
      client.send(new sdk.DescribeNodegroupCommand({ clusterName, nodegroupName })),
    )
    return { name: nodegroupName, roleArn: nodegroup?.nodeRole ?? '' }
  })
}

async function readFargateProfiles(
  { all, call, sdk }: EksClient,
  clusterName: string,
): Promise<readonly ComputeFact[]> {
  const names = await all(`ListFargateProfiles of ${clusterName}`, async (client, nextToken) => {
    const page = await client.send(new sdk.ListFargateProfilesCommand({ clusterName, nextToken }))
    return { items: page.fargateProfileNames, nextToken: page.nextToken }
  })
  return mapLimited(names, AT_ONCE, async (fargateProfileName) => {
    const { fargateProfile } = await call(
      `DescribeFargateProfile ${fargateProfileName}`,
      (client) =>
        client.send(new sdk.DescribeFargateProfileCommand({ clusterName, fargateProfileName })),
    )
    return { name: fargateProfileName, roleArn: fargateProfile?.podExecutionRoleArn ?? '' }
  })
}

/** @param version of Kubernetes: `1.36` */
const readAgentAddon = (
  eks: EksClient,
  clusterName: string,
  version: string,
): Promise<AgentAddonFact | undefined> =>
  orAbsent(async () => {
    const { addon } = await eks.call(`DescribeAddon ${AGENT_ADDON} of ${clusterName}`, (client) =>
      client.send(new eks.sdk.DescribeAddonCommand({ clusterName, addonName: AGENT_ADDON })),
    )
    const infos = await describeAddonVersions(eks, AGENT_ADDON, version)
    const offered = addonVersions(infos, version)
    const usual = offered.find(({ isDefault }) => isDefault)?.version
    return {
      version: addon?.addonVersion ?? '',
      status: addon?.status ?? '',
      offered: offered.map((one) => one.version),
      ...(usual !== undefined && { usual }),
    }
  })

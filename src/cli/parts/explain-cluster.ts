/** What EKS or a broker says of the cluster that an explanation is about. */
import type { AwsAccount } from '../../aws/account.ts'
import { describeEksCluster } from '../../aws/eks-cluster.ts'
import { associationFact } from '../../doctor/facts/association-fact.ts'
import type { ClusterPort } from '../../doctor/facts/ports.ts'
import { codeOf, PodroleError } from '../../lib/errors.ts'
import { type AssociationPort, findAssociation } from '../../manage/eks/association-port.ts'
import { eksAssociations } from '../../manage/eks/eks-associations.ts'
import { openEks } from '../../manage/eks/eks-client.ts'
import type { ExplainFlags } from '../commands/explain.ts'
import { brokerOf, endpointOf, portOfBroker } from './association-cluster.ts'
import { callEks } from './associations.ts'

/** @throws PodroleError `NoBroker`, `NoBrokerKey`, `InvalidCluster`, `NoCluster` */
export async function openClusterPort(
  flags: ExplainFlags,
  account: AwsAccount,
): Promise<ClusterPort> {
  const { cluster: name } = flags
  const broker = brokerOf(flags)
  if (name === undefined) {
    if (broker === undefined) return nobody
    throw new PodroleError('InvalidCluster', '--broker goes with --cluster, which names one of it')
  }
  if (broker !== undefined) return brokerPort({ ...flags, cluster: name }, broker, account)
  const [eks, facts] = await Promise.all([openEks(account), eksFacts(account, name)])
  return { kind: 'eks', name, facts, association: finderIn(eksAssociations(eks, name)) }
}

/**
 * A cluster that is not there has no associations either, and says nothing of the pod.
 * @throws PodroleError `NoCluster`
 */
async function eksFacts(account: AwsAccount, name: string): Promise<ClusterPort['facts']> {
  try {
    const { arn, autoMode, issuer } = await describeEksCluster(account, name)
    const told = { arn, isAutoMode: autoMode, ...(issuer !== undefined && { issuer }) }
    return () => Promise.resolve(told)
  } catch (error) {
    if (codeOf(error) !== 'ResourceNotFound') return () => Promise.reject(error)
    throw new PodroleError(
      'NoCluster',
      `there is no EKS cluster ${name} in ${account.region} in account ${account.accountId}`,
      {
        hint: 'Look at name, region and credentials; --broker for one that is not EKS.',
        cause: error,
      },
    )
  }
}

const finderIn =
  (associations: AssociationPort): ClusterPort['association'] =>
  async (serviceAccount) => {
    const found = await findAssociation(associations, serviceAccount)
    return found && associationFact(found)
  }

const nobody: ClusterPort = {
  kind: 'not-named',
  facts: () => Promise.resolve(undefined),
  association: () =>
    Promise.reject(
      new PodroleError('NoCluster', 'associations are known by cluster: name it with --cluster'),
    ),
}

async function brokerPort(
  flags: ExplainFlags & { readonly cluster: string },
  broker: string,
  { region }: AwsAccount,
): Promise<ClusterPort> {
  const endpoint = await endpointOf({ ...flags, region: flags.region ?? region }, broker)
  return {
    kind: 'broker',
    name: flags.cluster,
    facts: async () => {
      const path = `/podrole/v1/clusters/${encodeURIComponent(flags.cluster)}`
      const told = await callEks(endpoint, 'GET', path)
      return {
        arn: String(told['arn']),
        issuer: String(told['issuer']),
        fleetIssuer: String(told['oidcProviderUrl']),
      }
    },
    association: finderIn(portOfBroker(flags, broker, endpoint)),
  }
}

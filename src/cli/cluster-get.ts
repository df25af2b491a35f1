/** `podrole cluster get`: a cluster's status at the paths that document 002 reads. */
import { tryParseArn } from '../iam/arn.ts'
import { PodroleError } from '../lib/errors.ts'
import { blankFleetTrust } from '../manage/workload-identity/blank-trust.ts'
import { readRecord, type WorkloadIdentityRecord } from '../manage/workload-identity/record.ts'
import { askForCluster } from './broker-client.ts'
import type { ClusterGetFlags } from './commands/cluster.ts'
import { printData, printNote } from './output.ts'
import { openKube } from './parts/kube-cluster.ts'

interface ClusterStatus {
  readonly oidcProviderUrl: string
  readonly addOns: {
    readonly awsWorkloadIdentity: {
      /** Whose webhook it is and so on, where the cluster says it. */
      readonly state?: WorkloadIdentityRecord['state']
      readonly webhook?: WorkloadIdentityRecord['webhook']
      readonly oidcProviderArn?: string
      /** With `<NAMESPACE>` and `<SERVICE_ACCOUNT>` to be filled in. */
      readonly trustPolicy: object
    }
  }
}

type ShownCluster = Readonly<Record<string, unknown>> & {
  readonly name: string
  readonly status: ClusterStatus
}

/**
 * @param isBrokerNamed on the command line, and not by the environment alone
 * @throws PodroleError `NoBrokerKey`, `NoAwsRegion`, `NoAddon`, `OtherCluster`, …
 */
export async function getCluster(
  name: string,
  flags: ClusterGetFlags,
  isBrokerNamed: boolean,
): Promise<void> {
  const isKubeNamed = (flags.kubeconfig ?? flags.context) !== undefined
  if (isBrokerNamed && isKubeNamed) {
    throw new PodroleError(
      'ContradictoryOptions',
      'a broker and a kubeconfig are named: wanted one of them',
    )
  }
  const isOfBroker = flags.broker !== undefined && !isKubeNamed
  const shown = isOfBroker ? await fromBroker(name, flags) : await fromKube(name, flags)
  const { issuer, status } = shown
  printData(flags.output, shown, {
    columns: ['name', 'issuer', 'oidc provider url', 'awsWorkloadIdentity'],
    rows: [
      [
        name,
        String(issuer),
        status.oidcProviderUrl,
        status.addOns.awsWorkloadIdentity.state ?? 'by the broker',
      ],
    ],
  })
}

async function fromBroker(name: string, flags: ClusterGetFlags): Promise<ShownCluster> {
  const { broker = '', caFile, keyFile, region } = flags
  if (keyFile === undefined) {
    throw new PodroleError('NoBrokerKey', `no key for broker ${broker} is given`, {
      hint: 'Name one with --key-file or PODROLE_BROKER_KEY_FILE.',
    })
  }
  if (region === undefined) {
    throw new PodroleError('NoAwsRegion', `the region of broker ${broker} is not given`, {
      hint: 'Set AWS_REGION or --region.',
    })
  }
  const access = { broker, keyFile, region, ...(caFile !== undefined && { caFile }) }
  const told = await askForCluster(name, access)
  const url = String(told['oidcProviderUrl'])
  const { accountId = '', partition = '' } = tryParseArn(String(told['arn'])) ?? {}
  const trustPolicy = blankFleetTrust(url, name, { partition, accountId })
  return {
    ...told,
    name,
    status: { oidcProviderUrl: url, addOns: { awsWorkloadIdentity: { trustPolicy } } },
  }
}

async function fromKube(name: string, flags: ClusterGetFlags): Promise<ShownCluster> {
  const kube = await openKube(flags)
  const record = await readRecord(kube)
  if (record === undefined) {
    throw new PodroleError(
      'NoAddon',
      `the cluster at ${kube.server} says nothing of itself: it has no awsWorkloadIdentity`,
      {
        hint: `podrole addon enable awsWorkloadIdentity --cluster ${name}; or name the broker that has it with --broker.`,
      },
    )
  }
  const { cluster, issuer, oidcProviderArn, state, trustPolicy, webhook } = record
  if (cluster !== name) {
    throw new PodroleError(
      'OtherCluster',
      `the kubeconfig leads to a cluster where awsWorkloadIdentity was enabled as ${cluster}, not as ${name}`,
      { hint: 'Name its context with --context.' },
    )
  }
  if (state !== 'enabled') {
    printNote(`awsWorkloadIdentity is ${state}: run what was begun again to bring it to its end`)
  }
  return {
    name,
    issuer,
    status: {
      oidcProviderUrl: issuer,
      addOns: { awsWorkloadIdentity: { state, webhook, oidcProviderArn, trustPolicy } },
    },
  }
}

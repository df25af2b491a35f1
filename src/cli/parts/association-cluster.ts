/** Where associations are: a cluster on EKS, or on a broker. */
import { type AwsAccount, openAccount } from '../../aws/account.ts'
import { createAssociationCalls } from '../../aws/association-calls.ts'
import { describeEksCluster, type EksCluster } from '../../aws/eks-cluster.ts'
import { tryParseArn } from '../../iam/arn.ts'
import { parseServiceAccountName, type ServiceAccountName } from '../../iam/service-account-name.ts'
import { systemClock } from '../../lib/clock.ts'
import { proxyFor } from '../../lib/proxy.ts'
import { codeOf, PodroleError } from '../../lib/errors.ts'
import type { AssociationCluster } from '../../manage/eks/association-place.ts'
import type { AssociationPort } from '../../manage/eks/association-port.ts'
import { brokerAssociations } from '../../manage/eks/broker-associations.ts'
import { eksAssociations } from '../../manage/eks/eks-associations.ts'
import { openEks } from '../../manage/eks/eks-client.ts'
import { iamRoles } from '../../manage/roles/role-iam.ts'
import type { RolePort } from '../../manage/roles/role-port.ts'
import { brokerEndpoint } from '../broker-client.ts'
import type { AssociationPlaceFlags } from '../commands/association.ts'
import { accessOf } from '../role-run.ts'
import { callEks, type EksEndpoint } from './associations.ts'

/** A cluster with what only one of the two places knows. */
export interface OpenCluster extends AssociationCluster {
  /** The account of the AWS credentials; a broker lets them be missing. */
  readonly account: AwsAccount | undefined
  /** On EKS alone. */
  readonly eks?: EksCluster
}

/** Associations to be read; nothing else is asked. */
export async function openAssociations(flags: AssociationPlaceFlags): Promise<AssociationPort> {
  const broker = brokerOf(flags)
  if (broker !== undefined) return portOfBroker(flags, broker, await endpointOf(flags, broker))
  const account = await openAccount(accessOf(flags))
  return eksAssociations(await openEks(account), flags.cluster)
}

/** Associations to be changed. @throws ServiceFault; PodroleError */
export async function openCluster(flags: AssociationPlaceFlags): Promise<OpenCluster> {
  const broker = brokerOf(flags)
  return broker === undefined ? openEksCluster(flags) : openBrokerCluster(flags, broker)
}

async function openEksCluster(flags: AssociationPlaceFlags): Promise<OpenCluster> {
  const { cluster: clusterName } = flags
  const account = await openAccount(accessOf(flags))
  const [eks, client, roles] = await Promise.all([
    describeEksCluster(account, clusterName),
    openEks(account),
    rolesOf(account),
  ])
  const { accountId, partition } = account
  return {
    clusterName,
    clusterArn: eks.arn,
    partition,
    roleAccountId: accountId,
    associations: eksAssociations(client, clusterName),
    roles,
    grant: (serviceAccount, disableSessionTags) => ({
      way: 'pod-identity',
      clusterArn: eks.arn,
      accountId,
      serviceAccounts: [serviceAccount],
      disableSessionTags,
    }),
    options: optionsOf(flags),
    account,
    eks,
  }
}

async function openBrokerCluster(
  flags: AssociationPlaceFlags,
  broker: string,
): Promise<OpenCluster> {
  const { cluster: clusterName } = flags
  const endpoint = await endpointOf(flags, broker)
  const path = `/podrole/v1/clusters/${encodeURIComponent(clusterName)}`
  const told = await callEks(endpoint, 'GET', path)
  const [clusterArn, issuer] = [String(told['arn']), String(told['oidcProviderUrl'])]
  const { accountId = '', partition = '' } = tryParseArn(clusterArn) ?? {}
  const account = await tryOpenAccount({ ...flags, region: endpoint.region })
  return {
    clusterName,
    clusterArn,
    partition,
    associations: portOfBroker(flags, broker, endpoint),
    roles: account === undefined ? undefined : await rolesOf(account),
    grant: (serviceAccount, disableSessionTags) => ({
      way: 'fleet',
      partition,
      accountId: account?.accountId ?? accountId,
      issuer,
      clusters: [clusterName],
      serviceAccounts: [serviceAccount],
      disableSessionTags,
    }),
    options: optionsOf(flags),
    account,
  }
}

const rolesOf = (account: AwsAccount): Promise<RolePort> =>
  iamRoles(account, { environment: process.env, clock: systemClock })

/** Who administers a broker need not have AWS credentials. */
async function tryOpenAccount(flags: AssociationPlaceFlags): Promise<AwsAccount | undefined> {
  try {
    return await openAccount(accessOf(flags))
  } catch (error) {
    if (codeOf(error) === 'NoAwsCredentials') return undefined
    throw error
  }
}

export function portOfBroker(
  { cluster: clusterName }: Pick<AssociationPlaceFlags, 'cluster'>,
  broker: string,
  endpoint: EksEndpoint,
): AssociationPort {
  const { ca, credentials, region, url } = endpoint
  const calls = createAssociationCalls({
    endpoint: url,
    region,
    credentials: () => Promise.resolve(credentials),
    clock: systemClock,
    ...(ca !== undefined && { ca }),
    proxy: proxyFor(url, process.env),
  })
  return brokerAssociations(calls, { clusterName, broker })
}

type BrokerFlags = Pick<AssociationPlaceFlags, 'region' | 'keyFile' | 'caFile'>

/** @throws PodroleError `NoBroker`, `NoBrokerKey`, `NoAwsRegion` */
export function endpointOf(flags: BrokerFlags, broker: string): Promise<EksEndpoint> {
  const { caFile, keyFile, region = process.env['AWS_REGION'] } = flags
  if (keyFile === undefined) {
    throw new PodroleError('NoBrokerKey', `no key for broker ${broker} is given`, {
      hint: 'Name one with --key-file or PODROLE_BROKER_KEY_FILE.',
    })
  }
  if (!region) {
    throw new PodroleError('NoAwsRegion', `the region of broker ${broker} is not given`, {
      hint: 'Set AWS_REGION or --region.',
    })
  }
  return brokerEndpoint({ broker, keyFile, region, ...(caFile !== undefined && { caFile }) })
}

/** Undefined for EKS. A broker is meant where the option says so, never by the environment alone. */
export function brokerOf({ broker }: Pick<AssociationPlaceFlags, 'broker'>): string | undefined {
  if (broker === undefined) return undefined
  const url = broker === true ? process.env['PODROLE_BROKER_URL'] : broker
  if (url && /^https?:\/\//.test(url) && URL.canParse(url)) return url
  throw new PodroleError(
    'NoBroker',
    url
      ? `--broker ${JSON.stringify(url.slice(0, 200))} is no URL`
      : '--broker is given without a URL, and PODROLE_BROKER_URL is not set',
    { hint: 'Wanted --broker https://broker.example.com.' },
  )
}

function optionsOf({ broker, cluster }: AssociationPlaceFlags): string {
  const at = broker === undefined ? [] : ['--broker', ...(broker === true ? [] : [broker])]
  return ['--cluster', cluster, ...at].join(' ')
}

/**
 * The service account of a command, given by position or by option.
 * @throws PodroleError `NoServiceAccount`, `InvalidServiceAccountName`
 */
export function readSubject(
  positional: string | undefined,
  option: string | undefined,
): ServiceAccountName {
  const text = positional ?? option
  if (text === undefined) {
    throw new PodroleError('NoServiceAccount', 'no service account is given', {
      hint: 'Name one as NAMESPACE/NAME, or with --service-account NAMESPACE/NAME.',
    })
  }
  if (option !== undefined && option !== text) {
    throw new PodroleError(
      'NoServiceAccount',
      `two service accounts are given, ${JSON.stringify(text)} and ${JSON.stringify(option)}: wanted one`,
    )
  }
  return parseServiceAccountName(text)
}

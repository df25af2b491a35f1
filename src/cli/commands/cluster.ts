import { type Command, Option } from 'commander'
import { collect, type OutputFormat, outputOption } from '../options.ts'
import type { KubeFlags } from './association.ts'
import { type BrokerAccessFlags, withBrokerAccess } from './broker.ts'

export interface RegisterFlags extends BrokerAccessFlags {
  readonly issuer: string
  readonly jwks?: string
  readonly followIssuer?: true
  readonly audience?: readonly string[]
  readonly agent?: readonly string[]
}

export interface ClusterGetFlags extends KubeFlags {
  readonly broker?: string
  readonly keyFile?: string
  readonly region?: string
  readonly caFile?: string
  readonly output: OutputFormat
}

const REGISTER_EXAMPLES = `
Examples:
  podrole cluster register edge --issuer https://edge.example.com --follow-issuer
  kubectl get --raw /openid/v1/jwks | podrole cluster register edge --issuer https://kubernetes.default.svc --jwks -`

export function addClusterCommand(program: Command): void {
  const cluster = program
    .command('cluster')
    .description('clusters of a broker, and what a cluster says of itself')
  withBrokerAccess(cluster.command('register'))
    .description('make a cluster known to a broker, by its issuer and keys')
    .argument('<name>', 'what associations call it')
    .requiredOption('--issuer <url>', "its service account issuer, as in its tokens' iss")
    .option('--jwks <file>', 'its public keys; - reads standard input')
    .option(
      '--follow-issuer',
      'the keys that its issuer publishes, read by the broker every minute',
    )
    .option('--audience <audience>', "of pods' tokens (repeatable)", collect)
    .option(
      '--agent <namespace/name>',
      'a service account that agents run as (repeatable); podrole-system/podrole-agent if none',
      collect,
    )
    .addOption(outputOption())
    .addHelpText('after', REGISTER_EXAMPLES)
    .action(async (name: string, flags: RegisterFlags) => {
      const { registerCluster } = await import('../broker-client.ts')
      await registerCluster(name, flags)
    })
  withBrokerAccess(cluster.command('list'))
    .description('list the clusters of a broker')
    .addOption(outputOption())
    .addHelpText('after', '\nExample:\n  podrole cluster list -o json')
    .action(async (flags: BrokerAccessFlags) => {
      const { listClusters } = await import('../broker-client.ts')
      await listClusters(flags)
    })
  addGetCommand(cluster)
  withBrokerAccess(cluster.command('remove'))
    .description('forget a cluster of a broker that has no associations any more')
    .argument('<name>', 'which')
    .addHelpText('after', '\nExample:\n  podrole cluster remove edge')
    .action(async (name: string, flags: BrokerAccessFlags) => {
      const { removeCluster } = await import('../broker-client.ts')
      await removeCluster(name, flags)
    })
}

const GET_EXAMPLES = `
Examples:
  podrole cluster get edge -o json | jq -r .status.oidcProviderUrl
  podrole cluster get edge -o json | jq -r .status.addOns.awsWorkloadIdentity.trustPolicy`

function addGetCommand(cluster: Command): void {
  cluster
    .command('get')
    .description(
      'show a cluster of a broker; without a broker, that of the kubeconfig, where awsWorkloadIdentity was enabled',
    )
    .argument('<name>', 'which')
    .addOption(new Option('--broker <url>', 'the broker').env('PODROLE_BROKER_URL'))
    .addOption(
      new Option('--key-file <file>', 'a broker key as JSON').env('PODROLE_BROKER_KEY_FILE'),
    )
    .addOption(new Option('--region <region>', "the broker's region").env('AWS_REGION'))
    .option('--ca-file <file>', "PEM of the authority behind the broker's certificate")
    .option('--kubeconfig <file>', 'the cluster, and no broker that the environment names')
    .option('--context <name>', 'of the kubeconfig; likewise')
    .addOption(outputOption())
    .addHelpText('after', GET_EXAMPLES)
    .action(async (name: string, flags: ClusterGetFlags, command: Command) => {
      const { getCluster } = await import('../cluster-get.ts')
      const isNamed = command.getOptionValueSource('broker') === 'cli'
      await getCluster(name, flags, isNamed)
    })
}

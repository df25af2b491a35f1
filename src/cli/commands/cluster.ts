import type { Command } from 'commander'
import { collect, outputOption } from '../options.ts'
import { type BrokerAccessFlags, withBrokerAccess } from './broker.ts'

export interface RegisterFlags extends BrokerAccessFlags {
  readonly issuer: string
  readonly jwks: string
  readonly audience?: readonly string[]
  readonly agent?: readonly string[]
}

export function addClusterCommand(program: Command): void {
  const cluster = program.command('cluster').description('clusters of a broker')
  withBrokerAccess(cluster.command('register'))
    .description('make a cluster known to a broker, by its issuer and keys')
    .argument('<name>', 'what associations call it')
    .requiredOption('--issuer <url>', "its service account issuer, as in its tokens' iss")
    .requiredOption('--jwks <file>', 'its public keys; - reads standard input')
    .option('--audience <audience>', "of pods' tokens (repeatable)", collect)
    .option(
      '--agent <namespace/name>',
      'a service account that agents run as (repeatable); podrole-system/podrole-agent if none',
      collect,
    )
    .addOption(outputOption())
    .addHelpText(
      'after',
      '\nExample:\n  kubectl get --raw /openid/v1/jwks | podrole cluster register edge --issuer https://edge.example.com --jwks -',
    )
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
  withBrokerAccess(cluster.command('get'))
    .description('show a cluster of a broker')
    .argument('<name>', 'which')
    .addOption(outputOption())
    .addHelpText('after', '\nExample:\n  podrole cluster get edge -o yaml')
    .action(async (name: string, flags: BrokerAccessFlags) => {
      const { getCluster } = await import('../broker-client.ts')
      await getCluster(name, flags)
    })
  withBrokerAccess(cluster.command('remove'))
    .description('forget a cluster of a broker that has no associations any more')
    .argument('<name>', 'which')
    .addHelpText('after', '\nExample:\n  podrole cluster remove edge')
    .action(async (name: string, flags: BrokerAccessFlags) => {
      const { removeCluster } = await import('../broker-client.ts')
      await removeCluster(name, flags)
    })
}

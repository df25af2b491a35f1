import { type Command, Option } from 'commander'
import { collect, type OutputFormat, outputOption } from '../options.ts'
import type { PlaceFlags } from '../parts/observe-places.ts'

export interface AdviseFlags extends PlaceFlags {
  readonly all: boolean
  readonly cluster: readonly string[]
  readonly need: readonly string[]
  readonly sdk?: string
  readonly output: OutputFormat
}

const EXAMPLES = `
It reads and changes nothing. Needs that no cluster tells: session-tags (ABAC), role-before-cluster,
portable (the same on EKS and elsewhere), cross-account, second-way (IRSA beside Pod Identity).

Examples:
  podrole advise shop/orders --cluster prod
  podrole advise shop/orders --need session-tags --sdk boto3@1.34.0
  podrole advise --all --cluster prod --cluster edge -o json`

export function addAdviseCommand(program: Command): void {
  program
    .command('advise')
    .description(
      'which way to credentials a workload should go, and why: Pod Identity, IRSA, broker',
    )
    .argument('[namespace/name]', 'a service account, which need not be there yet')
    .option('--all', 'every service account that has a role by some way', false)
    .option(
      '--cluster <name>',
      'on EKS or on a broker (repeatable); the kubeconfig alone if none',
      collect,
      [],
    )
    .option('--need <need>', 'what the workload wants (repeatable)', collect, [])
    .option('--sdk <name@version>', 'of the workload, such as boto3@1.34.41')
    .option('--profile <name>', 'the AWS profile of the account; AWS_PROFILE if not given')
    .option('--region <region>', 'of the clusters; AWS_REGION if not given')
    .option('--kubeconfig <file>', 'where the clusters are; in a pod its own')
    .option('--context <name>', 'of the kubeconfig, for one cluster')
    .option(
      '--broker [url]',
      'who knows clusters that are not on EKS; PODROLE_BROKER_URL if no URL is given',
    )
    .addOption(new Option('--key-file <file>', 'a broker key').env('PODROLE_BROKER_KEY_FILE'))
    .option('--ca-file <file>', "PEM of the authority behind the broker's certificate")
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action(async (serviceAccount: string | undefined, flags: AdviseFlags) => {
      const { runAdvise } = await import('../advise-run.ts')
      process.exitCode = await runAdvise(serviceAccount, flags)
    })
}

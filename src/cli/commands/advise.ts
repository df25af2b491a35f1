import type { Command } from 'commander'
import { collect, type OutputFormat, outputOption } from '../options.ts'
import type { PlaceFlags } from '../parts/observe-places.ts'
import { addClustersOption, addWhereOptions } from './cluster-options.ts'

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
  const command = program
    .command('advise')
    .description(
      'which way to credentials a workload should go, and why: Pod Identity, IRSA, broker',
    )
    .argument('[namespace/name]', 'a service account, which need not be there yet')
    .option('--all', 'every service account that has a role by some way', false)
  addClustersOption(command)
    .option('--need <need>', 'what the workload wants (repeatable)', collect, [])
    .option('--sdk <name@version>', 'of the workload, such as boto3@1.34.41')
  addWhereOptions(command)
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action(async (serviceAccount: string | undefined, flags: AdviseFlags) => {
      const { runAdvise } = await import('../advise-run.ts')
      process.exitCode = await runAdvise(serviceAccount, flags)
    })
}

import { type Command, Option } from 'commander'
import { collect } from '../options.ts'
import type { PlaceFlags } from '../parts/observe-places.ts'

export const IMPORT_FORMATS = ['yaml', 'terraform', 'ack'] as const

export interface ImportFlags extends PlaceFlags {
  readonly as: (typeof IMPORT_FORMATS)[number]
  readonly cluster: readonly string[]
  readonly namespace?: readonly string[]
  readonly serviceAccount?: readonly string[]
  readonly issuer?: string
}

export function addImportCommand(program: Command): void {
  program
    .command('import')
    .description('write what exists as a file for podrole, as Terraform or as ACK resources')
    .addOption(
      new Option('--as <format>', 'yaml is a file for podrole plan that has nothing to do')
        .choices(IMPORT_FORMATS)
        .makeOptionMandatory(),
    )
    .requiredOption('--cluster <name>', 'of the account and region (repeatable)', collect)
    .option('--namespace <name>', 'its service accounts alone (repeatable)', collect)
    .option('--service-account <namespace/name>', 'alone, with what it has (repeatable)', collect)
    .option('--region <region>', 'of the clusters; AWS_REGION if not given')
    .option('--profile <name>', 'the AWS profile of the account; AWS_PROFILE if not given')
    .option('--kubeconfig <file>', 'where the clusters are; in a pod its own')
    .option('--context <name>', 'of the kubeconfig, for one cluster')
    .option(
      '--broker [url]',
      "the clusters' broker, of clusters that are not EKS; PODROLE_BROKER_URL if no URL is given",
    )
    .option('--issuer <url>', "a cluster's own issuer, where it is not EKS and has no broker")
    .addOption(new Option('--key-file <file>', 'a broker key').env('PODROLE_BROKER_KEY_FILE'))
    .option('--ca-file <file>', "PEM of the authority behind the broker's certificate")
    .addHelpText(
      'after',
      `
Reads only. What the output cannot say is a comment in it and told on standard error.

Examples:
  podrole import --as yaml --cluster shop > cluster.yaml
  podrole import --as terraform --cluster shop --namespace orders > orders.tf
  podrole import --as ack --cluster shop > ack.yaml`,
    )
    .action(async (flags: ImportFlags) => {
      const { runImport } = await import('../import-run.ts')
      await runImport(flags)
    })
}

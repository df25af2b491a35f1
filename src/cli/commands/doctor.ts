import type { Command } from 'commander'
import { Option } from 'commander'
import type { LogLevel } from '../../lib/log.ts'
import {
  collect,
  type FailOn,
  failOnOption,
  logLevelOption,
  type OutputFormat,
  outputOption,
} from '../options.ts'
import type { PlaceFlags } from '../parts/observe-places.ts'

export interface DoctorFlags extends PlaceFlags {
  readonly cluster: readonly string[]
  readonly output: OutputFormat
  readonly failOn: FailOn
  readonly watch: boolean
  readonly listen: string
  readonly interval: string
  readonly logLevel: LogLevel
}

const EXAMPLES = `
It reads and changes nothing. What it may not read is neither well nor a finding: it is listed as not
looked at, and why. docs/reference/doctor-checks.md has every check.

Exit codes: 0 nothing is as bad as --fail-on says, 1 something is, or a fault.

Examples:
  podrole doctor --cluster prod
  podrole doctor --cluster prod --cluster edge --broker https://broker.example --fail-on warning
  podrole doctor --cluster prod -o json
  podrole doctor --cluster prod --watch --listen 0.0.0.0:9402 --interval 10m`

export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('what is wrong with the identity of clusters and their account, and what mends it')
    .option(
      '--cluster <name>',
      'on EKS or on a broker (repeatable); the kubeconfig alone if none',
      collect,
      [],
    )
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
    .option('--watch', 'look again and again, and serve what is found as metrics', false)
    .option('--listen <address:port>', 'where --watch serves /metrics', '127.0.0.1:9402')
    .option('--interval <duration>', 'of the looks of --watch, 30s or more', '5m')
    .addOption(logLevelOption())
    .addOption(outputOption())
    .addOption(failOnOption())
    .addHelpText('after', EXAMPLES)
    .action(async (flags: DoctorFlags) => {
      if (flags.watch) {
        const { runDoctorWatch } = await import('../doctor-watch.ts')
        process.exitCode = await runDoctorWatch(flags)
        return
      }
      const { runDoctor } = await import('../doctor-run.ts')
      process.exitCode = await runDoctor(flags)
    })
}

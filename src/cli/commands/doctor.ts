import type { Command } from 'commander'
import type { LogLevel } from '../../lib/log.ts'
import {
  type FailOn,
  failOnOption,
  logLevelOption,
  type OutputFormat,
  outputOption,
} from '../options.ts'
import type { PlaceFlags } from '../parts/observe-places.ts'
import { addClustersOption, addWhereOptions } from './cluster-options.ts'

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
  const command = program
    .command('doctor')
    .description('what is wrong with the identity of clusters and their account, and what mends it')
  addWhereOptions(addClustersOption(command))
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

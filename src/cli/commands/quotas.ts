import { type Command, InvalidArgumentError } from 'commander'
import { collect, failOnOption, type FailOn, type OutputFormat, outputOption } from '../options.ts'

export interface QuotasFlags {
  readonly cluster: readonly string[]
  readonly roles: number
  readonly profile?: string
  readonly region?: string
  readonly output: OutputFormat
  readonly failOn: FailOn
}

const EXAMPLES = `
Limits are read from Service Quotas and from IAM; where AWS has no API for one, its documented value
is shown with the month of the documentation. A line is a warning from 80 % on, and an error where
nothing more fits.

Examples:
  podrole quotas
  podrole quotas --cluster prod --fail-on warning
  podrole quotas -o json`

export function addQuotasCommand(program: Command): void {
  program
    .command('quotas')
    .description('how much room is left: providers, trust policies, roles, associations, sessions')
    .option(
      '--cluster <name>',
      'this EKS cluster alone (repeatable); all of the region if none',
      collect,
      [],
    )
    .option('--roles <count>', 'how many of the fullest roles the table shows', readCount, 5)
    .option('--profile <name>', 'the AWS profile of the account; AWS_PROFILE if not given')
    .option('--region <region>', 'of the clusters; AWS_REGION if not given')
    .addOption(outputOption())
    .addOption(failOnOption())
    .addHelpText('after', EXAMPLES)
    .action(async (flags: QuotasFlags) => {
      const { showQuotas } = await import('../quotas-run.ts')
      process.exitCode = await showQuotas(flags)
    })
}

function readCount(text: string): number {
  const count = Number(text)
  if (Number.isInteger(count) && count >= 0) return count
  throw new InvalidArgumentError('wanted a number, 0 or more.')
}

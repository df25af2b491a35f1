import type { Command } from 'commander'
import { STS_AUDIENCE } from '../../iam/trust-document.ts'
import { collect, type OutputFormat, outputOption } from '../options.ts'

/** Which accounts, and how to tell what came of it. */
export interface AccountFlags {
  readonly profile: readonly string[]
  readonly region?: string
  readonly output: OutputFormat
}

export interface ProviderCreateFlags extends AccountFlags {
  readonly issuer: string
  readonly clientId?: readonly string[]
  readonly thumbprint?: readonly string[]
  readonly tag: readonly string[]
}

export interface ProviderStatusFlags extends AccountFlags {
  readonly issuer?: string
}

export interface ProviderDeleteFlags extends AccountFlags {
  readonly issuer: string
  readonly force: boolean
}

/** A provider serves one account: each command takes several. */
const withAccounts = (command: Command): Command =>
  command
    .option('--profile <name>', 'an account, by its AWS profile (repeatable)', collect, [])
    .option('--region <region>', 'of the AWS calls; AWS_REGION if not given')
    .addOption(outputOption())

const CREATE_EXAMPLES = `
Examples:
  podrole issuer provider create --issuer https://s3.eu-central-1.amazonaws.com/my-issuer
  podrole issuer provider create --issuer https://fleet.example.com --profile prod --profile stage`

/** Adds `provider` to the command `issuer`. */
export function addIssuerProviderCommand(issuer: Command): void {
  const provider = issuer
    .command('provider')
    .description('the IAM OIDC providers of an issuer, one in each account')
  withAccounts(provider.command('create'))
    .description('make an IAM OIDC provider, or give one that is there what it lacks')
    .requiredOption('--issuer <url>', "as in the tokens' iss")
    .option(
      '--client-id <id>',
      `an audience of the tokens (repeatable); ${STS_AUDIENCE} if none`,
      collect,
    )
    .option(
      '--thumbprint <sha1>',
      'of the last certificate that the issuer sends (repeatable); looked up where AWS needs it',
      collect,
    )
    .option('--tag <key=value>', 'of the provider (repeatable)', collect, [])
    .addHelpText('after', CREATE_EXAMPLES)
    .action(async (flags: ProviderCreateFlags) => {
      const { createProviders } = await import('../issuer-provider-run.ts')
      process.exitCode = await createProviders(flags)
    })
  withAccounts(provider.command('status'))
    .description('show IAM OIDC providers, who trusts them and which are left over')
    .option('--issuer <url>', 'that of this issuer alone')
    .addHelpText('after', '\nExample:\n  podrole issuer provider status --profile prod -o json')
    .action(async (flags: ProviderStatusFlags) => {
      const { showProviders } = await import('../issuer-provider-run.ts')
      process.exitCode = await showProviders(flags)
    })
  withAccounts(provider.command('delete'))
    .description('delete the IAM OIDC provider of an issuer that no role trusts any more')
    .requiredOption('--issuer <url>', 'which')
    .option('--force', 'also while roles trust it: their pods are refused then', false)
    .addHelpText(
      'after',
      '\nExample:\n  podrole issuer provider delete --issuer https://s3.eu-central-1.amazonaws.com/my-issuer',
    )
    .action(async (flags: ProviderDeleteFlags) => {
      const { deleteProviders } = await import('../issuer-provider-run.ts')
      process.exitCode = await deleteProviders(flags)
    })
}

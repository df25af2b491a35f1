import { type Command, Option } from 'commander'
import type { TargetWishes } from '../../manage/roles/trust-target.ts'
import { collect, type OutputFormat, outputOption } from '../options.ts'
import { addTrustCompactCommand } from './role-trust-compact.ts'

/** The account that a role is in, and how to tell what came of it. */
export interface RoleAccountFlags {
  readonly profile?: string
  readonly region?: string
  readonly output: OutputFormat
}

/** Who is to be trusted, and by which way. */
export interface TrustFlags extends RoleAccountFlags, TargetWishes {
  readonly serviceAccount: readonly string[]
  readonly match: 'equals' | 'like'
  readonly keyFile?: string
  readonly caFile?: string
}

export interface RoleCreateFlags extends TrustFlags {
  readonly name: string
  readonly path?: string
  readonly description?: string
  readonly maxSessionDuration?: string
  readonly policyArn: readonly string[]
  readonly policyFile?: string
  readonly permissionsBoundary?: string
  readonly tag: readonly string[]
  readonly adopt: boolean
  readonly annotate: boolean
  readonly createServiceAccount: boolean
  readonly overwrite: boolean
  readonly kubeconfig?: string
  readonly context?: string
}

export interface TrustChangeFlags extends TrustFlags {
  readonly dryRun: boolean
}

export interface TrustShowFlags extends RoleAccountFlags {
  readonly file?: string
  readonly failOn: 'error' | 'warning' | 'never'
}

export function addRoleCommand(program: Command): void {
  const role = program.command('role').description('IAM roles for service accounts')
  addCreateCommand(role)
  const trust = role.command('trust').description('the trust policy of a role')
  addShowCommand(trust)
  addChangeCommand(trust, 'add')
  addChangeCommand(trust, 'remove')
  addTrustCompactCommand(trust)
}

function withAccount(command: Command): Command {
  return command
    .option('--profile <name>', 'the AWS profile of the account; AWS_PROFILE if not given')
    .option('--region <region>', 'of the AWS calls; AWS_REGION if not given')
    .addOption(outputOption())
}

function withTrust(command: Command): Command {
  return withAccount(command)
    .requiredOption(
      '--service-account <namespace/name>',
      'who may take the role (repeatable)',
      collect,
    )
    .addOption(
      new Option('--match <operator>', 'like: names may hold * for any characters')
        .choices(['equals', 'like'])
        .default('equals'),
    )
    .option('--issuer <url>', "by the cluster's own issuer; with --fleet the fleet issuer")
    .option(
      '--cluster <name>',
      'of an EKS cluster; with pod-identity also its ARN, which need not exist',
    )
    .addOption(
      new Option('--method <way>', 'on the EKS cluster; pod-identity if not given').choices([
        'irsa',
        'pod-identity',
      ]),
    )
    .option(
      '--disable-session-tags',
      'as in the association: with pod-identity the account is all that is asked for then, with --fleet the subject',
      false,
    )
    .option('--audience <audience>', 'of the tokens, with IRSA; sts.amazonaws.com if not given')
    .option('--fleet', "by a broker's fleet issuer", false)
    .option(
      '--clusters <pattern>',
      'of the fleet, a name or a pattern with * (repeatable); all that the broker has if none',
      collect,
      [],
    )
    .addOption(new Option('--broker <url>', 'of the fleet').env('PODROLE_BROKER_URL'))
    .addOption(new Option('--key-file <file>', 'a broker key').env('PODROLE_BROKER_KEY_FILE'))
    .option('--ca-file <file>', "PEM of the authority behind the broker's certificate")
}

const CREATE_EXAMPLES = `
Examples:
  podrole role create --name orders --service-account shop/orders --cluster prod --policy-file orders.json
  podrole role create --name orders --service-account shop/orders --issuer https://issuer.example.com --annotate
  podrole role create --name orders --service-account shop/orders --fleet --clusters 'prod-*'`

function addCreateCommand(role: Command): void {
  withTrust(role.command('create'))
    .description('make a role that service accounts may take, or go on with one that is half made')
    .requiredOption('--name <name>', 'of the role')
    .option('--path <path>', 'of the role; / if not given')
    .option('--description <text>', 'of the role')
    .option('--max-session-duration <duration>', 'how long its sessions may be, 1h to 12h')
    .option('--policy-arn <arn>', 'a managed policy to attach (repeatable)', collect, [])
    .option('--policy-file <file>', 'a permission policy as JSON; - reads standard input')
    .option('--permissions-boundary <arn>', 'a managed policy that bounds it')
    .option('--tag <key=value>', 'of the role (repeatable)', collect, [])
    .option('--adopt', "make a role of that name that somebody else made podrole's own", false)
    .option('--annotate', 'annotate the service accounts with the role, for IRSA', false)
    .option('--create-service-account', 'with --annotate: make those that are missing', false)
    .option('--overwrite', 'with --annotate: in place of another role', false)
    .option('--kubeconfig <file>', 'the cluster of --annotate; in a pod its own')
    .option('--context <name>', 'of the kubeconfig')
    .addHelpText('after', CREATE_EXAMPLES)
    .action(async (flags: RoleCreateFlags) => {
      const { createRole } = await import('../role-run.ts')
      await createRole(flags)
    })
}

const SHOW_EXAMPLES = `
Examples:
  podrole role trust show orders
  podrole role trust show --file trust.json --fail-on warning`

function addShowCommand(trust: Command): void {
  withAccount(trust.command('show'))
    .description('show a trust policy and what is wrong with it')
    .argument('[role]', 'its name or ARN')
    .option('--file <file>', 'a policy in place of a role; - reads standard input')
    .addOption(
      new Option('--fail-on <level>', 'end with 1 where a finding is that bad')
        .choices(['error', 'warning', 'never'])
        .default('never'),
    )
    .addHelpText('after', SHOW_EXAMPLES)
    .action(async (role: string | undefined, flags: TrustShowFlags) => {
      const { showTrust } = await import('../role-trust-run.ts')
      process.exitCode = await showTrust(role, flags)
    })
}

const CHANGES = {
  add: {
    does: 'let further service accounts take a role; what others wrote stays as it is',
    example: `\nExample:\n  podrole role trust add orders --service-account 'shop/batch-*' --match like --cluster prod --dry-run`,
  },
  remove: {
    does: 'let service accounts no longer take a role',
    example:
      '\nExample:\n  podrole role trust remove orders --service-account shop/old --issuer https://issuer.example.com',
  },
} as const

function addChangeCommand(trust: Command, change: keyof typeof CHANGES): void {
  withTrust(trust.command(change))
    .description(CHANGES[change].does)
    .argument('<role>', 'its name or ARN')
    .option('--dry-run', 'show the change and write nothing', false)
    .addHelpText('after', CHANGES[change].example)
    .action(async (role: string, flags: TrustChangeFlags) => {
      const { changeRoleTrust } = await import('../role-trust-run.ts')
      await changeRoleTrust(change, role, flags)
    })
}

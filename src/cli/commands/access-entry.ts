import type { Command } from 'commander'
import { collect, type OutputFormat, outputOption } from '../options.ts'
import { collectList } from './association.ts'

/** An EKS cluster, and how to tell what came of it. */
export interface EksClusterFlags {
  readonly cluster: string
  readonly profile?: string
  readonly region?: string
  readonly output: OutputFormat
}

/** Whose entry; as the only subject it is positional too. */
export interface PrincipalFlags {
  readonly principalArn?: string
}

export interface EntryCreateFlags extends EksClusterFlags, PrincipalFlags {
  readonly type?: string
  readonly kubernetesGroups?: readonly string[]
  readonly kubernetesUsername?: string
  readonly accessPolicy: readonly string[]
  readonly tags: readonly string[]
}

export interface EntryUpdateFlags extends EksClusterFlags, PrincipalFlags {
  /** False where all are to be taken away. */
  readonly kubernetesGroups?: readonly string[] | false
  readonly kubernetesUsername?: string
  readonly accessPolicy: readonly string[]
  readonly removeAccessPolicy: readonly string[]
  readonly tags: readonly string[]
  readonly removeTags: readonly string[]
  readonly adopt: boolean
}

export interface EntryDeleteFlags extends EksClusterFlags, PrincipalFlags {
  readonly adopt: boolean
  readonly ignoreNotFound: boolean
}

/** The options of every command on an EKS cluster. */
export const withEksCluster = (command: Command, what = 'the EKS cluster'): Command =>
  command
    .requiredOption('--cluster <name>', what)
    .option('--profile <name>', 'the AWS profile of the account; AWS_PROFILE if not given')
    .option('--region <region>', 'of the cluster; AWS_REGION if not given')
    .addOption(outputOption())

const withPrincipal = (command: Command): Command =>
  withEksCluster(
    command
      .argument('[principal-arn]', 'the IAM role or user')
      .option('--principal-arn <arn>', 'the same'),
  )

const POLICY_TEXT =
  'an access policy and where it holds: NAME=cluster or NAME=namespace:ONE,OTHER (repeatable)'

export function addAccessEntryCommand(program: Command): void {
  const entry = program
    .command('access-entry')
    .description('access entries: which IAM roles and users may do what in an EKS cluster')
  addCreateCommand(entry)
  withEksCluster(entry.command('list'))
    .description('list the access entries of a cluster, with their groups and access policies')
    .addHelpText('after', '\nExample:\n  podrole access-entry list --cluster prod -o yaml')
    .action(async (flags: EksClusterFlags) => {
      const { runList } = await import('../access-entry-run.ts')
      await runList(flags)
    })
  withPrincipal(entry.command('describe'))
    .description('show the access entry of a role or user')
    .addHelpText(
      'after',
      '\nExample:\n  podrole access-entry describe arn:aws:iam::111122223333:role/ci --cluster prod',
    )
    .action(async (principal: string | undefined, flags: EksClusterFlags & PrincipalFlags) => {
      const { runDescribe } = await import('../access-entry-run.ts')
      await runDescribe(principal, flags)
    })
  addUpdateCommand(entry)
  addDeleteCommand(entry)
}

const CREATE_EXAMPLES = `
Examples:
  podrole access-entry create arn:aws:iam::111122223333:role/ci --cluster prod --access-policy AmazonEKSEditPolicy=namespace:shop,shop-*
  podrole access-entry create arn:aws:iam::111122223333:role/sre --cluster prod --kubernetes-groups sre --access-policy AmazonEKSViewPolicy=cluster`

function addCreateCommand(entry: Command): void {
  withPrincipal(entry.command('create'))
    .description('let an IAM role or user into a cluster')
    .option('--type <type>', 'STANDARD if not given; EC2_LINUX and the like are for nodes')
    .option('--kubernetes-groups <names>', 'parted by commas (repeatable)', collectList)
    .option('--kubernetes-username <name>', "EKS's own if not given")
    .option('--access-policy <name=scope>', POLICY_TEXT, collect, [])
    .option('--tags <key=value>', 'of the entry, parted by commas (repeatable)', collectList, [])
    .addHelpText('after', CREATE_EXAMPLES)
    .action(async (principal: string | undefined, flags: EntryCreateFlags) => {
      const { runCreate } = await import('../access-entry-run.ts')
      await runCreate(principal, flags)
    })
}

function addUpdateCommand(entry: Command): void {
  withPrincipal(entry.command('update'))
    .description('change an access entry; what is not named stays as it is')
    .option('--kubernetes-groups <names>', 'in place of those before', collectList)
    .option('--no-kubernetes-groups', 'take all groups away')
    .option('--kubernetes-username <name>', 'another user name')
    .option(
      '--access-policy <name=scope>',
      `${POLICY_TEXT}; a scope in place of another`,
      collect,
      [],
    )
    .option('--remove-access-policy <names>', 'to be taken away, parted by commas', collectList, [])
    .option('--tags <key=value>', 'to be set, parted by commas (repeatable)', collectList, [])
    .option('--remove-tags <keys>', 'to be taken away, parted by commas', collectList, [])
    .option('--adopt', "make an entry that somebody else made podrole's own", false)
    .addHelpText(
      'after',
      '\nExample:\n  podrole access-entry update arn:aws:iam::111122223333:role/ci --cluster prod --access-policy AmazonEKSViewPolicy=cluster',
    )
    .action(async (principal: string | undefined, flags: EntryUpdateFlags) => {
      const { runUpdate } = await import('../access-entry-run.ts')
      await runUpdate(principal, flags)
    })
}

function addDeleteCommand(entry: Command): void {
  withPrincipal(entry.command('delete'))
    .description('shut an IAM role or user out of a cluster')
    .option('--ignore-not-found', 'a missing entry is no fault', false)
    .option('--adopt', 'also an entry that somebody else made', false)
    .addHelpText(
      'after',
      '\nExample:\n  podrole access-entry delete arn:aws:iam::111122223333:role/ci --cluster prod',
    )
    .action(async (principal: string | undefined, flags: EntryDeleteFlags) => {
      const { runDelete } = await import('../access-entry-run.ts')
      await runDelete(principal, flags)
    })
}

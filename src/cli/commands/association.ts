import { type Command, InvalidArgumentError, Option } from 'commander'
import { type OutputFormat, outputOption } from '../options.ts'

/** The cluster whose associations are meant, on EKS or on a broker. */
export interface AssociationPlaceFlags {
  readonly cluster: string
  /** True where the URL is to come from PODROLE_BROKER_URL. */
  readonly broker?: string | true
  readonly keyFile?: string
  readonly caFile?: string
  readonly profile?: string
  readonly region?: string
  readonly output: OutputFormat
}

/** Which service account; as the only subject it is positional too. */
export interface SubjectFlags {
  readonly serviceAccount?: string
}

export interface KubeFlags {
  readonly kubeconfig?: string
  readonly context?: string
}

export interface AssociationCreateFlags extends AssociationPlaceFlags, SubjectFlags, KubeFlags {
  readonly roleArn?: string
  readonly roleName?: string
  readonly permissionPolicyArns: readonly string[]
  readonly permissionPolicy?: string
  readonly wellKnownPolicies: readonly string[]
  readonly permissionsBoundaryArn?: string
  readonly tags: readonly string[]
  readonly createServiceAccount: boolean
  readonly targetRoleArn?: string
  readonly disableSessionTags?: boolean
  readonly policy?: string
}

export interface AssociationUpdateFlags extends AssociationPlaceFlags, SubjectFlags {
  readonly roleArn?: string
  readonly targetRoleArn?: string
  /** False where it is to be taken away. */
  readonly targetRole?: boolean
  readonly disableSessionTags?: boolean
  /** False where it is to be taken away. */
  readonly policy?: string | false
  readonly tags: readonly string[]
  readonly removeTags: readonly string[]
  readonly adopt: boolean
}

export interface AssociationDeleteFlags extends AssociationPlaceFlags, SubjectFlags, KubeFlags {
  readonly adopt: boolean
  readonly keepRole: boolean
  readonly deleteServiceAccount: boolean
  readonly ignoreNotFound: boolean
}

export interface AssociationListFlags extends AssociationPlaceFlags, SubjectFlags {
  readonly namespace?: string
}

export function addAssociationCommand(program: Command): void {
  const association = program
    .command('association')
    .description('Pod Identity associations, on EKS or on a broker')
  addCreateCommand(association)
  addListCommand(association)
  addDescribeCommand(association)
  addUpdateCommand(association)
  addDeleteCommand(association)
}

function withPlace(command: Command): Command {
  return command
    .requiredOption('--cluster <name>', 'the cluster')
    .option('--broker [url]', 'on a broker in place of EKS; PODROLE_BROKER_URL if no URL is given')
    .addOption(new Option('--key-file <file>', 'a broker key').env('PODROLE_BROKER_KEY_FILE'))
    .option('--ca-file <file>', "PEM of the authority behind the broker's certificate")
    .option('--profile <name>', 'the AWS profile of the account; AWS_PROFILE if not given')
    .option('--region <region>', 'of the cluster; AWS_REGION if not given')
    .addOption(outputOption())
}

const withSubject = (command: Command): Command =>
  withPlace(
    command
      .argument('[namespace/name]', 'the service account')
      .option('--service-account <namespace/name>', 'the same'),
  )

const withKube = (command: Command): Command =>
  command
    .option('--kubeconfig <file>', 'the cluster of the service account; in a pod its own')
    .option('--context <name>', 'of the kubeconfig')

/** For lists as eksctl takes them, parted by commas; the option may be given several times too. */
export const collectList = (value: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  ...value
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== ''),
]

/** An option that is switched on by itself and takes true and false, as kubectl's do. */
const readSwitch = (value: string): boolean => {
  if (value === 'true' || value === 'false') return value === 'true'
  throw new InvalidArgumentError('wanted true or false, or nothing behind it.')
}

const withSettings = (command: Command): Command =>
  command
    .option('--target-role-arn <arn>', 'a role, of any account, that is assumed by the first one')
    .option('--disable-session-tags [bool]', 'pass no session tags', readSwitch)
    .option('--no-disable-session-tags', 'pass session tags')

const CREATE_EXAMPLES = `
Examples:
  podrole association create shop/orders --cluster prod --role-arn arn:aws:iam::111122223333:role/orders
  podrole association create shop/orders --cluster prod --permission-policy orders.json --create-service-account
  podrole association create shop/orders --cluster edge --broker https://broker.example.com --role-arn arn:aws:iam::111122223333:role/orders

Without --role-arn a role is made, whose trust policy admits this service account alone.`

function addCreateCommand(association: Command): void {
  const create = withSubject(association.command('create'))
    .description('give a service account a role, one that is there or one that is made for it')
    .option('--role-arn <arn>', 'a role that is there')
    .option('--role-name <name>', 'of a role that is made; podrole-CLUSTER-… if not given')
    .option(
      '--permission-policy-arns <arns>',
      'managed policies of a role that is made, parted by commas (repeatable)',
      collectList,
      [],
    )
    .option('--permission-policy <file|json>', 'its inline policy; - reads standard input')
    .option(
      '--well-known-policies <names>',
      'of common workloads, such as certManager,externalDNS (repeatable)',
      collectList,
      [],
    )
    .option('--permissions-boundary-arn <arn>', 'a managed policy that bounds it')
    .option(
      '--tags <key=value>',
      'of the association and of a role that is made, parted by commas (repeatable)',
      collectList,
      [],
    )
    .option('--policy <file|json>', 'a session policy; needs --disable-session-tags')
    .option('--create-service-account', 'make the service account if it is missing', false)
  withKube(withSettings(create))
    .addHelpText('after', CREATE_EXAMPLES)
    .action(async (subject: string | undefined, flags: AssociationCreateFlags) => {
      const { runCreate } = await import('../association-create-run.ts')
      await runCreate(subject, flags)
    })
}

function addListCommand(association: Command): void {
  withPlace(association.command('list'))
    .description('list the associations of a cluster')
    .option('--namespace <name>', 'those of this namespace alone')
    .option('--service-account <namespace/name>', 'that of this service account alone')
    .addHelpText('after', '\nExample:\n  podrole association list --cluster prod -o json')
    .action(async (flags: AssociationListFlags) => {
      const { runList } = await import('../association-show-run.ts')
      await runList(flags)
    })
}

function addDescribeCommand(association: Command): void {
  withSubject(association.command('describe'))
    .description('show the association of a service account')
    .addHelpText(
      'after',
      '\nExample:\n  podrole association describe shop/orders --cluster prod -o yaml',
    )
    .action(async (subject: string | undefined, flags: AssociationPlaceFlags & SubjectFlags) => {
      const { runDescribe } = await import('../association-show-run.ts')
      await runDescribe(subject, flags)
    })
}

function addUpdateCommand(association: Command): void {
  const update = withSubject(association.command('update'))
    .description('change an association; what is not named stays as it is')
    .option('--role-arn <arn>', 'another role')
  withSettings(update)
    .option('--no-target-role', 'take the target role away')
    .option('--policy <file|json>', 'a session policy; needs --disable-session-tags')
    .option('--no-policy', 'take the session policy away')
    .option('--tags <key=value>', 'to be set, parted by commas (repeatable)', collectList, [])
    .option('--remove-tags <keys>', 'to be taken away, parted by commas', collectList, [])
    .option('--adopt', "make an association that somebody else made podrole's own", false)
    .addHelpText(
      'after',
      '\nExample:\n  podrole association update shop/orders --cluster prod --role-arn arn:aws:iam::111122223333:role/orders-v2',
    )
    .action(async (subject: string | undefined, flags: AssociationUpdateFlags) => {
      const { runUpdate } = await import('../association-change-run.ts')
      await runUpdate(subject, flags)
    })
}

function addDeleteCommand(association: Command): void {
  const remove = withSubject(association.command('delete'))
    .description('take the role from a service account, with what podrole made for it')
    .option('--keep-role', 'leave a role that podrole made for it', false)
    .option('--delete-service-account', 'also the service account, if podrole made it', false)
    .option('--ignore-not-found', 'a missing association is no fault', false)
    .option('--adopt', 'also an association that somebody else made', false)
  withKube(remove)
    .addHelpText('after', '\nExample:\n  podrole association delete shop/orders --cluster prod')
    .action(async (subject: string | undefined, flags: AssociationDeleteFlags) => {
      const { runDelete } = await import('../association-change-run.ts')
      await runDelete(subject, flags)
    })
}

import { type Command, Option } from 'commander'
import { collect, type FailOn, failOnOption, type OutputFormat, outputOption } from '../options.ts'

export interface ExplainFlags {
  readonly serviceAccount?: string
  readonly pod?: string
  readonly container?: string
  readonly cluster?: string
  /** True where the URL is to come from PODROLE_BROKER_URL. */
  readonly broker?: string | true
  readonly keyFile?: string
  readonly caFile?: string
  readonly action?: string
  readonly resource?: string
  readonly token?: string
  readonly error?: string
  readonly sdk?: string
  readonly fix: boolean
  readonly profile?: string
  readonly roleProfile: readonly string[]
  readonly region?: string
  readonly kubeconfig?: string
  readonly context?: string
  readonly output: OutputFormat
  readonly failOn: FailOn
}

export function addExplainCommand(program: Command): void {
  program
    .command('explain')
    .description(
      'tell why a pod gets, or does not get, its role, and what mends it; changes nothing',
    )
    .argument('[service-account]', 'NAMESPACE/NAME')
    .option('--service-account <namespace/name>', 'in place of the argument')
    .option('--pod <namespace/name>', 'a pod, in place of the newest one of a service account')
    .option('--container <name>', 'of the pod; its first one if not given')
    .option('--cluster <name>', 'on EKS, where the API server does not tell its issuer')
    .option('--broker [url]', 'of the cluster, off EKS; PODROLE_BROKER_URL if no URL is given')
    .addOption(new Option('--key-file <file>', 'a broker key').env('PODROLE_BROKER_KEY_FILE'))
    .option('--ca-file <file>', "PEM of the authority behind the broker's certificate")
    .option('--action <action>', 'what the pod wants to do: s3:GetObject')
    .option('--resource <arn>', 'on what')
    .option(
      '--token <file>',
      'a token in place of the one that the pod has; alone: the token by itself, offline; - reads standard input',
    )
    .option(
      '--error <text>',
      'the message of an SDK or of CloudTrail: it names action, resource and who asked',
    )
    .option(
      '--sdk <name@version>',
      "of the pod's program, such as boto3@1.34.41: nothing in a cluster tells it",
    )
    .addOption(new Option('--fix', 'print the fix alone, to be run or applied').default(false))
    .option(
      '--profile <name>',
      "the AWS profile of the cluster's account; AWS_PROFILE if not given",
    )
    .option(
      '--role-profile <name>',
      'of another account that a role or a target role is in (repeatable)',
      collect,
      [],
    )
    .option('--region <region>', 'of the AWS calls; AWS_REGION if not given')
    .option('--kubeconfig <file>', 'where the cluster is; in a pod its own')
    .option('--context <name>', 'of the kubeconfig')
    .addOption(outputOption())
    .addOption(failOnOption())
    .addHelpText(
      'after',
      `
Exit codes: 0 nothing is broken, 1 something is (or, with --fail-on warning, could not be read), or a fault.

Examples:
  podrole explain shop/orders
  podrole explain shop/orders --action s3:GetObject --resource 'arn:aws:s3:::shop-orders/*'
  podrole explain --pod shop/orders-7d4b9 -o json
  podrole explain shop/orders --fix
  kubectl exec orders-7d4b9 -- cat /var/run/secrets/eks.amazonaws.com/serviceaccount/token | podrole explain --token -`,
    )
    .action(async (argument: string | undefined, flags: ExplainFlags) => {
      const { runExplain } = await import('../explain-run.ts')
      process.exitCode = await runExplain(argument, flags)
    })
}

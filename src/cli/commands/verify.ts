import { type Command, Option } from 'commander'
import { DEFAULT_IMAGE, DEFAULT_USER } from '../../doctor/verify/pod.ts'
import { type FailOn, failOnOption, type OutputFormat, outputOption } from '../options.ts'

export interface VerifyFlags {
  readonly serviceAccount?: string
  readonly image: string
  readonly expectRole?: string
  readonly checks?: string
  readonly timeout: string
  readonly runAsUser: string
  readonly printKubectl: boolean
  readonly cluster?: string
  /** True where the URL is to come from PODROLE_BROKER_URL. */
  readonly broker?: string | true
  readonly keyFile?: string
  readonly caFile?: string
  readonly profile?: string
  readonly region?: string
  readonly kubeconfig?: string
  readonly context?: string
  readonly output: OutputFormat
  readonly failOn: FailOn
}

export function addVerifyCommand(program: Command): void {
  program
    .command('verify')
    .description('run a pod under a service account for a moment, and tell which role it gets')
    .argument('[service-account]', 'NAMESPACE/NAME')
    .option('--service-account <namespace/name>', 'in place of the argument')
    .addOption(new Option('--image <image>', 'with sh and the AWS CLI').default(DEFAULT_IMAGE))
    .option('--expect-role <arn>', "what it is to get; the annotation's or association's if none")
    .option('--checks <file>', 'AWS CLI commands to run there, with what is expected of each')
    .addOption(new Option('--timeout <duration>', 'how long the pod is waited for').default('2m'))
    .addOption(
      new Option('--run-as-user <uid>', 'of the pod; none leaves it to the cluster').default(
        String(DEFAULT_USER),
      ),
    )
    .addOption(
      new Option('--print-kubectl', 'print the same as kubectl commands; runs nothing').default(
        false,
      ),
    )
    .option('--cluster <name>', 'whose associations say what is expected, on EKS or a broker')
    .option('--broker [url]', 'on a broker in place of EKS; PODROLE_BROKER_URL if no URL is given')
    .addOption(new Option('--key-file <file>', 'a broker key').env('PODROLE_BROKER_KEY_FILE'))
    .option('--ca-file <file>', "PEM of the authority behind the broker's certificate")
    .option('--profile <name>', 'the AWS profile for EKS; AWS_PROFILE if not given')
    .option('--region <region>', 'of EKS, and of the pod where nothing gives it one')
    .option('--kubeconfig <file>', 'where the cluster is; in a pod its own')
    .option('--context <name>', 'of the kubeconfig')
    .addOption(outputOption())
    .addOption(failOnOption())
    .addHelpText(
      'after',
      `
The pod is removed at the end, also on Ctrl-C; what a kill -9 leaves ends by itself and is removed by
the next verify in its namespace.

Exit codes: 0 it gets what it should, 1 it does not, or a fault, 130 and 143 stopped by SIGINT and SIGTERM.

Examples:
  podrole verify shop/orders
  podrole verify shop/orders --cluster prod --checks checks.yaml -o json
  podrole verify shop/orders --print-kubectl`,
    )
    .action(async (argument: string | undefined, flags: VerifyFlags) => {
      const { runVerify } = await import('../verify-run.ts')
      process.exitCode = await runVerify(argument, flags)
    })
}

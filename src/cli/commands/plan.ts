import { type Command, Option } from 'commander'
import { collect, type OutputFormat, outputOption } from '../options.ts'
import type { PlaceFlags } from '../parts/observe-places.ts'

export interface FileFlags extends PlaceFlags {
  readonly filename: readonly string[]
  readonly cluster?: string
  readonly force: boolean
}

/** One of two people's: what the other side's is, is neither asked nor needed. */
export interface HalfFlags {
  readonly awsOnly: boolean
  readonly kubernetesOnly: boolean
}

export interface PlanFlags extends FileFlags, HalfFlags {
  readonly adopt: boolean
  readonly cached?: string
  readonly permissions: boolean
  readonly out?: string
  readonly detailedExitcode: boolean
  readonly output: OutputFormat
}

/** What `plan`, `apply` and `delete` have in common: which files, and where clusters are. */
export const addPlaceOptions = (command: Command): Command =>
  addReachOptions(
    command.requiredOption(
      '-f, --filename <file|folder>',
      'what is to be; - reads standard input (repeatable)',
      collect,
    ),
  )

/** Of two people with two networks, each does one. */
export const addHalfOptions = (command: Command): Command =>
  command
    .addOption(
      new Option('--aws-only', 'the half that AWS or a broker is asked for; needs no kubeconfig')
        .default(false)
        .conflicts('kubernetesOnly'),
    )
    .option(
      '--kubernetes-only',
      'the half that Kubernetes is asked for; needs no AWS credentials',
      false,
    )

/** How the clusters of files, or of a plan file, are reached. */
export const addReachOptions = (command: Command): Command =>
  command
    .option('--cluster <name>', 'of a file that names none')
    .option('--region <region>', 'of a file that names none; AWS_REGION if not given')
    .option('--profile <name>', 'the AWS profile of the account; AWS_PROFILE if not given')
    .option('--kubeconfig <file>', 'where the clusters are; in a pod its own')
    .option('--context <name>', 'of the kubeconfig, for a file about one cluster')
    .option(
      '--trust-kubeconfig',
      "take the kubeconfig's cluster for the one that is meant, whatever it says of itself",
      false,
    )
    .option(
      '--broker [url]',
      'in place of the broker that files name; PODROLE_BROKER_URL if no URL is given',
    )
    .addOption(new Option('--key-file <file>', 'a broker key').env('PODROLE_BROKER_KEY_FILE'))
    .option('--ca-file <file>', "PEM of the authority behind the broker's certificate")

export function addPlanCommand(program: Command): void {
  addHalfOptions(addPlaceOptions(program.command('plan')))
    .option('--adopt', 'also change what others made, where a file asks for it', false)
    .option('--force', 'also where service accounts lose access', false)
    .description('show what is to be done so that clusters are as files say; changes nothing')
    .option(
      '--cached <age>',
      'take what was read at most so long ago, such as 10m, in place of reading it again',
    )
    .option(
      '--permissions',
      "also tell what of it the caller may not do, by IAM's simulator",
      false,
    )
    .option('--out <file>', 'also write the plan to a file, for podrole apply FILE')
    .option('--detailed-exitcode', 'exit with 2 where there is something to do', false)
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Exit codes: 0 planned, 1 a fault or a refusal; with --detailed-exitcode 0 nothing to do, 2 something.

Examples:
  podrole plan -f cluster.yaml
  podrole plan -f clusters/ --detailed-exitcode -o json
  podrole plan -f cluster.yaml --out plan.json
  podrole plan -f clusters/ --cached 10m
  podrole plan -f iam.yaml --cluster prod --region eu-central-1`,
    )
    .action(async (flags: PlanFlags) => {
      const { runPlan } = await import('../plan-run.ts')
      await runPlan(flags)
    })
}

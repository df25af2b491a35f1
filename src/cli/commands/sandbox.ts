import { type Command, InvalidArgumentError, Option } from 'commander'
import type { LogLevel } from '../../lib/log.ts'
import { collect, logLevelOption, networkOption, readPort } from '../options.ts'
import { addSnapshotCommand, READY_FILE_HELP } from './sandbox-snapshot.ts'

/** The options of `podrole sandbox`, as typed. */
export interface SandboxFlags {
  readonly port: number
  readonly readyFile?: string
  readonly accountId: readonly string[]
  readonly region: string
  readonly cluster: readonly string[]
  readonly selfManagedCluster: readonly string[]
  readonly serviceAccountSigningEndpoint: readonly string[]
  readonly nodes?: number
  readonly state?: string
  readonly resolve: readonly string[]
  readonly trustCa: readonly string[]
  readonly network: 'auto' | 'namespace' | 'loopback'
  readonly fault: readonly string[]
  readonly quota: readonly string[]
  readonly scp: readonly string[]
  readonly stsKeyCache: string
  readonly clockOffset?: string
  readonly logLevel: LogLevel
}

const FAULT_HELP =
  'what goes wrong at AWS: delay:500ms, throttle:3, error:CODE:STATUS, outage, half-answer, eventual:2s (repeatable)'

const QUOTA_HELP =
  "a quota in place of AWS's default: oidcProviders=3 (repeatable); a wrong name tells all of them"

const SCP_HELP =
  'a service control policy (JSON) over every account, or one (repeatable); refuses what it denies'

const EXAMPLES = `
Examples:
  podrole sandbox                                   until Ctrl-C
  podrole sandbox --cluster prod@eu-west-1 -- pytest tests/
  podrole sandbox --ready-file ready.json --state .sandbox &
  podrole sandbox exec default/app -- aws sts get-caller-identity`

export function addSandboxCommand(program: Command): void {
  const sandbox = program
    .command('sandbox')
    .description('a local AWS and local clusters that verify for real')
    .enablePositionalOptions()
    .addOption(logLevelOption('warn'))
    .argument('[command...]', 'a command to run inside; the sandbox ends with its exit code')
    .option('--port <port>', 'of the AWS endpoint; 0 takes a free one', readPort, 4566)
    .option('--ready-file <file>', 'written (JSON, mode 0600) when everything answers')
    .option(
      '--account-id <id>',
      'an AWS account (repeatable); the first is the default',
      collect,
      [],
    )
    .option('--region <region>', 'where clusters without @REGION are', 'us-east-1')
    .option(
      '--cluster <[account/]name[@region]>',
      'an EKS cluster, of the first account if none is named (repeatable); `sandbox` if none',
      collect,
      [],
    )
    .option(
      '--self-managed-cluster <[account/]name=issuer>',
      'a cluster that is not EKS, with its service account issuer and a broker (repeatable)',
      collect,
      [],
    )
    .option(
      '--service-account-signing-endpoint <name=socket>',
      'the Unix socket of an ExternalJWTSigner (podrole issuer signer) that signs the tokens of that self-managed cluster (repeatable)',
      collect,
      [],
    )
    .option('--nodes <count>', 'nodes of each cluster; as the state has it, or 1', readCount)
    .option('--state <folder>', 'keeps everything there, over kill -9 too; in memory if not named')
    .option(
      '--resolve <host=address:port>',
      'where STS finds an issuer of your own (repeatable)',
      collect,
      [],
    )
    .option('--trust-ca <file>', 'a CA that STS trusts for it (repeatable)', collect, [])
    .option('--fault <service:operation=effect>', FAULT_HELP, collect, [])
    .option('--quota <[account/]name=value>', QUOTA_HELP, collect, [])
    .option('--scp <[account=]file>', SCP_HELP, collect, [])
    .option(
      '--sts-key-cache <duration>',
      "how long STS keeps an issuer's keys; not at all if 0",
      '0',
    )
    .option('--clock-offset <duration>', "moves the sandbox's clock, for example 1h or -1h")
    .addOption(networkOption())
    .addHelpText('after', EXAMPLES)
    .action(async (words: string[], flags: SandboxFlags) => {
      const { runSandbox } = await import('../sandbox-run.ts')
      process.exitCode = await runSandbox(flags, words)
    })
  addExecCommand(sandbox)
  addEventsCommand(sandbox)
  addSnapshotCommand(sandbox)
}

function addExecCommand(sandbox: Command): void {
  sandbox
    .command('exec')
    .description('run a command in a pod of a sandbox, found by KUBECONFIG')
    .argument('<namespace/pod>', 'the pod')
    .argument('<command...>', 'what to run, after --')
    .option('-c, --container <name>', 'which container; the first if not named')
    .option('--kubeconfig <file>', 'instead of KUBECONFIG')
    .option('--context <name>', 'which cluster of it')
    .addHelpText('after', '\nExample:\n  podrole sandbox exec default/app -- aws s3 ls')
    .action(async (pod: string, words: string[], flags: ExecFlags) => {
      const { execInPod } = await import('../sandbox-exec.ts')
      process.exitCode = await execInPod(pod, words, flags)
    })
}

const EVENTS_EXAMPLES = `
Examples:
  podrole sandbox events --ready-file ready.json --denied
  podrole sandbox -- sh -c 'pytest tests/ || podrole sandbox events -o json'`

function addEventsCommand(sandbox: Command): void {
  sandbox
    .command('events')
    .description('tell the decisions of a sandbox, with their reasons')
    .option('-f, --follow', 'go on with those to come, until Ctrl-C', false)
    .option('--denied', 'what was not allowed, alone', false)
    .option(
      '--all',
      "also what nodes and the sandbox's own parts were allowed, and discovery",
      false,
    )
    .option('--ready-file <file>', READY_FILE_HELP)
    .addOption(
      new Option('-o, --output <format>', 'how to print; json is an object a line')
        .choices(['table', 'json'])
        .default('table'),
    )
    .addHelpText('after', EVENTS_EXAMPLES)
    .action(async (flags: EventsFlags) => {
      const { printEvents } = await import('../sandbox-events.ts')
      await printEvents(flags)
    })
}

export interface EventsFlags {
  readonly follow: boolean
  readonly denied: boolean
  readonly all: boolean
  readonly readyFile?: string
  readonly output: 'table' | 'json'
}

export interface ExecFlags {
  readonly container?: string
  readonly kubeconfig?: string
  readonly context?: string
}

function readCount(text: string): number {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 1 || count > 20) {
    throw new InvalidArgumentError(`wanted a number from 1 to 20.`)
  }
  return count
}

import { type Command, InvalidArgumentError } from 'commander'
import type { LogLevel } from '../../lib/log.ts'
import { collect, logLevelOption, networkOption } from '../options.ts'

/** The options of `podrole sandbox`, as typed. */
export interface SandboxFlags {
  readonly port: number
  readonly readyFile?: string
  readonly accountId: readonly string[]
  readonly region: string
  readonly cluster: readonly string[]
  readonly selfManagedCluster: readonly string[]
  readonly nodes: number
  readonly resolve: readonly string[]
  readonly trustCa: readonly string[]
  readonly network: 'auto' | 'namespace' | 'loopback'
  readonly clockOffset?: string
  readonly logLevel: LogLevel
}

const EXAMPLES = `
Examples:
  podrole sandbox                                   until Ctrl-C
  podrole sandbox --cluster prod@eu-west-1 -- pytest tests/
  podrole sandbox --ready-file ready.json &
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
    .option('--account-id <id>', 'an AWS account (repeatable)', collect, [])
    .option('--region <region>', 'where clusters without @REGION are', 'us-east-1')
    .option(
      '--cluster <name[@region]>',
      'an EKS cluster (repeatable); `sandbox` if none',
      collect,
      [],
    )
    .option(
      '--self-managed-cluster <name=issuer>',
      'a cluster that is not EKS, with its service account issuer and a broker (repeatable)',
      collect,
      [],
    )
    .option('--nodes <count>', 'nodes of each cluster', readCount, 1)
    .option(
      '--resolve <host=address:port>',
      'where STS finds an issuer of your own (repeatable)',
      collect,
      [],
    )
    .option('--trust-ca <file>', 'a CA that STS trusts for it (repeatable)', collect, [])
    .option('--clock-offset <duration>', "moves the sandbox's clock, for example 1h or -1h")
    .addOption(networkOption())
    .addHelpText('after', EXAMPLES)
    .action(async (words: string[], flags: SandboxFlags) => {
      const { runSandbox } = await import('../sandbox-run.ts')
      process.exitCode = await runSandbox(flags, words)
    })
  addExecCommand(sandbox)
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

export interface ExecFlags {
  readonly container?: string
  readonly kubeconfig?: string
  readonly context?: string
}

function readPort(text: string): number {
  const port = Number(text)
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new InvalidArgumentError(`wanted a port from 0 to 65535.`)
  }
  return port
}

function readCount(text: string): number {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 1 || count > 20) {
    throw new InvalidArgumentError(`wanted a number from 1 to 20.`)
  }
  return count
}

import { type Command, Option } from 'commander'
import type { LogLevel } from '../../lib/log.ts'
import { collect, logLevelOption } from '../options.ts'

/** The options of `podrole agent`, in the stock agent's names where it has them. */
export interface AgentFlags {
  readonly clusterName: string
  readonly region?: string
  readonly endpoint?: string
  readonly bindHosts?: readonly string[]
  readonly port?: string
  readonly probePort?: string
  readonly metricsAddress?: string
  readonly metricsPort?: string
  readonly unsafeMetricsAddress?: boolean
  readonly brokerTokenFile?: string
  readonly caFile?: string
  readonly maxCacheSize?: string
  readonly unsafeBindHosts?: boolean
  readonly logLevel: LogLevel
}

export interface AgentManifestFlags {
  readonly clusterName: string
  readonly region: string
  readonly image: string
  readonly namespace?: string
  readonly endpoint?: string
  readonly broker?: boolean
  readonly caConfigMap?: string
  readonly bindHosts?: string[]
}

export function addAgentCommand(program: Command): void {
  const agent = program
    .command('agent')
    .description('run the agent of a node')
    .enablePositionalOptions()
    .addOption(logLevelOption())
    .option('-c, --cluster-name <name>', 'the cluster, as EKS or the broker knows it (required)')
    .addOption(new Option('--region <region>', 'of EKS Auth').env('AWS_REGION'))
    .option('--endpoint <url>', 'a broker, or EKS Auth elsewhere')
    .option('-b, --bind-hosts <address>', 'where it listens (repeatable)', collect)
    .option('-p, --port <port>', 'of the credentials', '80')
    .option('--probe-port <port>', 'of /healthz and /readyz on loopback', '2703')
    .option('--metrics-address <address>', 'of /metrics', '127.0.0.1')
    .option('--metrics-port <port>', 'of /metrics', '2705')
    .option('--broker-token-file <file>', "the agent's own token, shown to a broker")
    .option('--ca-file <file>', "PEM of the authority behind the endpoint's certificate")
    .option('--max-cache-size <entries>', 'how many pods are kept', '2000')
    .option('--unsafe-bind-hosts', 'allow addresses that other machines can reach')
    .option('--unsafe-metrics-address', 'allow an address of /metrics that pods can reach')
    .addHelpText('after', '\nExample:\n  podrole agent --cluster-name prod --region eu-west-1')
    .action(async (flags: AgentFlags) => {
      const { runAgent } = await import('../agent-run.ts')
      process.exitCode = await runAgent(flags)
    })
  agent
    .command('init')
    .description('make the link that carries 169.254.170.23 and fd00:ec2::23')
    .addOption(logLevelOption())
    .addHelpText('after', '\nExample:\n  podrole agent init')
    .action(async ({ logLevel }: { logLevel: LogLevel }) => {
      const { initAgent } = await import('../agent-run.ts')
      process.exitCode = await initAgent(logLevel)
    })
  addManifestsCommand(agent)
}

function addManifestsCommand(agent: Command): void {
  agent
    .command('manifests')
    .description('print the objects that install the agent')
    .requiredOption('-c, --cluster-name <name>', 'the cluster, as EKS or the broker knows it')
    .requiredOption('--region <region>', 'of EKS Auth')
    .requiredOption('--image <image>', "podrole's image, with its tag or digest")
    .option('--namespace <name>', 'where it is installed', 'podrole-system')
    .option('--endpoint <url>', 'a broker, or EKS Auth elsewhere')
    .option('--broker', 'the endpoint is a broker: give the agent a token for it')
    .option('--ca-config-map <name>', "whose ca.crt signed the endpoint's certificate")
    .option('--bind-hosts <address>', 'where it listens (repeatable)', collect)
    .addHelpText(
      'after',
      '\nExample:\n  podrole agent manifests --cluster-name prod --region eu-west-1 --image podrole:0.1.0 | kubectl apply -f -',
    )
    .action(async (flags: AgentManifestFlags) => {
      const { agentManifests } = await import('../../agent/manifests.ts')
      const { toYaml } = await import('../../kube/yaml.ts')
      process.stdout.write(toYaml(agentManifests(flags)))
    })
}

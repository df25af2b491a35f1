import { Command } from 'commander'
import type { LogLevel } from '../../lib/log.ts'
import { logLevelOption } from '../options.ts'

export interface WebhookManifestFlags {
  readonly image: string
  readonly namespace: string
  readonly url?: string
  readonly caFile?: string
  readonly failurePolicy: string
}

/** Every flag of `podrole webhook` that is not the configuration's. */
export interface WebhookFlags extends Record<string, unknown> {
  readonly kubeconfig?: string
  readonly context?: string
  readonly logLevel: LogLevel
}

/** The flags that say what pods are given, which `webhook manifests` passes on. */
const withMutationFlags = (command: Command): Command =>
  command
    .option('--annotation-prefix <domain>', 'of the annotations')
    .option('--token-audience <audience>', 'of web identity tokens')
    .option('--token-mount-path <path>', 'of web identity tokens')
    .option('--token-expiration <seconds>', 'of every token, 600 at least')
    .option('--aws-default-region <region>', 'injected as AWS_REGION and AWS_DEFAULT_REGION')
    .option('--sts-regional-endpoint', 'inject AWS_STS_REGIONAL_ENDPOINTS=regional')
    .option('--watch-container-credentials-config <file>', 'which service accounts use the agent')
    .option('--container-credentials-audience <audience>', "of the agent's tokens")
    .option('--container-credentials-full-uri <uri>', "the agent's address")
    .option('--container-credentials-token-mount-path <path>', "of the agent's tokens")
    .option('--container-credentials-token-volume-name <name>', "of the agent's tokens")
    .option('--container-credentials-token-path <file>', "of the agent's tokens")
    .option('--service-account-lookup-grace-period <duration>', 'how long a lookup may take')

/**
 * Reads flags of `podrole webhook` that say what pods are given.
 * @throws CommanderError for one that is none
 */
export function readMutationFlags(words: readonly string[]): Record<string, unknown> {
  const command = withMutationFlags(new Command('podrole webhook'))
    .addOption(logLevelOption())
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })
  return command.parse(words, { from: 'user' }).opts()
}

export function addWebhookCommand(program: Command): void {
  const webhook = program
    .command('webhook')
    .description('run the admission webhook')
    .enablePositionalOptions()
    .addOption(logLevelOption())
    .option('--kubeconfig <file>', 'the cluster; in a pod its own')
    .option('--context <name>', 'of the kubeconfig')
    .option('--port <port>', 'of /mutate, over TLS')
    .option('--metrics-address <address>', 'of /metrics')
    .option('--metrics-port <port>', 'of /metrics, over plain HTTP')
    .option('--tls-cert <file>', 'serving certificate, read again when it changes')
    .option('--tls-key <file>', 'its key')
  withMutationFlags(webhook)
    .addHelpText(
      'after',
      '\nExample:\n  podrole webhook --tls-cert tls.crt --tls-key tls.key --aws-default-region eu-west-1',
    )
    .action(async (flags: WebhookFlags) => {
      const { runWebhook } = await import('../webhook-run.ts')
      process.exitCode = await runWebhook(flags)
    })
  addManifestsCommand(webhook)
}

function addManifestsCommand(webhook: Command): void {
  webhook
    .command('manifests')
    .description('print the objects that install the webhook')
    .argument('[flag...]', 'what pods are given: flags of podrole webhook, after --')
    .requiredOption('--image <image>', "podrole's image, with its tag or digest")
    .option('--namespace <name>', 'where it is installed', 'podrole-system')
    .option('--url <url>', 'of a webhook that runs outside the cluster')
    .option('--ca-file <file>', 'PEM of the authority behind its certificate; made if not given')
    .option('--failure-policy <policy>', 'Ignore or Fail', 'Ignore')
    .addHelpText(
      'after',
      `
Examples:
  podrole webhook manifests --image podrole:0.1.0 | kubectl apply -f -
  podrole webhook manifests --image podrole:0.1.0 -- --aws-default-region=eu-west-1`,
    )
    .action(async (words: string[], flags: WebhookManifestFlags) => {
      const { printWebhookManifests } = await import('../webhook-run.ts')
      await printWebhookManifests(words, flags)
    })
}

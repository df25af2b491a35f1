import type { Command } from 'commander'
import type { LogLevel } from '../../lib/log.ts'
import { collect, logLevelOption } from '../options.ts'

export interface SignerFlags {
  readonly socket: string
  readonly dir?: string
  readonly secret?: string
  readonly kubeconfig?: string
  readonly context?: string
  readonly verifyOnly: readonly string[]
  readonly maxTokenExpiration?: string
  readonly maxStale?: string
  readonly readyFile?: string
  readonly logLevel: LogLevel
}

const EXAMPLES = `
Examples:
  podrole issuer signer --socket /run/podrole/signer.sock --dir /var/lib/podrole/issuer
  podrole issuer signer --socket /run/podrole/signer.sock --secret eksa-system/c1-sa --kubeconfig management.kubeconfig

kube-apiserver is started with --service-account-signing-endpoint=/run/podrole/signer.sock in place
of --service-account-signing-key-file and --service-account-key-file.`

/** Adds `signer` to the command `issuer`. */
export function addIssuerSignerCommand(issuer: Command): void {
  issuer
    .command('signer')
    .description("sign an API server's tokens: Kubernetes' ExternalJWTSigner on a Unix socket")
    .requiredOption('--socket <path>', 'in a folder of its own (mode 0700), made if missing')
    .option('--dir <folder>', 'the keys: an issuer folder of podrole issuer rotate')
    .option(
      '--secret <namespace/name[:key]>',
      'the keys: a Secret of another cluster, with the files of such a folder or a private key, in tls.key if no key is named',
    )
    .option('--kubeconfig <file>', 'the cluster of --secret; in a pod its own')
    .option('--context <name>', 'of the kubeconfig')
    .option(
      '--verify-only <file>',
      'public keys of tokens signed elsewhere, for the API server alone: PEM, a JWKS or a folder (repeatable)',
      collect,
      [],
    )
    .option(
      '--max-token-expiration <duration>',
      'the longest life of a token, 24h if not given; an issuer folder says it itself',
    )
    .option(
      '--max-stale <duration>',
      'how long it signs while the keys cannot be read; 5m of --dir, 1h of --secret if not given',
    )
    .option('--ready-file <file>', 'written (JSON: socket) when it answers')
    .addOption(logLevelOption())
    .addHelpText('after', EXAMPLES)
    .action(async (flags: SignerFlags) => {
      const { runSigner } = await import('../issuer-signer-run.ts')
      process.exitCode = await runSigner(flags)
    })
}

import { type Command, InvalidArgumentError, Option } from 'commander'
import { DISTRIBUTIONS, type Distribution } from '../../issuer/apiserver/distributions.ts'
import { type Move, MOVES } from '../../issuer/apiserver/setting.ts'
import { collect } from '../options.ts'

export interface ApiServerFlagsFlags {
  readonly for: Distribution
  readonly dir?: string
  readonly issuer?: string
  readonly oldIssuer: readonly string[]
  readonly move: Move
  readonly jwksUri?: string
  readonly serviceAccountSigningKeyFile?: string
  readonly serviceAccountKeyFile: readonly string[]
  readonly serviceAccountSigningEndpoint?: string
  readonly apiAudiences: readonly string[]
  readonly serviceAccountMaxTokenExpiration?: string
  readonly serviceAccountExtendTokenExpiration?: boolean
  readonly clusterName: string
  readonly output: 'snippet' | 'json' | 'yaml'
}

const EXAMPLES = `
Examples:
  podrole issuer apiserver-flags --for kubeadm --dir /var/lib/podrole/issuer > kubeadm.yaml
  podrole issuer apiserver-flags --for eks-anywhere --issuer https://s3.eu-central-1.amazonaws.com/my-issuer --cluster-name c1
  podrole issuer apiserver-flags --dir /var/lib/podrole/issuer --service-account-signing-endpoint /run/podrole/signer.sock
  podrole issuer apiserver-flags --for k3s --dir /var/lib/podrole/issuer --old-issuer https://kubernetes.default.svc.cluster.local
  podrole issuer apiserver-flags --for talos --dir issuer > issuer.yaml

A cluster that runs goes over to another issuer in three steps, each on every API server before the
next: --old-issuer OLD --move accept, --old-issuer OLD, and neither when no token of it is in use.
Paths are those of the API server's machine; --for talos reads public keys here, and prints them.`

/** Adds `apiserver-flags` to the command `issuer`. */
export function addApiServerFlagsCommand(issuer: Command): void {
  issuer
    .command('apiserver-flags')
    .description("print an API server's flags for an issuer, or their place in a distribution")
    .addOption(
      new Option('--for <distribution>', 'whose words; flags are those of kube-apiserver itself')
        .choices(DISTRIBUTIONS)
        .default('flags'),
    )
    .option('--dir <folder>', 'an issuer folder: its issuer, its keys as far as each is')
    .option('--issuer <url>', 'the issuer, where no folder is named')
    .option(
      '--old-issuer <issuer>',
      'whose tokens are in use, as in their iss (repeatable)',
      collect,
      [],
    )
    .addOption(
      new Option('--move <step>', 'from the old issuer: the new one is accepted, or signs')
        .choices(MOVES)
        .default('sign'),
    )
    .option('--jwks-uri <url>', 'where the keys are published; ISSUER/keys.json if not given')
    .option('--service-account-signing-key-file <file>', "the private key that signs; the folder's")
    .option(
      '--service-account-key-file <file>',
      "public keys to verify with, besides the folder's (repeatable)",
      collect,
      [],
    )
    .option(
      '--service-account-signing-endpoint <socket>',
      'the socket of podrole issuer signer, in place of key files',
    )
    .option(
      '--api-audiences <audiences>',
      "of tokens for the API server, with commas; its issuers' if not given",
      readAudiences,
      [],
    )
    .option(
      '--service-account-max-token-expiration <duration>',
      "the longest life of a token; the folder's, if it is not the signer's",
    )
    .option(
      '--service-account-extend-token-expiration <boolean>',
      'whether tokens that pods use with the API server live for a year; false if keys are retired before',
      readBoolean,
    )
    .option('--cluster-name <name>', 'of kOps and EKS Anywhere', readName, 'my-cluster')
    .addOption(
      new Option('-o, --output <format>', 'the text to put in place, or all that is known as data')
        .choices(['snippet', 'json', 'yaml'])
        .default('snippet'),
    )
    .addHelpText('after', EXAMPLES)
    .action(async (flags: ApiServerFlagsFlags) => {
      const { printApiServerFlags } = await import('../issuer-apiserver-flags.ts')
      await printApiServerFlags(flags)
    })
}

const readAudiences = (text: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  ...text.split(','),
]

/** It stands in commands. */
function readName(text: string): string {
  if (/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/i.test(text)) return text
  throw new InvalidArgumentError('wanted letters, digits, dots and hyphens.')
}

function readBoolean(text: string): boolean {
  if (text === 'true' || text === 'false') return text === 'true'
  throw new InvalidArgumentError('wanted true or false.')
}

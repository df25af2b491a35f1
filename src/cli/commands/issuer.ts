import { type Command, Option } from 'commander'
import { KEY_KINDS, type KeyKind } from '../../issuer/key-kinds.ts'
import { collect, OUTPUT_FORMATS, type OutputFormat } from '../options.ts'
import { addIssuerProviderCommand } from './issuer-provider.ts'

/** Where public keys come from. */
export interface KeySourceFlags {
  readonly secret: readonly string[]
  readonly fromApiServer: boolean
  readonly kubeconfig?: string
  readonly context?: string
}

export interface KeysFlags extends KeySourceFlags {
  readonly legacyEmptyKid: boolean
  readonly generate?: KeyKind
  readonly privateKeyFile?: string
  readonly publicKeyFile?: string
  readonly output: OutputFormat
}

export interface DocumentFlags extends KeySourceFlags {
  readonly issuer: string
  readonly jwks: readonly string[]
  readonly jwksUri?: string
  readonly output: OutputFormat
}

/** The options of every command that reads an issuer's public keys. */
function withKeySources(command: Command): Command {
  return command
    .argument('[file...]', 'public keys in PEM, or a JWKS; - reads standard input')
    .option(
      '--secret <namespace/name[:key]>',
      'a Secret that holds public keys, in tls.crt if no key is named (repeatable)',
      collect,
      [],
    )
    .option('--from-api-server', 'the keys that the API server publishes itself', false)
    .option(
      '--kubeconfig <file>',
      'the cluster of --secret and --from-api-server; in a pod its own',
    )
    .option('--context <name>', 'of the kubeconfig')
}

const legacyOption = (): Option =>
  new Option(
    '--legacy-empty-kid',
    'the first key once more with an empty kid, for old tokens',
  ).default(false)

/** JSON by default: what is printed is the document itself. */
const documentOption = (): Option =>
  new Option('-o, --output <format>', 'how it is printed').choices(OUTPUT_FORMATS).default('json')

const KEYS_EXAMPLES = `
Examples:
  podrole issuer keys sa.pub > keys.json
  podrole issuer keys --secret eksa-system/my-cluster-sa
  podrole issuer keys --generate p-256 --private-key-file sa.key --public-key-file sa.pub`

export function addIssuerCommand(program: Command): void {
  const issuer = program.command('issuer').description('an issuer of service account tokens')
  withKeySources(issuer.command('keys'))
    .description("print an issuer's public keys as a JWKS, or make a pair")
    .addOption(new Option('--generate <kind>', 'make a key pair').choices(KEY_KINDS))
    .option('--private-key-file <file>', 'of --generate; never overwritten')
    .option('--public-key-file <file>', 'of --generate, as PEM; never overwritten')
    .addOption(legacyOption())
    .addOption(documentOption())
    .addHelpText('after', KEYS_EXAMPLES)
    .action(async (files: string[], flags: KeysFlags) => {
      const { printKeys } = await import('../issuer-keys.ts')
      await printKeys(files, flags)
    })
  addDocumentCommand(issuer)
  addIssuerProviderCommand(issuer)
}

function addDocumentCommand(issuer: Command): void {
  withKeySources(issuer.command('document'))
    .description("print an issuer's discovery document, with the algorithms that its keys have")
    .requiredOption('--issuer <url>', "of the tokens' iss")
    .option('--jwks <file>', 'its keys, as a file that is an argument (repeatable)', collect, [])
    .option('--jwks-uri <url>', 'where the keys are published; ISSUER/keys.json if not given')
    .addOption(documentOption())
    .addHelpText(
      'after',
      '\nExample:\n  podrole issuer document --issuer https://s3.eu-central-1.amazonaws.com/my-issuer --jwks keys.json',
    )
    .action(async (files: string[], flags: DocumentFlags) => {
      const { printDocument } = await import('../issuer-document.ts')
      await printDocument(files, flags)
    })
}

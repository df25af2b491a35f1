import { type Command, Option } from 'commander'
import type { LogLevel } from '../../lib/log.ts'
import { KEY_KINDS, type KeyKind } from '../../issuer/key-kinds.ts'
import {
  collect,
  type FailOn,
  failOnOption,
  logLevelOption,
  OUTPUT_FORMATS,
  type OutputFormat,
  outputOption,
  readPort,
} from '../options.ts'
import { addIssuerProviderCommand } from './issuer-provider.ts'
import { addApiServerFlagsCommand } from './issuer-apiserver-flags.ts'
import { addIssuerSignerCommand } from './issuer-signer.ts'
import { addIssuerRotateCommand } from './issuer-rotate.ts'

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
  readonly output: OutputFormat | 'pem'
}

export interface DocumentFlags extends KeySourceFlags {
  readonly issuer: string
  readonly jwks: readonly string[]
  readonly jwksUri?: string
  readonly output: OutputFormat
}

export interface PublishFlags extends KeySourceFlags {
  readonly legacyEmptyKid: boolean
  readonly to: string
  readonly issuerUrl?: string
  readonly region?: string
  readonly createBucket: boolean
  readonly acl: boolean
  readonly bucketOnly: boolean
  readonly keepPublished: boolean
  readonly dropKey: readonly string[]
  readonly maxAge: string
  readonly check: boolean
  readonly wait?: string
  readonly output: OutputFormat | 'env'
}

export interface CheckFlags extends KeySourceFlags {
  readonly issuer: string
  readonly jwks: readonly string[]
  readonly wait: string
  readonly failOn: FailOn
  readonly output: OutputFormat
}

export interface ServeFlags {
  readonly issuer: string
  readonly keys: string
  readonly cert: string
  readonly key: string
  readonly hostname: string
  readonly port: number
  readonly maxAge: string
  readonly readyFile?: string
  readonly logLevel: LogLevel
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
  podrole issuer keys /var/lib/podrole/issuer -o pem > sa.pub
  podrole issuer keys --generate p-256 --private-key-file sa.key --public-key-file sa.pub`

export function addIssuerCommand(program: Command): void {
  const issuer = program.command('issuer').description('an issuer of service account tokens')
  withKeySources(issuer.command('keys'))
    .description("print an issuer's public keys as a JWKS, or make a pair")
    .addOption(new Option('--generate <kind>', 'make a key pair').choices(KEY_KINDS))
    .option('--private-key-file <file>', 'of --generate; never overwritten')
    .option('--public-key-file <file>', 'of --generate, as PEM; never overwritten')
    .addOption(legacyOption())
    .addOption(
      new Option('-o, --output <format>', 'how they are printed; pem is what an API server reads')
        .choices([...OUTPUT_FORMATS, 'pem'])
        .default('json'),
    )
    .addHelpText('after', KEYS_EXAMPLES)
    .action(async (files: string[], flags: KeysFlags) => {
      const { printKeys } = await import('../issuer-keys.ts')
      await printKeys(files, flags)
    })
  addDocumentCommand(issuer)
  addPublishCommand(issuer)
  addCheckCommand(issuer)
  addServeCommand(issuer)
  addIssuerSignerCommand(issuer)
  addApiServerFlagsCommand(issuer)
  addIssuerRotateCommand(issuer)
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

const PUBLISH_EXAMPLES = `
Examples:
  podrole issuer publish sa.pub --to s3://my-issuer/c1 --create-bucket
  eval "$(podrole issuer publish --secret eksa-system/c1-sa --to s3://my-issuer/c1 -o env)"
  podrole issuer publish keys.json --to s3://private --issuer-url https://idp.example.com`

function addPublishCommand(issuer: Command): void {
  withKeySources(issuer.command('publish'))
    .description("publish an issuer's documents, and read them back from outside as STS does")
    .requiredOption('--to <place>', 's3://BUCKET[/PREFIX], or a folder that a web server serves')
    .option(
      '--issuer-url <url>',
      'the issuer, where it is not S3 itself: the URL of a CDN or server',
    )
    .option('--region <region>', "the bucket's; AWS_REGION or the profile's if not given")
    .option('--create-bucket', 'make the bucket where it is missing, see that it is open', false)
    .option('--acl', 'open the documents by ACLs in place of a bucket policy', false)
    .option(
      '--bucket-only',
      'make the bucket ready and tell the issuer; the keys come later',
      false,
    )
    .option('--keep-published', 'keys that are published already stay', false)
    .option(
      '--drop-key <kid>',
      'a published key that is in use no more may go (repeatable)',
      collect,
      [],
    )
    .addOption(legacyOption())
    .option('--max-age <duration>', 'how long others may keep the documents', '300s')
    .option('--no-check', 'do not read them back')
    .option(
      '--wait <duration>',
      'until they are seen from outside; 60s if not given, and --max-age more behind --issuer-url',
    )
    .addOption(
      new Option('-o, --output <format>', 'how the result is printed; env is for eval')
        .choices([...OUTPUT_FORMATS, 'env'])
        .default('table'),
    )
    .addHelpText('after', PUBLISH_EXAMPLES)
    .action(async (files: string[], flags: PublishFlags) => {
      const { runPublish } = await import('../issuer-publish.ts')
      process.exitCode = await runPublish(files, flags)
    })
}

function addCheckCommand(issuer: Command): void {
  withKeySources(issuer.command('check'))
    .description('tell what is wrong with an issuer as STS sees it from outside')
    .requiredOption('--issuer <url>', "of the tokens' iss")
    .option('--jwks <file>', 'keys that must be there, as a file that is an argument', collect, [])
    .option('--wait <duration>', 'how long to look again for what may still come', '0s')
    .addOption(failOnOption())
    .addOption(outputOption())
    .addHelpText(
      'after',
      '\nExample:\n  podrole issuer check --issuer https://s3.eu-central-1.amazonaws.com/my-issuer sa.pub',
    )
    .action(async (files: string[], flags: CheckFlags) => {
      const { checkIssuer } = await import('../issuer-check.ts')
      process.exitCode = await checkIssuer(files, flags)
    })
}

function addServeCommand(issuer: Command): void {
  issuer
    .command('serve')
    .description("serve an issuer's documents over HTTPS")
    .requiredOption('--issuer <url>', "of the tokens' iss; its path is where they are served")
    .requiredOption('--keys <file>', 'public keys in PEM, a JWKS, or a folder of such files')
    .requiredOption('--cert <file>', 'serving certificate with its chain, leaf first')
    .requiredOption('--key <file>', 'its key')
    .option('--hostname <address>', 'where it listens', '0.0.0.0')
    .option('--port <port>', 'where it listens; 0 takes a free one', readPort, 8443)
    .option('--max-age <duration>', 'how long others may keep the documents', '300s')
    .option('--ready-file <file>', 'written (JSON: url, port) when it answers')
    .addOption(logLevelOption())
    .addHelpText(
      'after',
      '\nExample:\n  podrole issuer serve --issuer https://idp.example.com/c1 --keys /keys --cert tls.crt --key tls.key',
    )
    .action(async (flags: ServeFlags) => {
      const { runIssuer } = await import('../issuer-serve.ts')
      process.exitCode = await runIssuer(flags)
    })
}

import { type Command, Option } from 'commander'
import { KEY_KINDS, type KeyKind } from '../../issuer/key-kinds.ts'
import { type OutputFormat, outputOption } from '../options.ts'

export interface RotateFlags {
  readonly dir: string
  readonly output: OutputFormat
}

export interface RotateInitFlags extends RotateFlags {
  readonly to?: string
  readonly issuerUrl?: string
  readonly region?: string
  readonly createBucket: boolean
  readonly acl: boolean
  readonly maxAge: string
  readonly keyKind: KeyKind
  readonly privateKeyFile?: string
  readonly settle: string
  readonly longestToken: string
  readonly wait?: string
}

export interface RotatePrepareFlags extends RotateFlags {
  readonly keyKind: KeyKind
  readonly wait?: string
}

const withFolder = (command: Command): Command =>
  command
    .requiredOption('--dir <folder>', "the issuer's folder: its keys, and how far each is")
    .addOption(outputOption())

const keyKindOption = (): Option =>
  new Option('--key-kind <kind>', 'of a key that is made').choices(KEY_KINDS).default('p-256')

const EXAMPLES = {
  init: `
Examples:
  podrole issuer rotate init --dir issuer --to s3://my-issuer/c1 --create-bucket --longest-token 24h
  podrole issuer rotate init --dir issuer --to s3://my-issuer/c1 --private-key-file sa.key
  podrole issuer rotate init --dir issuer --issuer-url https://idp.example.com/c1

An API server that signs with a key file extends the tokens that pods use with it to a year, and pods
may ask for more: so long a key is kept, if nothing else is said. Say --longest-token 24h where the
API server signs by podrole issuer signer, which then signs nothing longer, or where it runs with
--service-account-extend-token-expiration=false and --service-account-max-token-expiration=24h.`,
  plan: `
Example:
  podrole issuer rotate plan --dir issuer`,
  prepare: `
Example:
  podrole issuer rotate prepare --dir issuer`,
  activate: `
Example:
  podrole issuer rotate activate --dir issuer`,
  retire: `
Example:
  podrole issuer rotate retire --dir issuer`,
  abort: `
Example:
  podrole issuer rotate abort --dir issuer`,
  status: `
Example:
  podrole issuer rotate status --dir issuer -o json`,
} as const

/** Adds `rotate` to the command `issuer`. */
export function addIssuerRotateCommand(issuer: Command): void {
  const rotate = issuer
    .command('rotate')
    .description("replace an issuer's signing keys without a refused token")
  addInit(rotate)
  withFolder(rotate.command('status'))
    .description('show the keys of an issuer, what each waits for and until when')
    .addHelpText('after', EXAMPLES.status)
    .action(async (flags: RotateFlags) => {
      const { showStatus } = await import('../issuer-rotate-run.ts')
      await showStatus(flags)
    })
  withFolder(rotate.command('plan'))
    .description('show what each command would do now, and what it waits for')
    .addHelpText('after', EXAMPLES.plan)
    .action(async (flags: RotateFlags) => {
      const { showPlan } = await import('../issuer-rotate-run.ts')
      await showPlan(flags)
    })
  withFolder(rotate.command('prepare'))
    .description('make the next key, publish it and see it from outside; it does not sign yet')
    .addOption(keyKindOption())
    .option('--wait <duration>', 'until it is seen; 60s, and more behind --issuer-url')
    .addHelpText('after', EXAMPLES.prepare)
    .action(async (flags: RotatePrepareFlags) => {
      const { runPrepare } = await import('../issuer-rotate-run.ts')
      await runPrepare(flags)
    })
  addSteps(rotate)
}

function addInit(rotate: Command): void {
  withFolder(rotate.command('init'))
    .description("make an issuer's folder with its first key, and publish it")
    .option('--to <place>', 's3://BUCKET[/PREFIX], or a folder that a web server serves')
    .option(
      '--issuer-url <url>',
      'the issuer, where it is not S3 itself; without --to something else publishes its keys',
    )
    .option('--region <region>', "the bucket's; AWS_REGION or the profile's if not given")
    .option('--create-bucket', 'make the bucket where it is missing, see that it is open', false)
    .option('--acl', 'open the documents by ACLs in place of a bucket policy', false)
    .option('--max-age <duration>', 'how long others may keep the documents', '300s')
    .addOption(keyKindOption())
    .option('--private-key-file <file>', 'the key that signs today, in place of a new one')
    .option('--settle <duration>', 'how long a new key is seen before it may sign', '24h')
    .option('--longest-token <duration>', "a token's longest life", '8760h')
    .option('--wait <duration>', 'until it is seen; 60s, and more behind --issuer-url')
    .addHelpText('after', EXAMPLES.init)
    .action(async (flags: RotateInitFlags) => {
      const { runInit } = await import('../issuer-rotate-init.ts')
      await runInit(flags)
    })
}

function addSteps(rotate: Command): void {
  const steps = {
    activate: 'have the prepared key sign, once it was seen from outside and has settled',
    retire: 'unpublish and delete the keys that no live token can name',
    abort: 'take the last step back: a prepared key goes, or the key from before signs again',
  } as const
  for (const step of ['activate', 'retire', 'abort'] as const) {
    withFolder(rotate.command(step))
      .description(steps[step])
      .addHelpText('after', EXAMPLES[step])
      .action(async (flags: RotateFlags) => {
        const { runStep } = await import('../issuer-rotate-run.ts')
        await runStep(step, flags)
      })
  }
}

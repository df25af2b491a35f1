import { type Command, Option } from 'commander'
import { KEY_KINDS, type KeyKind } from '../../issuer/key-kinds.ts'
import { collect, type OutputFormat, outputOption } from '../options.ts'
import type { CensusFlags } from '../parts/census.ts'
import { ROTATION_PLAN, ROTATION_STEPS } from './rotation-words.ts'

export interface RotateFlags {
  readonly dir: string
  readonly output: OutputFormat
}

/** Of the commands that ask until when tokens may be in use. */
export type RotateCensusFlags = RotateFlags & CensusFlags

export interface RotateInitFlags extends RotateFlags {
  readonly to?: string
  readonly issuerUrl?: string
  readonly region?: string
  readonly createBucket: boolean
  readonly acl: boolean
  readonly maxAge: string
  readonly keyKind: KeyKind
  readonly privateKeyFile?: string
  readonly kmsKey?: string
  readonly settle: string
  readonly longestToken: string
  readonly wait?: string
}

export interface RotatePrepareFlags extends RotateFlags {
  readonly keyKind: KeyKind
  readonly kmsKey?: string
  readonly wait?: string
}

const withFolder = (command: Command): Command =>
  command
    .requiredOption('--dir <folder>', "the issuer's folder: its keys, and how far each is")
    .addOption(outputOption())

/** The options of every command that a token in use holds up. */
const withCensus = (command: Command): Command =>
  withFolder(command)
    .option(
      '--metrics <url>',
      'the metrics of a broker or an agent, which tell of the tokens it saw (repeatable)',
      collect,
      [],
    )
    .option('--metrics-file <file>', 'such a page, saved as OpenMetrics (repeatable)', collect, [])
    .option(
      '--metrics-ca-file <file>',
      "PEM of the authority behind an https --metrics's certificate",
    )
    .option(
      '--audit-log <file>',
      "an API server's audit log, of level Request (repeatable, the oldest first)",
      collect,
      [],
    )
    .option(
      '--audit-audience <audience>',
      'of tokens in it that count; sts.amazonaws.com if not given (repeatable)',
      collect,
      [],
    )
    .option(
      '--api-audience <audience>',
      "the API server's own; the issuer if not given (repeatable)",
      collect,
      [],
    )

const kmsKeyOption = (...others: string[]): Option =>
  new Option('--kms-key <arn>', 'an asymmetric key of AWS KMS in place of a new one').conflicts([
    'keyKind',
    ...others,
  ])

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
Examples:
  podrole issuer rotate prepare --dir issuer
  podrole issuer rotate prepare --dir issuer --kms-key arn:aws:kms:eu-west-1:111122223333:key/1a2b`,
  activate: `
Example:
  podrole issuer rotate activate --dir issuer`,
  retire: `
Examples:
  podrole issuer rotate retire --dir issuer
  podrole issuer rotate retire --dir issuer --metrics http://10.0.3.7:9402/metrics
  podrole issuer rotate retire --dir issuer --audit-log audit-1.log --audit-log audit.log

A key goes when no token of it can be in use: by time, and by all that --metrics, --metrics-file and
--audit-log tell. They make a key stay longer and never shorter; one that cannot tell is a refusal.`,
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
  withCensus(rotate.command('status'))
    .description('show the keys of an issuer, what each waits for and until when')
    .addHelpText('after', EXAMPLES.status)
    .action(async (flags: RotateCensusFlags) => {
      const { showStatus } = await import('../issuer-rotate-run.ts')
      await showStatus(flags)
    })
  withCensus(rotate.command('plan'))
    .description(ROTATION_PLAN)
    .addHelpText('after', EXAMPLES.plan)
    .action(async (flags: RotateCensusFlags) => {
      const { showPlan } = await import('../issuer-rotate-run.ts')
      await showPlan(flags)
    })
  withFolder(rotate.command('prepare'))
    .description(ROTATION_STEPS.prepare)
    .addOption(keyKindOption())
    .addOption(kmsKeyOption())
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
    .addOption(kmsKeyOption('privateKeyFile'))
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
  withFolder(rotate.command('activate'))
    .description(ROTATION_STEPS.activate)
    .addHelpText('after', EXAMPLES.activate)
    .action(async (flags: RotateFlags) => {
      const { runStep } = await import('../issuer-rotate-run.ts')
      await runStep('activate', flags)
    })
  for (const step of ['retire', 'abort'] as const) {
    withCensus(rotate.command(step))
      .description(ROTATION_STEPS[step])
      .addHelpText('after', EXAMPLES[step])
      .action(async (flags: RotateCensusFlags) => {
        const { runStep } = await import('../issuer-rotate-run.ts')
        await runStep(step, flags, flags)
      })
  }
}

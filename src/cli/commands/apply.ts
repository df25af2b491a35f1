import { type Command, Option } from 'commander'
import { parseDurationMs } from '../../lib/durations.ts'
import { collect, imageOption, type OutputFormat, outputOption } from '../options.ts'
import {
  addHalfOptions,
  addPlaceOptions,
  addReachOptions,
  type FileFlags,
  type HalfFlags,
} from './plan.ts'

/** Of commands that carry out a plan. */
export interface ChangeFlags extends FileFlags {
  readonly yes: boolean
  readonly resume: boolean
  readonly output: OutputFormat
}

export interface ApplyFlags extends Omit<ChangeFlags, 'filename'>, HalfFlags {
  readonly filename?: readonly string[]
  readonly adopt: boolean
  readonly image?: string
  /** Milliseconds. */
  readonly wait: number
  readonly handOver?: string
  /** Milliseconds. */
  readonly handOverTimeout: number
}

const EXIT_CODES =
  '1 a fault, a refusal or a step that was not done,\n130 and 143 stopped by SIGINT and SIGTERM.'

export function addApplyCommand(program: Command): void {
  const command = program
    .command('apply')
    .argument('[planfile]', 'what podrole plan --out wrote, in place of -f')
    .option(
      '-f, --filename <file|folder>',
      'what is to be; - reads standard input (repeatable)',
      collect,
    )
  addHalfOptions(addReachOptions(command))
    .option('--adopt', 'also change what others made, where a file asks for it', false)
    .option('--force', 'also where service accounts lose access', false)
    .description('make clusters as files say: shows the plan, asks, and carries it out')
    .option('--yes', 'do not ask', false)
    .option('--resume', 'go on with an apply that did not come to its end', false)
    .addOption(
      new Option(
        '--wait <duration>',
        'of a half: how long it waits for steps of the other half that it needs (10m)',
      )
        .argParser(parseDurationMs)
        .default(0, 'not at all'),
    )
    .option(
      '--hand-over <folder>',
      'write steps that the caller may not do there, for somebody who may, and wait for them',
    )
    .addOption(
      new Option('--hand-over-timeout <duration>', 'how long somebody may take for a step')
        .argParser(parseDurationMs)
        .default(3_600_000, '1h'),
    )
    .addOption(outputOption())
    .addOption(imageOption())
    .addHelpText(
      'after',
      `
Ctrl-C ends it after the steps that are under way, a second one at once; --resume goes on.

Exit codes: 0 all is as the files say, ${EXIT_CODES}

Examples:
  podrole apply -f cluster.yaml
  podrole apply -f clusters/ --yes -o json
  podrole apply -f cluster.yaml --resume
  podrole apply plan.json
  podrole apply plan.json --aws-only
  podrole apply plan.json --kubernetes-only --wait 30m
  podrole apply -f cluster.yaml --hand-over for-iam --hand-over-timeout 8h`,
    )
    .action(async (planfile: string | undefined, flags: ApplyFlags) => {
      const { runApply } = await import('../apply-run.ts')
      await runApply(planfile, flags)
    })
}

export function addDeleteCommand(program: Command): void {
  addPlaceOptions(program.command('delete'))
    .option('--force', 'also where service accounts of others lose access', false)
    .description('take away what files name and podrole made: shows the plan, asks, and does it')
    .option('--yes', 'do not ask', false)
    .option('--resume', 'go on with a delete that did not come to its end', false)
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
What somebody else made, or was only adopted, stays and is listed with the reason.

Exit codes: 0 nothing is left of it, ${EXIT_CODES}

Examples:
  podrole delete -f cluster.yaml
  podrole delete -f clusters/ --yes -o json
  podrole delete -f cluster.yaml --resume`,
    )
    .action(async (flags: ChangeFlags) => {
      const { runDelete } = await import('../delete-run.ts')
      await runDelete(flags)
    })
}

import { type Command, Option } from 'commander'
import { parseDurationMs } from '../../lib/durations.ts'
import { collect } from '../options.ts'
import { addHalfOptions, addReachOptions, type FileFlags, type HalfFlags } from './plan.ts'

export interface ApplyFlags extends Omit<FileFlags, 'filename'>, HalfFlags {
  readonly filename?: readonly string[]
  readonly yes: boolean
  readonly resume: boolean
  /** Milliseconds. */
  readonly wait: number
  readonly handOver?: string
  /** Milliseconds. */
  readonly handOverTimeout: number
}

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
    .addHelpText(
      'after',
      `
Exit codes: 0 all is as the files say, 1 a fault, a refusal or a step that was not done.

Examples:
  podrole apply -f cluster.yaml
  podrole apply -f clusters/ --yes
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

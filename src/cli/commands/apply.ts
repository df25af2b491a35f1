import type { Command } from 'commander'
import { imageOption, type OutputFormat, outputOption } from '../options.ts'
import { addPlaceOptions, type FileFlags } from './plan.ts'

/** Of commands that carry out a plan. */
export interface ChangeFlags extends FileFlags {
  readonly yes: boolean
  readonly resume: boolean
  readonly output: OutputFormat
}

export interface ApplyFlags extends ChangeFlags {
  readonly adopt: boolean
  readonly image?: string
}

const EXIT_CODES =
  '1 a fault, a refusal or a step that was not done,\n130 and 143 stopped by SIGINT and SIGTERM.'

export function addApplyCommand(program: Command): void {
  addPlaceOptions(program.command('apply'))
    .option('--adopt', 'also change what others made, where a file asks for it', false)
    .option('--force', 'also where service accounts lose access', false)
    .description('make clusters as files say: shows the plan, asks, and carries it out')
    .option('--yes', 'do not ask', false)
    .option('--resume', 'go on with an apply that did not come to its end', false)
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
  podrole apply -f cluster.yaml --resume`,
    )
    .action(async (flags: ApplyFlags) => {
      const { runApply } = await import('../apply-run.ts')
      await runApply(flags)
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

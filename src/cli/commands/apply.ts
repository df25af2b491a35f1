import type { Command } from 'commander'
import { imageOption } from '../options.ts'
import { addPlaceOptions, type FileFlags } from './plan.ts'

export interface ApplyFlags extends FileFlags {
  readonly yes: boolean
  readonly resume: boolean
  readonly image?: string
}

export function addApplyCommand(program: Command): void {
  addPlaceOptions(program.command('apply'))
    .description('make clusters as files say: shows the plan, asks, and carries it out')
    .option('--yes', 'do not ask', false)
    .option('--resume', 'go on with an apply that did not come to its end', false)
    .addOption(imageOption())
    .addHelpText(
      'after',
      `
Exit codes: 0 all is as the files say, 1 a fault, a refusal or a step that was not done.

Examples:
  podrole apply -f cluster.yaml
  podrole apply -f clusters/ --yes
  podrole apply -f cluster.yaml --resume`,
    )
    .action(async (flags: ApplyFlags) => {
      const { runApply } = await import('../apply-run.ts')
      await runApply(flags)
    })
}

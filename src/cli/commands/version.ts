import type { Command } from 'commander'
import { VERSION } from '../version.ts'

export function addVersionCommand(program: Command): void {
  program
    .command('version')
    .description('print the version')
    .addHelpText('after', '\nExample:\n  podrole version')
    .action(() => {
      process.stdout.write(`podrole ${VERSION}\n`)
    })
}

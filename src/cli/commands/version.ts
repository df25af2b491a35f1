import type { Command } from 'commander'
import packageJson from '../../../package.json' with { type: 'json' }

export function addVersionCommand(program: Command): void {
  program
    .command('version')
    .description('print the version')
    .addHelpText('after', '\nExample:\n  podrole version')
    .action(() => {
      process.stdout.write(`podrole ${packageJson.version}\n`)
    })
}

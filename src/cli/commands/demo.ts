import { type Command, Option } from 'commander'
import type { LogLevel } from '../../lib/log.ts'
import { BREAKABLE, type Breakable } from '../demo/breakable.ts'
import { logLevelOption, type NetworkMode, networkOption } from '../options.ts'

export function addDemoCommand(program: Command): void {
  program
    .command('demo')
    .description('a sandbox, pods to credentials by all three ways, and refusals, in a minute')
    .addOption(
      new Option('--break <step>', 'break one thing, so that the demo fails there').choices(
        BREAKABLE,
      ),
    )
    .addOption(networkOption())
    // Refusals are warnings in the parts' logs, and here they are the point.
    .addOption(logLevelOption('error'))
    .addHelpText('after', '\nExample:\n  podrole demo\n  podrole demo --break trust')
    .action(async (flags: { break?: Breakable; network: NetworkMode; logLevel: LogLevel }) => {
      const { runDemo } = await import('../demo/demo.ts')
      const { break: broken, network, logLevel } = flags
      process.exitCode = await runDemo({ broken, network, logLevel })
    })
}

import type { Command } from 'commander'
import { type OutputFormat, outputOption } from '../options.ts'

/** The options of `podrole sandbox snapshot …`, as typed. */
export interface SnapshotFlags {
  readonly readyFile?: string
  readonly output: OutputFormat
}

export const READY_FILE_HELP =
  'of the sandbox; AWS_ENDPOINT_URL and PODROLE_SANDBOX_TOKEN if not named'

export function addSnapshotCommand(sandbox: Command): void {
  const snapshot = sandbox
    .command('snapshot')
    .description('keep what a sandbox is, and bring it back')
  const withAccess = (name: string): Command =>
    snapshot.command(name).option('--ready-file <file>', READY_FILE_HELP).addOption(outputOption())
  withAccess('take')
    .description("keep AWS's records and the clusters' objects as they are now")
    .argument('[name]', 'a-z, 0-9 and -; snapshot-1 and so on if not named')
    .addHelpText('after', '\nExample:\n  podrole sandbox snapshot take base')
    .action(async (name: string | undefined, flags: SnapshotFlags) => {
      const { takeSnapshot } = await import('../sandbox-snapshot.ts')
      await takeSnapshot(name, flags)
    })
  withAccess('list')
    .description('list the snapshots of a sandbox, the oldest first')
    .addHelpText('after', '\nExample:\n  podrole sandbox snapshot list --ready-file ready.json')
    .action(async (flags: SnapshotFlags) => {
      const { listSnapshots } = await import('../sandbox-snapshot.ts')
      await listSnapshots(flags)
    })
  withAccess('restore')
    .description('make a sandbox what it was, clusters and pods included')
    .argument('<name>', 'which')
    .addHelpText('after', '\nExample:\n  podrole sandbox snapshot restore base')
    .action(async (name: string, flags: SnapshotFlags) => {
      const { restoreSnapshot } = await import('../sandbox-snapshot.ts')
      await restoreSnapshot(name, flags)
    })
  withAccess('delete')
    .description('forget a snapshot')
    .argument('<name>', 'which')
    .addHelpText('after', '\nExample:\n  podrole sandbox snapshot delete base')
    .action(async (name: string, flags: SnapshotFlags) => {
      const { deleteSnapshot } = await import('../sandbox-snapshot.ts')
      await deleteSnapshot(name, flags)
    })
}

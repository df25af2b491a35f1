import { type Command, Argument, Option } from 'commander'
import { type EksClusterFlags, withEksCluster } from './access-entry.ts'

export interface AddonFlags extends EksClusterFlags {
  readonly timeout: string
}

export interface AddonVersionFlags extends AddonFlags {
  readonly addonVersion?: string
  readonly resolveConflicts?: 'OVERWRITE' | 'NONE' | 'PRESERVE'
}

export interface AddonDisableFlags extends AddonFlags {
  readonly force: boolean
}

const ADDONS = ['eks-pod-identity-agent']

const withAddon = (command: Command): Command =>
  withEksCluster(command.addArgument(new Argument('<name>', 'which').choices(ADDONS)))

const withWait = (command: Command): Command =>
  command.option('--timeout <duration>', 'how long EKS is waited for', '15m')

const withVersion = (command: Command, conflicts: readonly string[]): Command =>
  withWait(withAddon(command))
    .option('--addon-version <version>', "latest, default (EKS's choice) or a version's name")
    .addOption(
      new Option(
        '--resolve-conflicts <how>',
        "what becomes of settings in the cluster that are not EKS's own",
      ).choices(conflicts),
    )

export function addAddonCommand(program: Command): void {
  const addon = program
    .command('addon')
    .description("add-ons of EKS clusters: Pod Identity's agent")
  withEksCluster(addon.command('list'))
    .description('list the add-ons of a cluster, with their versions and states')
    .addHelpText('after', '\nExample:\n  podrole addon list --cluster prod')
    .action(async (flags: EksClusterFlags) => {
      const { runList } = await import('../addon-run.ts')
      await runList(flags)
    })
  withVersion(addon.command('enable'), ['OVERWRITE', 'NONE'])
    .description('give a cluster the add-on and wait until it is ACTIVE')
    .addHelpText(
      'after',
      '\nExample:\n  podrole addon enable eks-pod-identity-agent --cluster prod --addon-version latest',
    )
    .action(async (name: string, flags: AddonVersionFlags) => {
      const { runEnable } = await import('../addon-run.ts')
      await runEnable(name, flags)
    })
  withWait(withAddon(addon.command('disable')))
    .description('take the add-on from a cluster; while service accounts need it, by force alone')
    .option('--force', 'also while service accounts get their credentials by it', false)
    .addHelpText(
      'after',
      '\nExample:\n  podrole addon disable eks-pod-identity-agent --cluster prod',
    )
    .action(async (name: string, flags: AddonDisableFlags) => {
      const { runDisable } = await import('../addon-run.ts')
      await runDisable(name, flags)
    })
  withVersion(addon.command('update'), ['OVERWRITE', 'NONE', 'PRESERVE'])
    .description('give the add-on another version and wait until it is ACTIVE')
    .addHelpText(
      'after',
      '\nExample:\n  podrole addon update eks-pod-identity-agent --cluster prod --addon-version latest',
    )
    .action(async (name: string, flags: AddonVersionFlags) => {
      const { runUpdate } = await import('../addon-run.ts')
      await runUpdate(name, flags)
    })
  withAddon(addon.command('status'))
    .description('show how the add-on is, its versions and who gets credentials by it')
    .addHelpText(
      'after',
      '\nExample:\n  podrole addon status eks-pod-identity-agent --cluster prod',
    )
    .action(async (name: string, flags: EksClusterFlags) => {
      const { runStatus } = await import('../addon-run.ts')
      await runStatus(name, flags)
    })
}

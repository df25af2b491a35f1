import { type Command, Argument, Option } from 'commander'
import { imageOption } from '../options.ts'
import { type EksClusterFlags, withEksCluster } from './access-entry.ts'
import type { KubeFlags } from './association.ts'

/** A cluster, and its Kubernetes where an add-on is in it. */
export interface AddonPlaceFlags extends EksClusterFlags, KubeFlags {}

export interface AddonFlags extends AddonPlaceFlags {
  readonly timeout: string
}

export interface AddonVersionFlags extends AddonFlags {
  readonly addonVersion?: string
  readonly resolveConflicts?: 'OVERWRITE' | 'NONE' | 'PRESERVE'
  readonly issuer?: string
  readonly to?: string
  readonly createBucket?: boolean
  readonly check: boolean
  readonly image?: string
  readonly namespace?: string
}

export interface AddonDisableFlags extends AddonFlags {
  readonly force: boolean
}

const ADDONS = ['eks-pod-identity-agent', 'awsWorkloadIdentity']

const withCluster = (command: Command): Command =>
  withEksCluster(command, 'on EKS its name there; elsewhere what it is to be called')
    .option('--kubeconfig <file>', 'of awsWorkloadIdentity: the cluster; in a pod its own')
    .option('--context <name>', 'of the kubeconfig')

const withAddon = (command: Command): Command =>
  withCluster(command.addArgument(new Argument('<name>', 'which').choices(ADDONS)))

const withWait = (command: Command): Command =>
  command.option('--timeout <duration>', 'how long EKS, or the webhook, is waited for', '15m')

/** What the one add-on has and the other has not. */
const withSettings = (command: Command, conflicts: readonly string[]): Command =>
  withWait(withAddon(command))
    .option(
      '--addon-version <version>',
      "of an EKS add-on: latest, default (EKS's choice) or a version's name",
    )
    .addOption(
      new Option(
        '--resolve-conflicts <how>',
        "of an EKS add-on: what becomes of settings in the cluster that are not EKS's own",
      ).choices(conflicts),
    )
    .option(
      '--to <place>',
      "of awsWorkloadIdentity: where the issuer's keys are published, s3://BUCKET[/PREFIX] or a folder; the issuer's own bucket if not given",
    )
    .option('--create-bucket', 'make that bucket where it is missing, see that it is open')
    .option('--no-check', 'do not look at the issuer from outside')
    .addOption(imageOption())

export function addAddonCommand(program: Command): void {
  const addon = program
    .command('addon')
    .description("add-ons of clusters: Pod Identity's agent on EKS, awsWorkloadIdentity anywhere")
  withCluster(addon.command('list'))
    .description('list the add-ons of a cluster, with their versions and states')
    .addHelpText('after', '\nExample:\n  podrole addon list --cluster prod')
    .action(async (flags: AddonPlaceFlags) => {
      const { runList } = await import('../addon-run.ts')
      await runList(flags)
    })
  addEnableCommand(addon)
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
  withSettings(addon.command('update'), ['OVERWRITE', 'NONE', 'PRESERVE'])
    .description('give the add-on another version or image, publish keys that are new, and wait')
    .addHelpText(
      'after',
      `
Examples:
  podrole addon update eks-pod-identity-agent --cluster prod --addon-version latest
  podrole addon update awsWorkloadIdentity --cluster edge --image podrole:0.2.0`,
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
    .action(async (name: string, flags: AddonPlaceFlags) => {
      const { runStatus } = await import('../addon-run.ts')
      await runStatus(name, flags)
    })
}

function addEnableCommand(addon: Command): void {
  withSettings(addon.command('enable'), ['OVERWRITE', 'NONE'])
    .description('give a cluster the add-on and wait until it works')
    .option('--issuer <url>', "of awsWorkloadIdentity: what the API server's issuer has to be")
    .option(
      '--namespace <name>',
      'of awsWorkloadIdentity: where its webhook is installed; podrole-system if not given',
    )
    .addHelpText(
      'after',
      `
awsWorkloadIdentity is what gives pods roles by their service account's annotation: the issuer's
keys where STS reads them, an IAM OIDC provider, podrole's webhook (on EKS, EKS's own), and what
podrole cluster get prints.

Examples:
  podrole addon enable eks-pod-identity-agent --cluster prod --addon-version latest
  podrole addon enable awsWorkloadIdentity --cluster edge --create-bucket`,
    )
    .action(async (name: string, flags: AddonVersionFlags) => {
      const { runEnable } = await import('../addon-run.ts')
      await runEnable(name, flags)
    })
}

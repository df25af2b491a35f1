/** `podrole addon … awsWorkloadIdentity`. */
import { openAccount } from '../aws/account.ts'
import { describeEksCluster } from '../aws/eks-cluster.ts'
import { type KubeClient, SECRETS, SERVICE_ACCOUNTS } from '../kube/client.ts'
import type { KubeObject, ServiceAccount } from '../kube/objects.ts'
import { parseDurationMs } from '../lib/durations.ts'
import { codeOf, PodroleError } from '../lib/errors.ts'
import { endOf } from '../manage/workload-identity/certificate.ts'
import { annotatedOf, losesAccessOf } from '../manage/workload-identity/dependents.ts'
import { WORKLOAD_IDENTITY as ADDON } from '../manage/desired/checks/cluster.ts'
import {
  disableWorkloadIdentity,
  enableWorkloadIdentity,
  type WorkloadIdentityStep,
} from '../manage/workload-identity/enable.ts'
import { isEksIssuer } from '../manage/workload-identity/issuer.ts'
import {
  lookAtWorkloadIdentity,
  type SeenWorkloadIdentity,
} from '../manage/workload-identity/look.ts'
import { findObject } from '../manage/workload-identity/webhook-objects.ts'
import { refuseForeign } from './addon-options.ts'
import type { AddonDisableFlags, AddonPlaceFlags, AddonVersionFlags } from './commands/addon.ts'
import { printData, printNote } from './output.ts'
import { openKube } from './parts/kube-cluster.ts'
import { webhookIn, workloadIdentityPorts } from './parts/workload-identity.ts'
import { accessOf } from './role-run.ts'

export async function enableOrUpdate(
  flags: AddonVersionFlags,
  { isUpdate }: { readonly isUpdate: boolean },
): Promise<void> {
  const { addonVersion, resolveConflicts } = flags
  refuseForeign({ addonVersion, resolveConflicts })
  const timeoutMs = parseDurationMs(flags.timeout)
  const [account, kube] = await Promise.all([openAccount(accessOf(flags)), openKube(flags)])
  const seen = await lookAtWorkloadIdentity(kube)
  requireSameCluster(flags, seen)
  if (isUpdate && seen.record === undefined) throw notEnabled(flags)
  if (isEksIssuer(seen.issuer ?? '')) await requireEksCluster(flags, account, seen.issuer)
  const steps: WorkloadIdentityStep[] = []
  const { check, createBucket = false, image, issuer, namespace, profile, region, to } = flags
  const ports = workloadIdentityPorts(
    {
      account,
      kube,
      timeoutMs,
      flags: {
        check,
        createBucket,
        ...(to !== undefined && { to }),
        ...(profile !== undefined && { profile }),
        ...(region !== undefined && { region }),
      },
      tell: (step) => {
        steps.push(step)
        for (const line of step.lines) printNote(`${step.step}: ${line}`)
      },
    },
    account,
  )
  const record = await enableWorkloadIdentity(ports, {
    cluster: flags.cluster,
    isDeclared: false,
    isUpdate,
    webhook: {
      ...(image !== undefined && { image }),
      ...(namespace !== undefined && { namespace }),
    },
    ...(issuer !== undefined && { issuer }),
  })
  if (!steps.some(({ isChange }) => isChange)) {
    printNote(`add-on ${ADDON} is there as asked for: nothing was done`)
  }
  const { oidcProviderArn } = record
  if (flags.output === 'table') process.stdout.write(`${oidcProviderArn}\n`)
  else printData(flags.output, { ...record, steps }, NO_TABLE)
}

export async function disable(flags: AddonDisableFlags): Promise<void> {
  const kube = await openKube(flags)
  const [seen, serviceAccounts] = await Promise.all([
    lookAtWorkloadIdentity(kube),
    listServiceAccounts(kube),
  ])
  requireSameCluster(flags, seen)
  if (seen.record === undefined) throw notEnabled(flags)
  const lost = losesAccessOf({ webhook: seen.record.webhook }, serviceAccounts)
  if (lost.length > 0 && !flags.force) {
    throw new PodroleError(
      'AddonInUse',
      `${lost.length} service account(s) get their roles by ${ADDON}: ${lost.join(', ')}`,
      { hint: 'Take their annotations away first, or --force: their new pods get no credentials.' },
    )
  }
  const { region = process.env['AWS_REGION'] ?? '' } = flags
  const tell = ({ lines, step }: WorkloadIdentityStep): void =>
    lines.forEach((line) => printNote(`${step}: ${line}`))
  await disableWorkloadIdentity({ kube, tell, webhook: webhookIn(region) }, seen)
  const { issuer, oidcProviderArn } = seen.record
  if (flags.output === 'table') process.stdout.write(`add-on ${ADDON} disabled\n`)
  else printData(flags.output, { addonName: ADDON, lost, oidcProviderArn }, NO_TABLE)
  if (lost.length > 0) {
    printNote(
      `pods made from now on get no credentials; those that run go on until they are made anew: ${lost.join(', ')}`,
    )
  }
  printNote(`${oidcProviderArn} stays: podrole issuer provider delete --issuer ${issuer}`)
}

export async function showStatus(flags: AddonPlaceFlags): Promise<void> {
  const kube = await openKube(flags)
  const [{ record, ...seen }, serviceAccounts] = await Promise.all([
    lookAtWorkloadIdentity(kube),
    listServiceAccounts(kube),
  ])
  requireSameCluster(flags, { record })
  const certificateEnd = await certificateEndOf(kube, record?.namespace)
  const shown = {
    addonName: ADDON,
    ...seen,
    image: record?.image || null,
    namespace: record?.namespace || null,
    certificateEnd: certificateEnd ?? null,
    oidcProviderArn: record?.oidcProviderArn ?? null,
    serviceAccounts: annotatedOf(serviceAccounts),
  }
  const { image, namespace, oidcProviderArn } = shown
  printData(flags.output, shown, {
    columns: ['field', 'value'],
    rows: [
      ['status', statusText({ record, ...seen })],
      ['issuer', shown.issuer ?? 'none is told'],
      ['provider', oidcProviderArn ?? '-'],
      ['webhook', WEBHOOKS[seen.webhook]],
      ['image', image ?? '-'],
      ['namespace', namespace ?? '-'],
      ['certificate until', certificateEnd ?? '-'],
      ['declared by a file', seen.isDeclared ? 'yes' : 'no'],
      ['service accounts', `${shown.serviceAccounts.length} with a role by annotation`],
    ],
  })
}

const WEBHOOKS = {
  podrole: "podrole's",
  found: 'one that the add-on did not make',
  eks: "EKS's own",
} as const

export interface ListedWorkloadIdentity {
  readonly addonName: string
  readonly image: string
  readonly status: string
}

/** As a row of `podrole addon list`; undefined where the kubeconfig does not lead to that cluster. */
export async function listed(flags: AddonPlaceFlags): Promise<ListedWorkloadIdentity | undefined> {
  const seen = await lookAtWorkloadIdentity(await openKube(flags))
  const { record } = seen
  if (record === undefined || record.cluster !== flags.cluster) return undefined
  return { addonName: ADDON, image: record.image, status: statusText(seen) }
}

function statusText({ record, status }: Pick<SeenWorkloadIdentity, 'record' | 'status'>): string {
  if (status !== 'partial') return status === 'disabled' ? 'not enabled' : status
  return record?.state === 'enabled'
    ? 'changed since it was enabled'
    : `half done: ${record?.state}`
}

async function listServiceAccounts(kube: KubeClient): Promise<Parameters<typeof annotatedOf>[0]> {
  const { items } = await kube.list<ServiceAccount>(SERVICE_ACCOUNTS)
  return items.map(({ metadata: { annotations = {}, name = '', namespace = '' } }) => ({
    serviceAccount: { namespace, name },
    annotations,
  }))
}

async function certificateEndOf(
  kube: KubeClient,
  namespace: string | undefined,
): Promise<string | undefined> {
  if (!namespace) return undefined
  const { secretName } = webhookIn('')
  try {
    const secret = await findObject<KubeObject & { data?: Record<string, string> }>(kube, SECRETS, {
      namespace,
      name: secretName,
    })
    const end = endOf(Buffer.from(secret?.data?.['tls.crt'] ?? '', 'base64').toString())
    return end === undefined ? undefined : new Date(end).toISOString()
  } catch (error) {
    // Who may look at the add-on need not read Secrets.
    if (codeOf(error) === 'Forbidden') return undefined
    throw error
  }
}

const NO_TABLE = { columns: [], rows: [] }
const notEnabled = ({ cluster }: AddonPlaceFlags): PodroleError =>
  new PodroleError('NoAddon', `cluster ${cluster} has no add-on ${ADDON}`, {
    hint: `podrole addon enable ${ADDON} --cluster ${cluster}`,
  })

/** @throws PodroleError `OtherCluster` */
function requireSameCluster(
  { cluster }: AddonPlaceFlags,
  { record }: Pick<SeenWorkloadIdentity, 'record'>,
): void {
  if (record === undefined || record.cluster === cluster) return
  throw new PodroleError(
    'OtherCluster',
    `the kubeconfig leads to a cluster where ${ADDON} was enabled as ${record.cluster}, not as ${cluster}`,
    { hint: `Name its context with --context, or say --cluster ${record.cluster}.` },
  )
}

/** @throws PodroleError `OtherCluster`; ServiceFault */
async function requireEksCluster(
  { cluster }: AddonPlaceFlags,
  account: Awaited<ReturnType<typeof openAccount>>,
  issuer: string | undefined,
): Promise<void> {
  const eks = await describeEksCluster(account, cluster)
  if (eks.issuer === issuer) return
  throw new PodroleError(
    'OtherCluster',
    `the kubeconfig leads to a cluster with issuer ${issuer}, EKS cluster ${cluster} has ${eks.issuer ?? 'none'}`,
    { hint: `aws eks update-kubeconfig --name ${cluster}, or name its context with --context.` },
  )
}

/** `podrole role create`. */
import { readFileSync } from 'node:fs'
import { openAccount } from '../aws/account.ts'
import type { QuotaReading } from '../aws/iam-quotas.ts'
import { roleArn } from '../iam/arn.ts'
import { isServiceAccountPattern, type ServiceAccountName } from '../iam/service-account-name.ts'
import type { TrustRoom } from '../iam/trust-size.ts'
import { loadKubeAccess } from '../kube/kubeconfig.ts'
import { createKubeClient } from '../kube/transport.ts'
import { systemClock } from '../lib/clock.ts'
import { checkAll } from '../lib/collect-faults.ts'
import { messageOf, PodroleError } from '../lib/errors.ts'
import { annotate, planAnnotations, ROLE_ANNOTATION } from '../manage/roles/annotate.ts'
import { keepPriorTrust, stateFolder } from '../manage/roles/prior-trust.ts'
import { ensureRole } from '../manage/roles/role-apply.ts'
import { iamRoles } from '../manage/roles/role-iam.ts'
import type { RolePort } from '../manage/roles/role-port.ts'
import {
  checkRequestInAccount,
  readRoleRequest,
  type RoleRequest,
} from '../manage/roles/role-request.ts'
import {
  grantOf,
  readServiceAccounts,
  readTarget,
  type TargetRequest,
  type TrustTarget,
} from '../manage/roles/trust-target.ts'
import type { RoleCreateFlags } from './commands/role.ts'
import { printData } from './output.ts'
import { resolveTarget } from './parts/trust-target.ts'

export async function createRole(flags: RoleCreateFlags): Promise<void> {
  const { request, serviceAccounts, target } = await readFlags(flags)
  const account = await openAccount(accessOf(flags))
  checkRequestInAccount(request, account)
  const resolved = await resolveTarget(target, account, flags)
  const around = { environment: process.env, clock: systemClock }
  const port = await iamRoles(account, around)
  const finish = flags.annotate
    ? await prepareAnnotations(flags, { port, request, serviceAccounts })
    : undefined
  const made = await ensureRole(
    port,
    { request, grant: grantOf(resolved, account, serviceAccounts) },
    { adopt: flags.adopt, keep: keepPriorTrust(stateFolder(process.env), systemClock) },
  )
  for (const line of made.done) tell(line)
  for (const { text } of made.plan.remarks) tell(text)
  if (made.priorFile !== undefined) tell(`its trust policy as it was: ${made.priorFile}`)
  const annotated = (await finish?.(made.arn)) ?? []
  const nothing = made.done.length === 0 && annotated.length === 0
  if (nothing) tell(`role ${request.name} is there as asked for: nothing was done`)
  else {
    tell(`trust policy: ${describeRoom(made)}`)
    if (!flags.annotate) tell(nextStep(resolved, made.arn))
  }
  const { arn, done, plan, priorFile, quota, room } = made
  if (flags.output === 'table') process.stdout.write(`${arn}\n`)
  else {
    const value = {
      arn,
      done: [...done, ...annotated],
      remarks: plan.remarks,
      trustPolicy: plan.trustPolicy,
      room,
      quota,
      ...(priorFile !== undefined && { priorFile }),
    }
    printData(flags.output, value, { columns: [], rows: [] })
  }
}

const tell = (line: string): void => void process.stderr.write(`podrole: ${line}\n`)

/** What a trust policy takes of its quota, in words. */
export const describeRoom = (size: {
  readonly room: TrustRoom
  readonly quota: QuotaReading
}): string =>
  `${size.room.characters} of ${size.quota.text} characters; ${size.room.moreServiceAccounts} more service account(s) of this length fit`

/** As `openAccount` takes it. */
export const accessOf = (flags: {
  readonly profile?: string
  readonly region?: string
}): { profile?: string; region?: string } => ({
  ...(flags.profile !== undefined && { profile: flags.profile }),
  ...(flags.region !== undefined && { region: flags.region }),
})

interface ReadFlags {
  readonly request: RoleRequest
  readonly serviceAccounts: readonly ServiceAccountName[]
  readonly target: TargetRequest
}

/** Everything that can be checked without a call, told at once. */
async function readFlags(flags: RoleCreateFlags): Promise<ReadFlags> {
  const policy = flags.policyFile === undefined ? undefined : await readText(flags.policyFile)
  const read: Partial<{ -readonly [K in keyof ReadFlags]: ReadFlags[K] }> = {}
  checkAll('InvalidRole', [
    () => {
      read.request = readRoleRequest({
        name: flags.name,
        policyArns: flags.policyArn,
        tags: flags.tag,
        ...(policy !== undefined && { policy }),
        ...(flags.path !== undefined && { path: flags.path }),
        ...(flags.description !== undefined && { description: flags.description }),
        ...(flags.maxSessionDuration !== undefined && {
          maxSessionDuration: flags.maxSessionDuration,
        }),
        ...(flags.permissionsBoundary !== undefined && {
          permissionsBoundary: flags.permissionsBoundary,
        }),
      })
    },
    () => {
      read.serviceAccounts = readServiceAccounts(flags.serviceAccount, flags.match)
    },
    () => {
      read.target = readTarget(flags)
    },
    () => checkAnnotate(flags, read),
  ])
  return read as ReadFlags
}

function checkAnnotate(flags: RoleCreateFlags, read: Partial<ReadFlags>): void {
  const { annotate: isAsked, createServiceAccount, overwrite } = flags
  if (!isAsked) {
    if (!createServiceAccount && !overwrite) return
    throw wrongAnnotate('--create-service-account and --overwrite go with --annotate')
  }
  const { serviceAccounts = [], target } = read
  const isIrsa =
    target === undefined ||
    target.kind === 'issuer' ||
    (target.kind === 'cluster' && target.method === 'irsa')
  if (!isIrsa) {
    throw wrongAnnotate(
      '--annotate is for IRSA: Pod Identity goes by associations, not by annotations',
    )
  }
  if (flags.audience !== undefined) {
    throw wrongAnnotate(
      '--annotate writes the role alone, and an audience of your own is an annotation too: eks.amazonaws.com/audience',
    )
  }
  if (serviceAccounts.some(isServiceAccountPattern)) {
    throw wrongAnnotate('--annotate needs names, and a pattern is given')
  }
}

const wrongAnnotate = (problem: string): PodroleError =>
  new PodroleError('InvalidAnnotate', problem, {
    hint: `--annotate writes ${ROLE_ANNOTATION}, which the webhook reads when a pod starts.`,
  })

export async function readText(file: string): Promise<string> {
  try {
    return file === '-' ? await Bun.stdin.text() : readFileSync(file, 'utf8')
  } catch (error) {
    throw new PodroleError('UnreadableFile', `cannot read ${file}: ${messageOf(error)}`)
  }
}

/** Reads the service accounts before anything is made; what is left to do when the role is there. */
async function prepareAnnotations(
  flags: RoleCreateFlags,
  what: {
    readonly port: RolePort
    readonly request: RoleRequest
    readonly serviceAccounts: readonly ServiceAccountName[]
  },
): Promise<(arn: string) => Promise<readonly string[]>> {
  const { port, request, serviceAccounts } = what
  const kube = createKubeClient(
    await loadKubeAccess({
      environment: process.env,
      ...(flags.kubeconfig !== undefined && { kubeconfig: flags.kubeconfig }),
      ...(flags.context !== undefined && { context: flags.context }),
    }),
  )
  const known = (await port.get(request.name))?.arn
  const expected = known ?? roleArn({ ...port, ...request })
  const steps = await planAnnotations(kube, { roleArn: expected, serviceAccounts }, flags)
  return async (arn) => {
    const done: string[] = []
    for (const step of steps) {
      const line = await annotate(kube, step, arn)
      tell(line)
      done.push(line)
    }
    return done
  }
}

/** What is still missing until a pod gets the role. */
function nextStep(target: TrustTarget, arn: string): string {
  return target.way === 'irsa'
    ? `annotate the service account with ${ROLE_ANNOTATION}: ${arn} (--annotate does it)`
    : `associate the service account with ${arn} on ${target.way === 'fleet' ? 'the broker' : 'EKS'}`
}

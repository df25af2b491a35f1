import type { QuotaReading } from '../../aws/iam-quotas.ts'
import { EMPTY_TRUST } from '../../iam/trust-edit.ts'
import type { TrustRoom } from '../../iam/trust-size.ts'
import { codeOf, messageOf, PodroleError } from '../../lib/errors.ts'
import { askUntil, IAM_PATIENCE, type Patience, retryWhile } from '../../lib/waiting.ts'
import type { KeepPriorTrust } from './prior-trust.ts'
import {
  type DesiredRole,
  describeRoleStep,
  planRole,
  type RolePlan,
  type RoleStep,
} from './role-plan.ts'
import type { ObservedRole, RolePort } from './role-port.ts'
import { checkTrustSize, requireProvider, writeTrust } from './trust-change.ts'

export interface EnsuredRole {
  readonly arn: string
  /** What was done, one sentence each; none where everything was there. */
  readonly done: readonly string[]
  readonly plan: RolePlan
  /** What the trust policy takes of its quota when all is done. */
  readonly room: TrustRoom
  readonly quota: QuotaReading
  /** Where the trust policy as it was is kept, where one was changed. */
  readonly priorFile?: string
}

export interface RoleOptions {
  readonly adopt: boolean
  readonly keep: KeepPriorTrust
  readonly patience?: Patience
}

/**
 * Makes the role, or goes on with one whose making failed half way. What can be checked is checked
 * before the first write.
 * @throws PodroleError `RoleNotOwned`, `RoleDiffers`, `RoleHalfMade` and those of `requireProvider`
 * and `checkTrustSize`; ServiceFault
 */
export async function ensureRole(
  port: RolePort,
  desired: DesiredRole,
  options: RoleOptions,
): Promise<EnsuredRole> {
  const { name } = desired.request
  const [found, quota] = await Promise.all([
    port.get(name),
    port.trustQuota(),
    requireProvider(port, desired.grant, options.patience),
  ])
  const plan = planRole(desired, found, options)
  const room = checkTrustSize({
    role: name,
    before: found?.trustPolicy ?? EMPTY_TRUST,
    after: plan.trustPolicy,
    grant: desired.grant,
    quota,
  })
  const size = { room, quota }
  try {
    return { ...(await actOn(port, { plan, found }, options)), ...size }
  } catch (error) {
    if (found !== undefined || codeOf(error) !== 'EntityAlreadyExists') throw error
    // Somebody else made it just now, or IAM showed an older state.
    const there = await askUntil(
      () => port.get(name),
      (role) => role !== undefined,
      options.patience ?? IAM_PATIENCE,
    )
    if (there === undefined) throw error
    const again = { plan: planRole(desired, there, options), found: there }
    return { ...(await actOn(port, again, options)), ...size }
  }
}

async function actOn(
  port: RolePort,
  what: { readonly plan: RolePlan; readonly found: ObservedRole | undefined },
  options: RoleOptions,
): Promise<Omit<EnsuredRole, 'room' | 'quota'>> {
  const { found, plan } = what
  const done: string[] = []
  let arn = found?.arn ?? ''
  let priorFile: string | undefined
  for (const step of plan.steps) {
    try {
      if (step.step === 'create') arn = await port.create(step.role)
      else {
        if (step.step === 'put-trust') {
          priorFile = options.keep({ accountId: port.accountId, name: plan.name }, step.before)
        }
        await actOnStep(port, plan.name, { step, patience: options.patience ?? IAM_PATIENCE })
      }
    } catch (error) {
      throw halfMade(plan, { done, step, error })
    }
    done.push(describeRoleStep(step))
  }
  return { arn, done, plan, ...(priorFile !== undefined && { priorFile }) }
}

/** IAM may not know a role yet that it has just made. */
async function actOnStep(
  port: RolePort,
  name: string,
  what: { readonly step: Exclude<RoleStep, { step: 'create' }>; readonly patience: Patience },
): Promise<void> {
  const { patience, step } = what
  const act = (): Promise<void> => {
    switch (step.step) {
      case 'tag':
        return port.tag(name, step.tags)
      case 'put-trust':
        return putTrust(port, name, { ...step, patience })
      case 'attach':
        return port.attach(name, step.policyArn)
      case 'put-policy':
        return port.putPolicy(name, step.policy)
      default:
        return step satisfies never
    }
  }
  await retryWhile(act, (thrown) => isRoleUnknown(thrown, name), patience)
}

async function putTrust(
  port: RolePort,
  name: string,
  step: { readonly before: string; readonly after: string; readonly patience: Patience },
): Promise<void> {
  if ((await port.trustPolicyOf(name)) !== step.before) {
    throw new PodroleError(
      'TrustPolicyChanged',
      `the trust policy of role ${name} was changed by somebody else meanwhile`,
    )
  }
  await writeTrust(port, name, step)
}

/** A policy that does not exist has the same code: waiting would not make it. */
const isRoleUnknown = (thrown: unknown, name: string): boolean =>
  codeOf(thrown) === 'NoSuchEntity' && messageOf(thrown).includes(`role with name ${name} `)

function halfMade(
  plan: RolePlan,
  at: { readonly done: readonly string[]; readonly step: RoleStep; readonly error: unknown },
): unknown {
  const { done, error, step } = at
  if (done.length === 0) return error
  const left = plan.steps.length - done.length
  return new PodroleError(
    'RoleHalfMade',
    `role ${plan.name}: ${done.join('; ')}; then step ${step.step} failed, and ${left} of ${plan.steps.length} step(s) are left: ${messageOf(error)}`,
    { hint: 'Mend that and run the same command again: it goes on from there.', cause: error },
  )
}

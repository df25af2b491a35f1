/** Whether the caller may do what a plan's steps need of AWS, as far as IAM's simulator tells. */
import { parseArn } from '../../iam/arn.ts'
import { codeOf, messageOf } from '../../lib/errors.ts'
import { mapLimited } from '../../lib/map-limited.ts'
import type { PlanRole } from '../plan/observed-state.ts'
import type { NeededAction, Plan } from '../plan/plan.ts'

/** What IAM's simulator says of one action. */
export interface SimulatedAction {
  readonly action: string
  /** Undefined where it hangs on a key of the request that the simulator does not have. */
  readonly isAllowed: boolean | undefined
}

export interface PermissionSimulator {
  /** SimulatePrincipalPolicy of actions on one resource, all pages. */
  simulate(
    principalArn: string,
    actions: readonly string[],
    resource: string,
  ): Promise<readonly SimulatedAction[]>
}

export type Permissions =
  | {
      readonly status: 'known'
      readonly principalArn: string
      readonly missing: readonly NeededAction[]
      /** Allowed or not by what only the request itself has. */
      readonly open: readonly NeededAction[]
    }
  | { readonly status: 'not-known'; readonly why: string }

const AT_ONCE = 4
const DENIED = /^AccessDenied/

/** Asks once for each resource. @throws faults other than that the caller may not ask */
export async function checkPermissions(
  { steps }: Pick<Plan, 'steps'>,
  caller: { readonly arn: string; readonly roles: readonly PlanRole[] },
  simulator: PermissionSimulator,
): Promise<Permissions> {
  const principalArn = principalOf(caller)
  if (principalArn === undefined) {
    return { status: 'not-known', why: `IAM's simulator knows no ${caller.arn}` }
  }
  const byResource = new Map<string, Set<string>>()
  for (const { action, resource } of steps.flatMap(({ needs }) => needs)) {
    byResource.set(resource, (byResource.get(resource) ?? new Set()).add(action))
  }
  try {
    const found = await mapLimited([...byResource], AT_ONCE, async ([resource, actions]) =>
      (await simulator.simulate(principalArn, [...actions], resource)).map((one) => ({
        ...one,
        resource,
      })),
    )
    const not = (isAllowed: false | undefined): readonly NeededAction[] =>
      found
        .flat()
        .filter((one) => one.isAllowed === isAllowed)
        .map(({ action, resource }) => ({ action, resource }))
    return { status: 'known', principalArn, missing: not(false), open: not(undefined) }
  } catch (error) {
    if (!DENIED.test(codeOf(error) ?? '')) throw error
    return { status: 'not-known', why: messageOf(error) }
  }
}

/** The user or role behind a caller; a session names its role without the path. */
function principalOf({
  arn,
  roles,
}: {
  readonly arn: string
  readonly roles: readonly PlanRole[]
}): string | undefined {
  const [kind, name] = parseArn(arn).resource.split('/')
  if (kind === 'user') return arn
  if (kind !== 'assumed-role') return undefined
  return roles.find((role) => role.name === name)?.arn
}

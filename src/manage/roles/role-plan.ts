import { isDeepStrictEqual } from 'node:util'
import { isOwned, missingTags, OWNER_TAG, type Tags } from '../../iam/tags.ts'
import { addTrust, EMPTY_TRUST, type TrustRemark } from '../../iam/trust-edit.ts'
import type { TrustGrant } from '../../iam/trust-grant.ts'
import { PodroleError } from '../../lib/errors.ts'
import type { NewRole, ObservedRole } from './role-port.ts'
import type { RoleRequest } from './role-request.ts'

export type RoleStep =
  | { readonly step: 'create'; readonly role: NewRole }
  | { readonly step: 'tag'; readonly tags: Tags }
  | { readonly step: 'put-trust'; readonly before: string; readonly after: string }
  | { readonly step: 'attach'; readonly policyArn: string }
  | { readonly step: 'put-policy'; readonly policy: string }

export interface RolePlan {
  readonly name: string
  /** In this order; none where everything is there. */
  readonly steps: readonly RoleStep[]
  readonly remarks: readonly TrustRemark[]
  /** The trust policy when all is done. */
  readonly trustPolicy: string
}

/** What a role is to be, and who may take it. */
export interface DesiredRole {
  readonly request: RoleRequest
  readonly grant: TrustGrant
}

/**
 * What is to be done so that the role is there as asked for. A role that podrole made and that
 * lacks policies is one whose making failed half way: it goes on. Everything else that differs is
 * somebody's decision and is refused, with what differs.
 * @throws PodroleError `RoleNotOwned`, `RoleDiffers`
 */
export function planRole(
  desired: DesiredRole,
  found: ObservedRole | undefined,
  options: { readonly adopt: boolean },
): RolePlan {
  const { request } = desired
  if (found === undefined) return planNew(desired)
  const owned = isOwned(found.tags)
  if (!owned && !options.adopt) throw notOwned(found)
  const edit = addTrust(found.trustPolicy, desired.grant)
  const differences = [
    ...differencesOf(request, found, owned),
    ...(owned && edit.subjects.length > 0
      ? [`its trust policy does not admit ${edit.subjects.join(', ')}`]
      : []),
  ]
  if (differences.length > 0) throw differs(found, differences, owned && edit.subjects.length > 0)
  const tags = owned ? {} : missingTags({ ...request.tags, ...OWNER_TAG }, found.tags)
  return {
    name: found.name,
    remarks: owned ? [] : edit.remarks,
    trustPolicy: edit.after,
    steps: [
      ...(Object.keys(tags).length > 0 ? [{ step: 'tag' as const, tags }] : []),
      ...(edit.after === edit.before
        ? []
        : [{ step: 'put-trust' as const, before: edit.before, after: edit.after }]),
      ...policySteps(request, found),
    ],
  }
}

function planNew({ grant, request }: DesiredRole): RolePlan {
  const { boundaryArn, description, maxSessionSeconds, name, path, tags } = request
  const { after, remarks } = addTrust(EMPTY_TRUST, grant)
  const role = {
    name,
    trustPolicy: after,
    tags: { ...tags, ...OWNER_TAG },
    ...(path !== undefined && { path }),
    ...(description !== undefined && { description }),
    ...(maxSessionSeconds !== undefined && { maxSessionSeconds }),
    ...(boundaryArn !== undefined && { boundaryArn }),
  }
  const nothing = { policyArns: [] }
  const steps: RoleStep[] = [{ step: 'create', role }, ...policySteps(request, nothing)]
  return { name, steps, remarks, trustPolicy: after }
}

function policySteps(
  { policy, policyArns }: RoleRequest,
  found: Pick<ObservedRole, 'policyArns' | 'policy'>,
): readonly RoleStep[] {
  return [
    ...policyArns
      .filter((arn) => !found.policyArns.includes(arn))
      .map((policyArn): RoleStep => ({ step: 'attach', policyArn })),
    ...(policy !== undefined && found.policy === undefined
      ? [{ step: 'put-policy' as const, policy }]
      : []),
  ]
}

/** What is set otherwise than asked for; what was not asked for may be anything. */
function differencesOf(
  request: RoleRequest,
  found: ObservedRole,
  owned: boolean,
): readonly string[] {
  const { boundaryArn, description, maxSessionSeconds, path, policy } = request
  const pairs: readonly (readonly [string, unknown, unknown])[] = [
    ['path', path, found.path],
    ['description', description, found.description],
    ['longest session in seconds', maxSessionSeconds, found.maxSessionSeconds],
    ['permissions boundary', boundaryArn, found.boundaryArn],
  ]
  // An adopted role is tagged; one of podrole's own has had its tags since it was made.
  const tags = owned ? missingTags(request.tags, found.tags) : {}
  return [
    ...pairs
      .filter(([, wanted, is]) => wanted !== undefined && wanted !== is)
      .map(([what, wanted, is]) => `its ${what} is ${show(is)}, not ${show(wanted)}`),
    ...Object.entries(tags).map(
      ([key, value]) => `its tag ${key} is ${show(found.tags[key])}, not ${show(value)}`,
    ),
    ...(policy !== undefined && found.policy !== undefined && !isSameJson(policy, found.policy)
      ? ['its inline policy is another one']
      : []),
  ]
}

const show = (value: unknown): string => (value === undefined ? 'none' : JSON.stringify(value))

function isSameJson(one: string, other: string): boolean {
  try {
    return isDeepStrictEqual(JSON.parse(one), JSON.parse(other))
  } catch {
    return false
  }
}

const notOwned = ({ arn, name }: ObservedRole): PodroleError =>
  new PodroleError('RoleNotOwned', `role ${arn} is there, and podrole did not make it`, {
    hint: `To let the service account take it as it is: podrole role trust add ${name} --service-account …; --adopt makes it podrole's own.`,
  })

const differs = (
  { arn, name }: ObservedRole,
  differences: readonly string[],
  isTrust: boolean,
): PodroleError =>
  new PodroleError('RoleDiffers', `role ${arn} is there and differs: ${differences.join('; ')}`, {
    hint: isTrust
      ? `podrole role trust add ${name} --service-account … admits further service accounts.`
      : 'Ask for it as it is, or for a role of another name.',
  })

/** A step in words. */
export function describeRoleStep(step: RoleStep): string {
  switch (step.step) {
    case 'create':
      return `role ${step.role.name} made`
    case 'tag':
      return `tagged ${Object.keys(step.tags).join(', ')}`
    case 'put-trust':
      return 'trust policy written'
    case 'attach':
      return `policy ${step.policyArn} attached`
    case 'put-policy':
      return 'inline policy written'
    default:
      return step satisfies never
  }
}

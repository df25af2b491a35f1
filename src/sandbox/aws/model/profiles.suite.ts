/** Instance profiles as the model knows them. */
import type { Members, Operation, Outcome, Plain } from './operations.suite.ts'
import { keyAt, pageWords, requireRole, roleRow, type Step } from './roles.suite.ts'
import { checkName, checkNumber, checkPath, checkTags, tagsMember } from './shapes.suite.ts'
import { accountOf, DONE, Faults, type Profile, type World } from './world.suite.ts'

function requireProfile(
  world: World,
  faults: Faults,
  { accountId, input }: Operation,
): Profile | undefined {
  const name = checkName(faults, input, 'InstanceProfileName', 128)
  const profile = accountOf(world, accountId).profiles.get(name.toLowerCase())
  faults.add(profile === undefined, 'NoSuchEntity')
  return profile
}

function profileRow(world: World, accountId: string, profile: Profile): Members {
  const role = accountOf(world, accountId).roles.get(profile.role ?? '')
  return {
    Path: profile.path,
    InstanceProfileName: profile.name,
    InstanceProfileId: profile.id,
    Arn: profile.arn,
    CreateDate: profile.createdSeconds,
    Roles: role === undefined ? [] : [roleRow(world, role)],
  }
}

const createProfile: Step = (world, { accountId, input }, newId) => {
  const faults = new Faults()
  const name = checkName(faults, input, 'InstanceProfileName', 128)
  const path = checkPath(faults, input)
  const tags = checkTags(world, faults, input, { known: new Map(), foldsCase: false })
  const { profiles } = accountOf(world, accountId)
  faults.add(profiles.has(name.toLowerCase()), 'EntityAlreadyExists')
  faults.add(profiles.size >= world.quotas.instanceProfiles, 'LimitExceeded')
  if (faults.refusal !== undefined) return faults.refusal
  const profile: Profile = {
    name,
    path,
    arn: `arn:aws:iam::${accountId}:instance-profile${path}${name}`,
    id: newId,
    role: undefined,
    tags,
    createdSeconds: Math.floor(world.nowMs / 1000),
  }
  profiles.set(name.toLowerCase(), profile)
  const row = { ...profileRow(world, accountId, profile), ...tagsMember(tags) }
  return { members: { InstanceProfile: row } }
}

/** A step for a profile, and a role, that are there. */
const forPair =
  (act: (profile: Profile, roleKey: string) => Outcome | undefined): Step =>
  (world, operation) => {
    const faults = new Faults()
    const profile = requireProfile(world, faults, operation)
    const role = requireRole(world, faults, operation)
    if (faults.refusal !== undefined || profile === undefined) return faults.refusal ?? DONE
    return act(profile, role?.name.toLowerCase() ?? '') ?? DONE
  }

const deleteProfile: Step = (world, operation) => {
  const faults = new Faults()
  const profile = requireProfile(world, faults, operation)
  faults.add(profile?.role !== undefined, 'DeleteConflict')
  if (faults.refusal !== undefined) return faults.refusal
  accountOf(world, operation.accountId).profiles.delete(profile?.name.toLowerCase() ?? '')
  return DONE
}

const listForRole: Step = (world, operation) => {
  const faults = new Faults()
  const role = requireRole(world, faults, operation)
  const limit = checkNumber(faults, operation.input, 'MaxItems', [1, 1000]) ?? 100
  if (faults.refusal !== undefined || role === undefined) return faults.refusal ?? DONE
  const { accountId, input } = operation
  const there = new Map<string, Plain>(
    [...accountOf(world, accountId).profiles.values()]
      .filter((profile) => profile.role === role.name.toLowerCase())
      .map((profile) => [profile.name, profileRow(world, accountId, profile)]),
  )
  const words = pageWords(input, `profiles ${role.id}`)
  const keyOf = keyAt('InstanceProfileName')
  return { page: { ...words, rows: 'InstanceProfiles', there, limit, keyOf } }
}

export const PROFILE_STEPS: Readonly<Record<string, Step>> = {
  CreateInstanceProfile: createProfile,
  DeleteInstanceProfile: deleteProfile,
  ListInstanceProfilesForRole: listForRole,
  GetInstanceProfile: (world, operation) => {
    const faults = new Faults()
    const profile = requireProfile(world, faults, operation)
    if (faults.refusal !== undefined || profile === undefined) return faults.refusal ?? DONE
    const row = profileRow(world, operation.accountId, profile)
    return { members: { InstanceProfile: { ...row, ...tagsMember(profile.tags) } } }
  },
  AddRoleToInstanceProfile: forPair((profile, role) => {
    if (profile.role !== undefined) return { refused: ['LimitExceeded'] }
    profile.role = role
    return undefined
  }),
  RemoveRoleFromInstanceProfile: forPair((profile, role) => {
    if (profile.role !== role) return { refused: ['NoSuchEntity'] }
    profile.role = undefined
    return undefined
  }),
}

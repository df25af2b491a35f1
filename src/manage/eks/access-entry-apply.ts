import { isOwned, missingTags, OWNER_TAG, type Tags } from '../../iam/tags.ts'
import { codeOf, messageOf, PodroleError } from '../../lib/errors.ts'
import { type Patience, retryWhile } from '../../lib/waiting.ts'
import {
  type AccessEntry,
  type AccessEntryPort,
  type AccessPolicy,
  findAccessEntry,
  type ObservedEntry,
} from './access-entry-port.ts'
import { type AccessEntryRequest, isNodeType, readAccessEntry } from './access-entry-request.ts'
import { formatAccessPolicy, isSameScope, policyName } from './access-policy-request.ts'

/** The cluster, and how commands name it: `--cluster prod`. */
export interface EntryCluster {
  readonly port: AccessEntryPort
  readonly clusterName: string
  readonly options: string
}

export interface AccessEntryOutcome {
  readonly entry: ObservedEntry
  /** One sentence each; none where all was as asked for. */
  readonly done: readonly string[]
}

/** A principal made just now may not be known to EKS yet; one that was not is waited for too. */
const PRINCIPAL_PATIENCE: Patience = { totalMs: 5000, firstDelayMs: 250, maxDelayMs: 1000 }

/**
 * Makes an entry with its access policies, or goes on with one of podrole's own that lacks some.
 * What is there as asked for is left as it is.
 * @throws PodroleError `AccessEntryDiffers`, `NoAccessPolicy`, `AccessEntryHalfMade`; ServiceFault
 */
export async function createAccessEntry(
  cluster: EntryCluster,
  request: AccessEntryRequest,
  patience: Patience = PRINCIPAL_PATIENCE,
): Promise<AccessEntryOutcome> {
  const { port } = cluster
  const { accessPolicies, tags, ...entry } = request
  const [found] = await Promise.all([
    findAccessEntry(port, request.principalArn),
    requirePolicies(port, accessPolicies),
  ])
  const missing = missingPolicies(accessPolicies, found)
  if (found !== undefined) refuseDifferent(cluster, request, found)
  const done: string[] = []
  let made: AccessEntry | undefined = found
  try {
    if (made === undefined) {
      const act = (): Promise<AccessEntry> =>
        port.create({ ...entry, tags: { ...tags, ...OWNER_TAG } })
      made = await retryWhile(act, isPrincipalUnknown, patience)
      done.push(`access entry of ${request.principalArn} made`)
    }
    for (const policy of missing) {
      await retryWhile(
        () => port.associate(request.principalArn, policy),
        // EKS may not show yet the entry that it has just made.
        (thrown) => found === undefined && codeOf(thrown) === 'ResourceNotFound',
        patience,
      )
      done.push(`access policy ${formatAccessPolicy(policy)} given`)
    }
  } catch (error) {
    throw halfMade(request.principalArn, done, error)
  }
  // What EKS answered, not what it shows: a read may be behind.
  const present = found?.accessPolicies ?? []
  return { entry: { ...made, accessPolicies: withPolicies(present, missing) }, done }
}

/** Each policy once, with the later scope. */
const withPolicies = (
  present: readonly AccessPolicy[],
  given: readonly AccessPolicy[],
): readonly AccessPolicy[] => [
  ...new Map([...present, ...given].map((policy) => [policy.policyArn, policy])).values(),
]

const isPrincipalUnknown = (thrown: unknown): boolean =>
  codeOf(thrown) === 'InvalidParameter' && /invalid principal/i.test(messageOf(thrown))

function halfMade(principalArn: string, done: readonly string[], error: unknown): unknown {
  if (done.length === 0) return error
  return new PodroleError(
    'AccessEntryHalfMade',
    `${done.join('; ')}; then the access entry of ${principalArn} failed: ${messageOf(error)}`,
    { hint: 'Mend that and run the same command again: it goes on from there.', cause: error },
  )
}

/** @throws PodroleError `NoAccessPolicy`: EKS has none of that name */
async function requirePolicies(
  port: AccessEntryPort,
  wanted: readonly AccessPolicy[],
): Promise<void> {
  if (wanted.length === 0) return
  const known = await port.knownPolicies()
  const missing = wanted.filter(({ policyArn }) => !known.includes(policyArn))
  if (missing.length === 0) return
  throw new PodroleError(
    'NoAccessPolicy',
    `EKS has no access policy ${missing.map(({ policyArn }) => policyName(policyArn)).join(', ')}`,
    { hint: `It has ${known.map(policyName).join(', ')}.` },
  )
}

const missingPolicies = (
  wanted: readonly AccessPolicy[],
  found: ObservedEntry | undefined,
): readonly AccessPolicy[] =>
  wanted.filter(
    ({ accessScope, policyArn }) =>
      found?.accessPolicies.some(
        (one) => one.policyArn === policyArn && isSameScope(one.accessScope, accessScope),
      ) !== true,
  )

/** Policies that are missing are no difference where podrole made the entry: it goes on. */
function refuseDifferent(
  cluster: EntryCluster,
  request: AccessEntryRequest,
  found: ObservedEntry,
): void {
  const { accessPolicies, kubernetesGroups, principalArn, tags, type, username } = request
  const lacking = missingPolicies(accessPolicies, found)
  const changed = lacking.filter(({ policyArn }) =>
    found.accessPolicies.some((one) => one.policyArn === policyArn),
  )
  const policies = isOwned(found.tags) ? changed : lacking
  const isOther = (wish: string | undefined, is: string): wish is string =>
    wish !== undefined && wish !== is
  const groups = kubernetesGroups?.join(',') ?? ''
  const differences = [
    ...(isOther(type, found.type)
      ? [{ text: `its type is ${found.type}, not ${type}`, option: undefined }]
      : []),
    ...(isOther(username, found.username)
      ? [
          {
            text: `its user name is ${found.username}, not ${username}`,
            option: `--kubernetes-username ${username}`,
          },
        ]
      : []),
    ...(kubernetesGroups !== undefined && !sameNames(kubernetesGroups, found.kubernetesGroups)
      ? [
          {
            text: `its groups are ${found.kubernetesGroups.join(',') || 'none'}, not ${groups || 'none'}`,
            option: `--kubernetes-groups ${groups}`,
          },
        ]
      : []),
    ...policies.map((policy) => ({
      text: `it does not have ${formatAccessPolicy(policy)}`,
      option: `--access-policy ${formatAccessPolicy(policy)}`,
    })),
    ...Object.entries(missingTags(tags, found.tags)).map(([key, value]) => ({
      text: `its tag ${key} is not ${JSON.stringify(value)}`,
      option: `--tags ${key}=${value}`,
    })),
  ]
  if (differences.length === 0) return
  const changes = differences.flatMap(({ option }) => option ?? []).join(' ')
  throw new PodroleError(
    'AccessEntryDiffers',
    `${principalArn} has an access entry already, and it differs: ${differences.map(({ text }) => text).join('; ')}`,
    {
      hint: differences.some(({ option }) => option === undefined)
        ? `EKS changes no type: podrole access-entry delete ${principalArn} ${cluster.options}, and create it again.`
        : `Change it: podrole access-entry update ${principalArn} ${cluster.options} ${changes}${isOwned(found.tags) ? '' : ' --adopt'}`,
    },
  )
}

const sameNames = (one: readonly string[], other: readonly string[]): boolean =>
  new Set(one).symmetricDifference(new Set(other)).size === 0

/** What is to be otherwise, as typed; what is undefined stays. */
export interface AccessEntryUpdate {
  readonly principalArn: string
  readonly username?: string
  readonly kubernetesGroups?: readonly string[]
  readonly accessPolicies: readonly string[]
  /** ARNs. */
  readonly removePolicies: readonly string[]
  readonly tags: readonly string[]
  readonly removeTags: readonly string[]
}

/**
 * Changes an entry. Policies are given before others are taken, so that nobody is locked out between.
 * @throws PodroleError `NoAccessEntry`, `AccessEntryNotOwned`, `InvalidAccessEntry`,
 * `NoAccessPolicy`, `AccessEntryHalfMade`; ServiceFault
 */
export async function updateAccessEntry(
  cluster: EntryCluster,
  update: AccessEntryUpdate,
  options: { readonly adopt: boolean },
): Promise<AccessEntryOutcome> {
  const { port } = cluster
  const { principalArn, removePolicies, removeTags, ...wishes } = update
  const found = await findAccessEntry(port, principalArn)
  if (found === undefined) throw noEntry(cluster, principalArn)
  requireOwn(found, 'update', options.adopt)
  // The type of the entry decides what it may have.
  const request = readAccessEntry({
    ...wishes,
    principalArn,
    ...(isNodeType(found.type) && { type: found.type }),
  })
  await requirePolicies(port, request.accessPolicies)
  const done: string[] = []
  const missing = missingPolicies(request.accessPolicies, found)
  let entry: AccessEntry = found
  try {
    entry = await changeNames(port, found, request, done)
    for (const policy of missing) {
      await port.associate(principalArn, policy)
      done.push(`access policy ${formatAccessPolicy(policy)} given`)
    }
    const has = (arn: string): boolean =>
      found.accessPolicies.some(({ policyArn }) => policyArn === arn)
    for (const policyArn of removePolicies.filter(has)) {
      await port.disassociate(principalArn, policyArn)
      done.push(`access policy ${policyName(policyArn)} taken away`)
    }
    const tags = await changeTags(port, found, { tags: request.tags, removeTags, done })
    entry = { ...entry, tags }
  } catch (error) {
    throw halfMade(principalArn, done, error)
  }
  const accessPolicies = withPolicies(found.accessPolicies, missing).filter(
    ({ policyArn }) => !removePolicies.includes(policyArn),
  )
  return { entry: { ...entry, accessPolicies }, done }
}

async function changeNames(
  port: AccessEntryPort,
  found: ObservedEntry,
  { kubernetesGroups: groups, username }: AccessEntryRequest,
  done: string[],
): Promise<AccessEntry> {
  const change = {
    ...(username !== undefined && username !== found.username && { username }),
    ...(groups !== undefined &&
      !sameNames(groups, found.kubernetesGroups) && { kubernetesGroups: groups }),
  }
  if (Object.keys(change).length === 0) return found
  const entry = await port.update(found.principalArn, change)
  if (change.username !== undefined) done.push(`user name ${change.username}`)
  if (change.kubernetesGroups !== undefined) {
    done.push(`groups ${change.kubernetesGroups.join(',') || 'taken away'}`)
  }
  return entry
}

async function changeTags(
  { tagging }: AccessEntryPort,
  found: ObservedEntry,
  change: {
    readonly tags: Tags
    readonly removeTags: readonly string[]
    readonly done: string[]
  },
): Promise<Tags> {
  const add = missingTags({ ...change.tags, ...OWNER_TAG }, found.tags)
  const remove = change.removeTags.filter((key) => Object.hasOwn(found.tags, key))
  if (Object.keys(add).length > 0) {
    await tagging.tag(found.accessEntryArn, add)
    change.done.push(`tagged ${Object.keys(add).join(', ')}`)
  }
  if (remove.length > 0) {
    await tagging.untag(found.accessEntryArn, remove)
    change.done.push(`tags ${remove.join(', ')} taken away`)
  }
  const kept = Object.entries(found.tags).filter(([key]) => !remove.includes(key))
  return { ...Object.fromEntries(kept), ...add }
}

/**
 * Deletes an entry; undefined where there is none and that is no fault.
 * @throws PodroleError `NoAccessEntry`, `AccessEntryNotOwned`; ServiceFault
 */
export async function deleteAccessEntry(
  cluster: EntryCluster,
  principalArn: string,
  options: { readonly adopt: boolean; readonly ignoreNotFound: boolean },
): Promise<ObservedEntry | undefined> {
  const found = await findAccessEntry(cluster.port, principalArn)
  if (found === undefined) {
    if (options.ignoreNotFound) return undefined
    throw noEntry(cluster, principalArn)
  }
  requireOwn(found, 'delete', options.adopt)
  await cluster.port.delete(principalArn)
  return found
}

function requireOwn(found: ObservedEntry, verb: 'update' | 'delete', adopt: boolean): void {
  if (adopt || isOwned(found.tags)) return
  const isNode = found.type !== 'STANDARD'
  throw new PodroleError(
    'AccessEntryNotOwned',
    `the access entry of ${found.principalArn} was not made by podrole: cannot ${verb} it${isNode ? `; it is of type ${found.type}, without which nodes cannot join` : ''}`,
    {
      hint:
        verb === 'update'
          ? "--adopt makes it podrole's own and changes it."
          : '--adopt deletes it all the same.',
    },
  )
}

export const noEntry = (
  { clusterName, options, port }: EntryCluster,
  principalArn: string,
): PodroleError =>
  new PodroleError(
    'NoAccessEntry',
    `${principalArn} has no access entry in cluster ${clusterName} (${port.place})`,
    { hint: `Make one: podrole access-entry create ${principalArn} ${options}` },
  )

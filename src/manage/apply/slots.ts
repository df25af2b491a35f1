/**
 * The part of what is there that one action is about, in one spelling: what it has to be before the
 * action, what it is after it, and what is found. Pure.
 */
import { parseJsonDocument } from '../../iam/json-document.ts'
import type { Tags } from '../../iam/tags.ts'
import type { AccessPolicy } from '../desired/desired-state.ts'
import { canonicalJson } from '../plan/canonical-json.ts'
import type {
  AddonSettings,
  AssociationSettings,
  PlanAccessEntry,
  PlanAddon,
  PlanAssociation,
  PlanProvider,
  PlanRole,
  PlanServiceAccount,
  WorkloadIdentity,
} from '../plan/observed-state.ts'
import type { AccessNames, KeyValues, PlanAction } from '../plan/plan.ts'

/** JSON; null is what is not there. Two are the same when they are deeply equal. */
export type Slot = null | boolean | string | object

/** What stands where the thing that is to be changed is gone: neither before nor after. */
export const GONE: Slot = 'nothing is there'

/** What an action finds; which of them, its `do` says. */
export interface Found {
  readonly role?: PlanRole
  readonly provider?: PlanProvider
  readonly association?: PlanAssociation
  readonly entry?: PlanAccessEntry
  readonly addon?: PlanAddon
  readonly serviceAccount?: PlanServiceAccount
  readonly hasNamespace?: boolean
  readonly authenticationMode?: string
  /** Of the resource that is tagged. */
  readonly tags?: Tags
  readonly workloadIdentity?: WorkloadIdentity['status']
}

type Do = PlanAction['do']
type Of<D extends Do> = Extract<PlanAction, { readonly do: D }>

interface Rule<A> {
  readonly before: (action: A) => Slot
  readonly after: (action: A) => Slot
  readonly found: (action: A, found: Found) => Slot
}

const policy = (text: string | undefined): Slot => {
  if (text === undefined) return null
  try {
    return canonicalJson(parseJsonDocument(text))
  } catch {
    return text
  }
}

const pick = (keys: Readonly<Record<string, unknown>>, from: Tags): Record<string, string | null> =>
  Object.fromEntries(Object.keys(keys).map((key) => [key, from[key] ?? null]))

const sorted = (list: readonly string[]): readonly string[] => [...list].sort()

const nothing = (): Slot => null
const yes = (): Slot => true
const no = (): Slot => false

/** Made and deleted as a whole. */
const whole = <A>(
  object: (action: A) => Slot,
  found: Rule<A>['found'],
): { readonly create: Rule<A>; readonly remove: Rule<A> } => ({
  create: { before: nothing, after: object, found },
  remove: { before: object, after: nothing, found },
})

const provider = whole<Of<'create-provider' | 'delete-provider'>>(
  ({ provider: one }) => ({
    clientIds: sorted(one.clientIds),
    tags: one.tags,
    ...(one.thumbprints !== undefined && { thumbprints: sorted(one.thumbprints) }),
  }),
  (action, { provider: one }) =>
    one === undefined
      ? null
      : {
          clientIds: sorted(one.clientIds),
          tags: one.tags,
          ...(action.provider.thumbprints !== undefined && {
            thumbprints: sorted(one.thumbprints ?? []),
          }),
        },
)

const bareRole = (role: Pick<PlanRole, 'trustPolicy' | 'tags' | 'boundaryArn'>): object => ({
  trust: policy(role.trustPolicy),
  tags: role.tags,
  boundary: role.boundaryArn ?? null,
  policyArns: [],
  inline: [],
})
const role = whole<Of<'create-role' | 'delete-role'>>(
  (action) => bareRole(action.role),
  (_, { role: one }) =>
    one === undefined
      ? null
      : { ...bareRole(one), policyArns: one.policyArns, inline: Object.keys(one.inline) },
)

const settingsOf = (settings: AssociationSettings): object => ({
  roleArn: settings.roleArn,
  targetRoleArn: settings.targetRoleArn ?? null,
  disableSessionTags: settings.disableSessionTags,
  policy: policy(settings.policy),
})
const association = whole<Of<'create-association' | 'delete-association'>>(
  (action) => ({
    ...settingsOf(action.association.settings),
    tags: action.association.tags,
    owner: null,
    ...('associationId' in action.association && { id: action.association.associationId }),
  }),
  (action, { association: one }) =>
    one === undefined
      ? null
      : {
          ...settingsOf(one.settings),
          tags: one.tags,
          owner: one.ownerArn ?? null,
          ...('associationId' in action.association && { id: one.associationId }),
        },
)

const entry = whole<Of<'create-access-entry' | 'delete-access-entry'>>(
  ({ entry: { groups, tags, type, username } }) => ({
    type,
    tags,
    policies: [],
    ...(groups !== undefined && { groups: sorted(groups) }),
    ...(username !== undefined && { username }),
  }),
  (action, { entry: one }) =>
    one === undefined
      ? null
      : {
          type: one.type,
          tags: one.tags,
          policies: one.policies.map(({ policyArn }) => policyArn),
          ...(action.entry.groups !== undefined && { groups: sorted(one.groups) }),
          ...(action.entry.username !== undefined && { username: one.username }),
        },
)
const namesOf = ({ groups, username }: AccessNames): object => ({
  groups: sorted(groups),
  username,
})

const addonOf = (settings: AddonSettings): object => ({
  version: settings.version,
  role: settings.serviceAccountRoleArn ?? null,
  associations: sorted(settings.associations.map((one) => `${one.serviceAccount} ${one.roleArn}`)),
})
const addon = whole<Of<'create-addon' | 'delete-addon'>>(
  (action) => ({ ...addonOf(action.addon.settings), tags: action.addon.tags }),
  (_, { addon: one }) => (one === undefined ? null : { ...addonOf(one.settings), tags: one.tags }),
)

/** Of its labels and annotations those that are named: admission may add others. */
const serviceAccount = whole<Of<'create-service-account' | 'delete-service-account'>>(
  ({ object: { annotations, labels } }) => ({ labels, annotations }),
  ({ object }, { serviceAccount: one }) =>
    one === undefined
      ? null
      : {
          labels: pick(object.labels, one.labels),
          annotations: pick(object.annotations, one.annotations),
        },
)
const keysOf = ({ annotations, labels }: KeyValues): object => ({ labels, annotations })

const namespace = whole<Of<'create-namespace' | 'delete-namespace'>>(yes, (_, found) =>
  found.hasNamespace === true ? true : null,
)

const clientId: Rule<Of<'add-client-id' | 'remove-client-id'>>['found'] = (action, found) =>
  found.provider === undefined ? GONE : found.provider.clientIds.includes(action.clientId)
const attached: Rule<Of<'attach-policy' | 'detach-policy'>>['found'] = (action, found) =>
  found.role === undefined ? GONE : found.role.policyArns.includes(action.policyArn)
const inline: Rule<Of<'put-inline-policy' | 'delete-inline-policy'>>['found'] = (action, found) =>
  found.role === undefined ? GONE : policy(found.role.inline[action.name])
const boundary: Rule<Of<'put-boundary' | 'delete-boundary'>>['found'] = (_, found) =>
  found.role === undefined ? GONE : (found.role.boundaryArn ?? null)

const tagged = <A extends Of<'tag-role' | 'tag-resource'>>(
  tagsOf: (found: Found) => Tags | undefined,
): Rule<A> => ({
  before: ({ after, before }) => pick(after, before),
  after: ({ after }) => ({ ...after }),
  found: ({ after }, found) => {
    const tags = tagsOf(found)
    return tags === undefined ? GONE : pick(after, tags)
  },
})
const untagged = <A extends Of<'untag-role' | 'untag-resource'>>(
  tagsOf: (found: Found) => Tags | undefined,
): Rule<A> => ({
  before: ({ before }) => ({ ...before }),
  after: ({ before }) => pick(before, {}),
  found: ({ before }, found) => {
    const tags = tagsOf(found)
    return tags === undefined ? GONE : pick(before, tags)
  },
})
const roleTags = (found: Found): Tags | undefined => found.role?.tags
const resourceTags = (found: Found): Tags | undefined => found.tags

const scopeOf = (one: AccessPolicy | undefined): Slot =>
  one === undefined ? null : { namespaces: sorted(one.namespaces ?? []) }
const accessPolicy =
  <A extends { readonly do: string }>(arnOf: (action: A) => string) =>
  (action: A, found: Found): Slot =>
    found.entry === undefined
      ? GONE
      : scopeOf(found.entry.policies.find(({ policyArn }) => policyArn === arnOf(action)))

const RULES: { readonly [D in Do]: Rule<Of<D>> } = {
  'create-provider': provider.create,
  'delete-provider': provider.remove,
  'add-client-id': { before: no, after: yes, found: clientId },
  'remove-client-id': { before: yes, after: no, found: clientId },
  'create-role': role.create,
  'delete-role': role.remove,
  'put-trust': {
    before: ({ before }) => policy(before),
    after: ({ after }) => policy(after),
    found: (_, found) => (found.role === undefined ? GONE : policy(found.role.trustPolicy)),
  },
  'attach-policy': { before: no, after: yes, found: attached },
  'detach-policy': { before: yes, after: no, found: attached },
  'put-inline-policy': {
    before: ({ before }) => policy(before),
    after: ({ after }) => policy(after),
    found: inline,
  },
  'delete-inline-policy': {
    before: ({ before }) => policy(before),
    after: nothing,
    found: inline,
  },
  'put-boundary': {
    before: ({ before }) => before ?? null,
    after: ({ after }) => after,
    found: boundary,
  },
  'delete-boundary': { before: ({ before }) => before, after: nothing, found: boundary },
  'tag-role': tagged(roleTags),
  'untag-role': untagged(roleTags),
  'tag-resource': tagged(resourceTags),
  'untag-resource': untagged(resourceTags),
  'update-authentication-mode': {
    before: ({ before }) => before,
    after: ({ after }) => after,
    found: (_, found) => found.authenticationMode ?? GONE,
  },
  'create-addon': addon.create,
  'delete-addon': addon.remove,
  'update-addon': {
    before: ({ before }) => addonOf(before),
    after: ({ after }) => addonOf(after),
    found: (_, found) => (found.addon === undefined ? GONE : addonOf(found.addon.settings)),
  },
  'create-association': association.create,
  'delete-association': association.remove,
  'update-association': {
    before: ({ before }) => settingsOf(before),
    after: ({ after }) => settingsOf(after),
    found: (_, found) =>
      found.association === undefined ? GONE : settingsOf(found.association.settings),
  },
  'create-access-entry': entry.create,
  'delete-access-entry': entry.remove,
  'update-access-entry': {
    before: ({ before }) => namesOf(before),
    after: ({ after }) => namesOf(after),
    found: (_, found) => (found.entry === undefined ? GONE : namesOf(found.entry)),
  },
  'associate-access-policy': {
    before: ({ before }) => scopeOf(before),
    after: ({ after }) => scopeOf(after),
    found: accessPolicy(({ after }) => after.policyArn),
  },
  'disassociate-access-policy': {
    before: ({ before }) => scopeOf(before),
    after: nothing,
    found: accessPolicy(({ before }) => before.policyArn),
  },
  'enable-workload-identity': {
    before: () => 'disabled',
    after: () => 'enabled',
    // What was begun is begun again.
    found: (_, found) => (found.workloadIdentity === 'enabled' ? 'enabled' : 'disabled'),
  },
  'disable-workload-identity': {
    before: () => 'enabled',
    after: () => 'disabled',
    found: (_, found) => (found.workloadIdentity === 'disabled' ? 'disabled' : 'enabled'),
  },
  'create-namespace': namespace.create,
  'delete-namespace': namespace.remove,
  'create-service-account': serviceAccount.create,
  'delete-service-account': serviceAccount.remove,
  'patch-service-account': {
    before: ({ before }) => keysOf(before),
    after: ({ after }) => keysOf(after),
    found: ({ after }, found) => {
      const one = found.serviceAccount
      if (one === undefined) return GONE
      return {
        labels: pick(after.labels, one.labels),
        annotations: pick(after.annotations, one.annotations),
      }
    },
  },
}

export type Verdict =
  /** It is there as it is to be. */
  | { readonly kind: 'done' }
  /** It is there as it was when the plan was made. */
  | { readonly kind: 'to-do' }
  /** Somebody changed it meanwhile, or the read is behind. */
  | { readonly kind: 'differs'; readonly found: Slot; readonly wanted: Slot }

/** The part of what is found that an action is about. */
export const slotOf = (action: PlanAction, found: Found): Slot =>
  (RULES[action.do] as Rule<PlanAction>).found(action, found)

/** The same part as the action leaves it. */
export const wantedSlot = (action: PlanAction): Slot =>
  (RULES[action.do] as Rule<PlanAction>).after(action)

/** What is to be done about an action where that is found. */
export function judge(action: PlanAction, found: Found): Verdict {
  const rule = RULES[action.do] as Rule<PlanAction>
  const slot = slotOf(action, found)
  if (Bun.deepEquals(slot, rule.after(action), true)) return { kind: 'done' }
  const before = rule.before(action)
  return Bun.deepEquals(slot, before, true)
    ? { kind: 'to-do' }
    : { kind: 'differs', found: slot, wanted: before }
}

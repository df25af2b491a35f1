import { PodroleError } from '../../lib/errors.ts'
import type { Tags } from '../../iam/tags.ts'
import { type AccessEntryPort, findAccessEntry } from '../eks/access-entry-port.ts'
import type { AddonPort } from '../eks/addon-port.ts'
import { type AddonWait, settledAddon, waitUntilActive, waitUntilGone } from '../eks/addon-wait.ts'
import {
  type AssociationPort,
  describeAssociations,
  findAssociation,
  orGone,
} from '../eks/association-port.ts'
import { planAddonOf, planAssociationOf, planEntryOf } from '../observe/eks-reader.ts'
import type { PlanAssociation } from '../plan/observed-state.ts'
import type { ClusterAction } from '../plan/plan.ts'
import {
  accessPolicyOf,
  addonChange,
  associationChange,
  entryChange,
  newAddon,
  newAssociation,
  newEntry,
} from './eks-requests.ts'
import type { Found } from './slots.ts'
import type { WorkloadIdentityAction } from './workload-identity-port.ts'

/** What EKS or a broker is asked for. */
export type ServiceAction = Exclude<ClusterAction, WorkloadIdentityAction>

export interface ClusterPort {
  look(action: ServiceAction): Promise<Found>
  act(action: ServiceAction): Promise<void>
}

/** One cluster on EKS, or on a broker, which has associations alone. */
export interface ClusterPlaces {
  readonly associations: AssociationPort
  readonly eks?: {
    readonly entries: AccessEntryPort
    readonly addons: AddonPort
    readonly addonWait: AddonWait
    /** Of anything of the cluster that has an ARN. @throws `ResourceNotFound` */
    tagsOf(arn: string): Promise<Tags>
    authenticationMode(): Promise<string>
    /** Returns when the cluster has it. */
    setAuthenticationMode(mode: string): Promise<void>
  }
}

type Eks = NonNullable<ClusterPlaces['eks']>

export const clusterPort = (places: ClusterPlaces): ClusterPort => ({
  look: (action) => {
    if (action.do.endsWith('-association')) return lookAtAssociation(places.associations, action)
    if (action.do === 'tag-resource' || action.do === 'untag-resource') {
      return lookAtTags(places, action.arn)
    }
    return lookAtEks(requireEks(places, action), places, action)
  },
  act: (action) => act(places, action),
})

function requireEks({ associations, eks }: ClusterPlaces, action: ServiceAction): Eks {
  if (eks !== undefined) return eks
  throw new PodroleError('NotSupported', `${associations.place} knows no ${action.do}`)
}

async function lookAtAssociation(port: AssociationPort, action: ServiceAction): Promise<Found> {
  const serviceAccount =
    'association' in action
      ? action.association.serviceAccount
      : 'serviceAccount' in action
        ? action.serviceAccount
        : undefined
  if (serviceAccount === undefined) return {}
  const found = await findAssociation(port, serviceAccount)
  return found === undefined ? {} : { association: planAssociationOf(found) }
}

/** On a broker nothing but associations has tags; their ARNs end in their ids. */
async function lookAtTags({ associations, eks }: ClusterPlaces, arn: string): Promise<Found> {
  const tags = await orGone(async () =>
    eks === undefined
      ? (await associations.describe(arn.split('/').at(-1) ?? '')).tags
      : eks.tagsOf(arn),
  )
  return tags === undefined ? {} : { tags }
}

async function lookAtEks(eks: Eks, places: ClusterPlaces, action: ServiceAction): Promise<Found> {
  switch (action.do) {
    case 'update-authentication-mode':
      return { authenticationMode: await eks.authenticationMode() }
    case 'create-addon':
      return lookAtAddon(eks, places.associations, {
        name: action.addon.name,
        version: action.addon.settings.version,
      })
    case 'delete-addon':
      return lookAtAddon(eks, places.associations, { name: action.addon.name })
    case 'update-addon':
      return lookAtAddon(eks, places.associations, {
        name: action.name,
        version: action.after.version,
      })
    default: {
      const arn =
        'entry' in action
          ? action.entry.principalArn
          : 'principalArn' in action
            ? action.principalArn
            : ''
      const entry = await findAccessEntry(eks.entries, arn)
      return entry === undefined ? {} : { entry: planEntryOf(entry) }
    }
  }
}

/** Its associations are named by ARN alone: each is a call of its own. */
async function lookAtAddon(
  { addons, addonWait: wait }: Eks,
  associations: AssociationPort,
  { name, version }: { readonly name: string; readonly version?: string },
): Promise<Found> {
  const addon = await settledAddon(addons, name, {
    wait,
    ...(version !== undefined && { wanted: version }),
  })
  if (addon === undefined) return {}
  const byArn = new Map<string, PlanAssociation>()
  if (addon.podIdentityAssociations.length > 0) {
    for (const one of await describeAssociations(associations)) {
      byArn.set(one.associationArn, planAssociationOf(one))
    }
  }
  return { addon: planAddonOf(addon, byArn) }
}

async function act(places: ClusterPlaces, action: ServiceAction): Promise<void> {
  const { associations } = places
  switch (action.do) {
    case 'create-association':
      await associations.create(newAssociation(action.association))
      return
    case 'update-association':
      await associations.update(action.associationId, associationChange(action.after))
      return
    case 'delete-association': {
      const { associationId, serviceAccount } = action.association
      const id =
        associationId ?? (await findAssociation(associations, serviceAccount))?.associationId
      if (id !== undefined) await associations.delete(id)
      return
    }
    case 'tag-resource':
      await associations.tagging.tag(action.arn, action.after)
      return
    case 'untag-resource':
      await associations.tagging.untag(action.arn, Object.keys(action.before))
      return
    default:
      await actOnEks(requireEks(places, action), action)
  }
}

type OfEks = Exclude<ServiceAction, { readonly do: `${string}-association` | `${string}-resource` }>

async function actOnEks(eks: Eks, action: OfEks): Promise<void> {
  switch (action.do) {
    case 'update-authentication-mode':
      return eks.setAuthenticationMode(action.after)
    case 'create-addon':
    case 'update-addon':
    case 'delete-addon':
      return actOnAddon(eks, action)
    default:
      return actOnEntry(eks.entries, action)
  }
}

type OfAddon = Extract<ClusterAction, { readonly do: `${string}-addon` }>

/** It returns when the add-on is ACTIVE: what depends on it would not work before. */
async function actOnAddon({ addonWait, addons }: Eks, action: OfAddon): Promise<void> {
  switch (action.do) {
    case 'create-addon': {
      const wanted = newAddon(action.addon)
      await addons.create(wanted)
      const { addonName, addonVersion } = wanted
      await waitUntilActive(addons, { addonName, addonVersion }, addonWait)
      return
    }
    case 'update-addon': {
      const { after, name: addonName } = action
      await addons.update(addonName, addonChange(action))
      await waitUntilActive(addons, { addonName, addonVersion: after.version }, addonWait)
      return
    }
    case 'delete-addon':
      await addons.delete(action.addon.name)
      await waitUntilGone(addons, action.addon.name, addonWait)
      return
    default:
      return action satisfies never
  }
}

type OfEntry = Exclude<OfEks, OfAddon | { readonly do: `${string}-resource` | `${string}-mode` }>

async function actOnEntry(entries: AccessEntryPort, action: OfEntry): Promise<void> {
  switch (action.do) {
    case 'create-access-entry':
      await entries.create(newEntry(action.entry))
      return
    case 'update-access-entry':
      await entries.update(action.principalArn, entryChange(action))
      return
    case 'delete-access-entry':
      return entries.delete(action.entry.principalArn)
    case 'associate-access-policy':
      return entries.associate(action.principalArn, accessPolicyOf(action.after))
    case 'disassociate-access-policy':
      return entries.disassociate(action.principalArn, action.before.policyArn)
    default:
      return action satisfies never
  }
}

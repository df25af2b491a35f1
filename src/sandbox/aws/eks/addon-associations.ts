/** The Pod Identity associations that an add-on brings along, and owns. */
import { generateAssociationId } from '../../../associations/identifiers.ts'
import { EksFault } from '../../../broker/eks-wire.ts'
import type { ClusterRecord } from '../records.ts'
import { AwsFault } from '../wire/fault.ts'
import { textMember } from '../wire/json.ts'
import type { Call } from '../world.ts'
import type { CatalogAddon } from './addon-catalog.ts'
import { checkRole } from './associations.ts'
import { inUse, invalidParameter, type JsonObject, objectsMember } from './body.ts'
import { associationStore } from './store.ts'
import { associationArn } from './wire.ts'

export interface AddonAssociation {
  readonly serviceAccount: string
  readonly roleArn: string
}

/** `podIdentityAssociations`, each for a service account that the add-on has. */
export function readAddonAssociations(
  body: JsonObject,
  addon: CatalogAddon,
): readonly AddonAssociation[] | undefined {
  const given = objectsMember(body, 'podIdentityAssociations')
  if (given === undefined) return undefined
  const read = given.map((one) => ({
    serviceAccount: textMember(one, 'serviceAccount') ?? '',
    roleArn: textMember(one, 'roleArn') ?? '',
  }))
  for (const { serviceAccount, roleArn } of read) {
    if (roleArn === '') throw invalidParameter('podIdentityAssociations.roleArn is required')
    if (!addon.podIdentity.some((one) => one.serviceAccount === serviceAccount)) {
      throw invalidParameter(
        `Addon ${addon.addonName} does not support pod identity for service account ${JSON.stringify(serviceAccount.slice(0, 100))}`,
        { addonName: addon.addonName },
      )
    }
  }
  if (new Set(read.map(({ serviceAccount }) => serviceAccount)).size !== read.length) {
    throw invalidParameter('podIdentityAssociations has a service account more than once')
  }
  return read
}

export interface AddonOwner {
  readonly cluster: ClusterRecord
  readonly addonArn: string
  readonly namespace: string
  /** Ids of the associations that it owns already. */
  readonly owned: readonly string[]
}

/**
 * Makes an add-on's associations what was asked for: all are checked before any is changed.
 * @returns the ids that it owns then
 * @throws AwsFault `InvalidParameterException`, `ResourceInUseException`
 */
export async function replaceAssociations(
  call: Call,
  owner: AddonOwner,
  wanted: readonly AddonAssociation[],
): Promise<readonly string[]> {
  const { cluster, addonArn, namespace, owned } = owner
  const store = associationStore(call.world.tables, cluster)
  for (const { serviceAccount, roleArn } of wanted) {
    passRole(call, cluster, roleArn)
    const known = await store.find({ clusterName: cluster.name, namespace, serviceAccount })
    if (known !== undefined && !owned.includes(known.associationId)) {
      throw inUse(`Association already exists: ${known.associationId}`)
    }
  }
  for (const id of owned) await store.delete(cluster.name, id)
  const ids: string[] = []
  for (const { serviceAccount, roleArn } of wanted) {
    const associationId = generateAssociationId()
    await store.create({
      associationId,
      associationArn: associationArn(call, cluster.name, associationId),
      clusterName: cluster.name,
      namespace,
      serviceAccount,
      roleArn,
      disableSessionTags: false,
      ownerArn: addonArn,
      tags: {},
      createdAtMs: call.nowMs,
      modifiedAtMs: call.nowMs,
    })
    ids.push(associationId)
  }
  return ids
}

function passRole(call: Call, cluster: ClusterRecord, roleArn: string): void {
  try {
    checkRole(call, { cluster, roleArn, disableSessionTags: false })
  } catch (error) {
    if (!(error instanceof EksFault)) throw error
    const { code, message, members } = error
    throw new AwsFault(code, message, {
      ...(error.status !== undefined && { status: error.status }),
      members,
      // The decision itself is on record.
      logged: code === 'AccessDeniedException',
    })
  }
}

/** The claims of a stateful set's pods: one of each template for each pod, kept when the pod goes. */
import type { ClusterCore } from '../core.ts'
import { createObject } from '../creating.ts'
import {
  isRecord,
  listAt,
  omit,
  recordAt,
  sameJson,
  stringAt,
  type ApiObject,
  type JsonRecord,
} from '../objects.ts'
import { PERSISTENT_VOLUME_CLAIMS } from '../types/storage.ts'
import { updateObject } from '../updating.ts'
import { OPERATION, ownerReferenceOf, tell } from './owned-pods.ts'

const templatesOf = (set: ApiObject): JsonRecord[] =>
  listAt(set['spec'], 'volumeClaimTemplates').filter(isRecord)

const templateName = (template: JsonRecord): string =>
  stringAt(recordAt(template, 'metadata'), 'name')

const claimName = (template: JsonRecord, pod: string): string => `${templateName(template)}-${pod}`

/**
 * Makes the claims of a pod that are not there yet.
 * @returns the volumes by which the pod has them
 */
export async function makeClaims(
  core: ClusterCore,
  set: ApiObject,
  pod: string,
): Promise<JsonRecord[]> {
  const templates = templatesOf(set)
  for (const template of templates) await makeClaim(core, set, template, pod)
  return templates.map((template) => ({
    name: templateName(template),
    persistentVolumeClaim: { claimName: claimName(template, pod) },
  }))
}

async function makeClaim(
  core: ClusterCore,
  set: ApiObject,
  template: JsonRecord,
  pod: string,
): Promise<void> {
  const { namespace = '' } = set.metadata
  const name = claimName(template, pod)
  if (core.store.get(PERSISTENT_VOLUME_CLAIMS, namespace, name) !== undefined) return
  const metadata = recordAt(template, 'metadata')
  const { matchLabels } = recordAt(recordAt(set, 'spec'), 'selector')
  const value = {
    metadata: {
      ...omit(metadata, 'namespace', 'creationTimestamp'),
      name,
      labels: { ...recordAt(metadata, 'labels'), ...(isRecord(matchLabels) && matchLabels) },
    },
    spec: structuredClone(recordAt(template, 'spec')),
  }
  await createObject(core, { type: PERSISTENT_VOLUME_CLAIMS, namespace }, value, OPERATION)
  const message = `Create Claim ${name} Pod ${pod} in StatefulSet ${set.metadata.name} success`
  await tell(core, set, 'Normal', ['SuccessfulCreate', message])
}

/**
 * Gives a pod's claims the owner with which they go: the pod where it is to go for good and the set
 * says that claims go with it, the set where it says so, and none else.
 */
export async function keepClaims(
  core: ClusterCore,
  set: ApiObject,
  pod: ApiObject,
  { isCondemned }: { readonly isCondemned: boolean },
): Promise<void> {
  const { whenDeleted, whenScaled } = recordAt(
    recordAt(set, 'spec'),
    'persistentVolumeClaimRetentionPolicy',
  )
  const goesWithPod = whenScaled === 'Delete' && isCondemned
  const goesWithSet = whenDeleted === 'Delete' && !goesWithPod
  const owner = goesWithPod ? pod : goesWithSet ? set : undefined
  const uids = [pod.metadata.uid, set.metadata.uid]
  const { name: podName = '', namespace = '' } = pod.metadata
  for (const template of templatesOf(set)) {
    const name = claimName(template, podName)
    const claim = core.store.get(PERSISTENT_VOLUME_CLAIMS, namespace, name)
    if (claim === undefined) continue
    const known: unknown[] = claim.metadata.ownerReferences ?? []
    const wanted = [
      ...known.filter((one) => !uids.includes(stringAt(one, 'uid'))),
      ...(owner === undefined ? [] : [ownerReferenceOf(owner)]),
    ]
    if (sameJson(known, wanted)) continue
    const target = { type: PERSISTENT_VOLUME_CLAIMS, namespace, name }
    const change = (stored: ApiObject): JsonRecord => ({
      ...stored,
      metadata: { ...stored.metadata, ownerReferences: wanted },
    })
    await updateObject(core, target, change, OPERATION)
  }
}

/** The history of a daemon set's or stateful set's templates, as ControllerRevisions. */
import { createHash } from 'node:crypto'
import type { ClusterCore } from '../core.ts'
import { createObject } from '../creating.ts'
import { deleteObject } from '../deleting.ts'
import { recordAt, sameJson, type ApiObject, type JsonRecord } from '../objects.ts'
import { CONTROLLER_REVISIONS } from '../types/daemon-sets.ts'
import { updateObject } from '../updating.ts'
import { claimObjects, OPERATION, ownerReferenceOf } from './owned-pods.ts'

/** The label of pods that names their template's revision. */
export const REVISION_LABEL = 'controller-revision-hash'
const HASH_SIGNS = 'bcdfghjklmnpqrstvwxz2456789'

const numberOf = (revision: ApiObject): number => Number(revision['revision'] ?? 0)

/** The template that a revision holds. */
export function templateOfRevision(revision: ApiObject): JsonRecord {
  const { $patch: _patch, ...template } = recordAt(
    recordAt(recordAt(revision, 'data'), 'spec'),
    'template',
  )
  return template
}

/** An owner's revisions, the oldest first; those that nobody has become its own. */
export async function revisionsOf(core: ClusterCore, owner: ApiObject): Promise<ApiObject[]> {
  const revisions = await claimObjects(core, owner, { type: CONTROLLER_REVISIONS })
  return revisions.toSorted((left, right) => numberOf(left) - numberOf(right))
}

/** The revision of an owner's template as it is now, made or made the newest where it is not. */
export async function currentRevision(core: ClusterCore, owner: ApiObject): Promise<ApiObject> {
  const { namespace = '', name = '' } = owner.metadata
  const template = recordAt(recordAt(owner, 'spec'), 'template')
  const known = await revisionsOf(core, owner)
  const number = known.reduce((highest, each) => Math.max(highest, numberOf(each)), 0)
  const same = known.find((revision) => sameJson(templateOfRevision(revision), template))
  if (same !== undefined) {
    if (numberOf(same) === number) return same
    const target = { type: CONTROLLER_REVISIONS, namespace, name: same.metadata.name ?? '' }
    const change = (stored: ApiObject): JsonRecord => ({ ...stored, revision: number + 1 })
    return updateObject(core, target, change, OPERATION)
  }
  const hash = hashOfTemplate(template)
  const labels = recordAt(recordAt(template, 'metadata'), 'labels')
  const value = {
    metadata: {
      name: `${name}-${hash}`,
      labels: { ...labels, [REVISION_LABEL]: hash },
      annotations: { ...owner.metadata.annotations },
      ownerReferences: [ownerReferenceOf(owner)],
    },
    data: { spec: { template: { ...template, $patch: 'replace' } } },
    revision: number + 1,
  }
  return createObject(core, { type: CONTROLLER_REVISIONS, namespace }, value, OPERATION)
}

/** A name's part for a template; with `collisions`, another for each time that the name was taken. */
export function hashOfTemplate(template: JsonRecord, collisions = 0): string {
  const text = JSON.stringify(template) + (collisions === 0 ? '' : String(collisions))
  const digest = createHash('sha256').update(text).digest()
  return [...digest.subarray(0, 10)].map((byte) => HASH_SIGNS[byte % HASH_SIGNS.length]).join('')
}

/** The value of REVISION_LABEL for pods of a revision. */
export function hashOfRevision(revision: ApiObject): string {
  return revision.metadata.labels?.[REVISION_LABEL] ?? ''
}

/** Deletes the oldest revisions that no pod has, beyond the owner's limit. */
export async function pruneRevisions(
  core: ClusterCore,
  owner: ApiObject,
  isUsed: (revision: ApiObject) => boolean,
): Promise<void> {
  const limit = Number(recordAt(owner, 'spec')['revisionHistoryLimit'] ?? 10)
  const idle = (await revisionsOf(core, owner)).filter((revision) => !isUsed(revision))
  for (const revision of idle.slice(0, Math.max(0, idle.length - limit))) {
    const { name = '', namespace = '' } = revision.metadata
    await deleteObject(core, { type: CONTROLLER_REVISIONS, namespace, name }, {}, OPERATION)
  }
}

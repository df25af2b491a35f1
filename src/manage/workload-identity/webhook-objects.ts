/** The objects of the add-on's webhook, put into a cluster and taken out of it again. */
import { isOwned, OWNER_TAG } from '../../iam/tags.ts'
import {
  CLUSTER_ROLE_BINDINGS,
  CLUSTER_ROLES,
  DEPLOYMENTS,
  type KubeClient,
  MUTATING_WEBHOOK_CONFIGURATIONS,
  NAMESPACES,
  type ObjectRef,
  POD_DISRUPTION_BUDGETS,
  type ResourceType,
  SECRETS,
  SERVICE_ACCOUNTS,
  SERVICES,
} from '../../kube/client.ts'
import type { KubeObject } from '../../kube/objects.ts'
import { applyObject } from '../../kube/server-side-apply.ts'
import { codeOf, PodroleError } from '../../lib/errors.ts'
import { changedFields } from './changed-fields.ts'

const TYPES: ReadonlyMap<string, ResourceType> = new Map(
  [
    NAMESPACES,
    SERVICE_ACCOUNTS,
    CLUSTER_ROLES,
    CLUSTER_ROLE_BINDINGS,
    SECRETS,
    SERVICES,
    DEPLOYMENTS,
    POD_DISRUPTION_BUDGETS,
    MUTATING_WEBHOOK_CONFIGURATIONS,
  ].map((type) => [type.kind, type]),
)

/** What became of one object. */
export interface ObjectOutcome {
  /** `deployment podrole-system/podrole-webhook` */
  readonly object: string
  readonly outcome: 'made' | 'changed' | 'unchanged' | 'deleted'
  /** Of `changed`: a line for each field. */
  readonly changes?: readonly string[]
}

/**
 * Applies objects in their order. A namespace that is there stays as it is; any other object that
 * podrole did not make is a fault before anything is written.
 * @throws PodroleError `NotOwned`; what the client throws
 */
export async function putObjects(
  kube: KubeClient,
  objects: readonly KubeObject[],
  tell: (outcome: ObjectOutcome) => void,
): Promise<void> {
  const found: (KubeObject | undefined)[] = []
  for (const object of objects) found.push(await find(kube, object))
  const strangers = objects.filter((object, at) => {
    const there = found[at]
    return there !== undefined && object.kind !== 'Namespace' && !isOurs(there)
  })
  if (strangers.length > 0) {
    throw new PodroleError(
      'NotOwned',
      `${strangers.map(nameOf).join(', ')}: it is there, and the add-on did not make it`,
      {
        hint: 'Delete it, or give the cluster its MutatingWebhookConfiguration too (podrole webhook manifests): the add-on then leaves that webhook as it is.',
      },
    )
  }
  for (const [at, object] of objects.entries()) {
    const there = found[at]
    if (there !== undefined && object.kind === 'Namespace') continue
    const annotations = { ...object.metadata.annotations, ...OWNER_TAG }
    const owned = { ...object, metadata: { ...object.metadata, annotations } }
    const now = await applyObject(kube, typeOf(object), asManyPods(owned, there))
    tell(outcomeOf(object, there, now))
  }
}

interface Scaled extends KubeObject {
  readonly spec?: { readonly replicas?: number }
}

/** How many pods a Deployment has is said when it is made; afterwards it is its users' to say. */
function asManyPods(object: Scaled, there: Scaled | undefined): Scaled {
  const replicas = there?.spec?.replicas
  if (object.kind !== 'Deployment' || replicas === undefined) return object
  return { ...object, spec: { ...object.spec, replicas } }
}

/** Deletes those that podrole made, the last first; a namespace stays, since others may be in it. */
export async function removeObjects(
  kube: KubeClient,
  objects: readonly KubeObject[],
  tell: (outcome: ObjectOutcome) => void,
): Promise<void> {
  for (const object of objects.toReversed()) {
    if (object.kind === 'Namespace') continue
    const there = await find(kube, object)
    if (there === undefined || !isOurs(there)) continue
    await orNothing(() => kube.delete(typeOf(object), refOf(object)))
    tell({ object: nameOf(object), outcome: 'deleted' })
  }
}

/** The object as it is; undefined where there is none. */
export const findObject = <T extends KubeObject>(
  kube: KubeClient,
  type: ResourceType,
  ref: ObjectRef,
): Promise<T | undefined> => orNothing(() => kube.get<T>(type, ref))

const find = (kube: KubeClient, object: KubeObject): Promise<KubeObject | undefined> =>
  findObject(kube, typeOf(object), refOf(object))

const isOurs = ({ metadata }: KubeObject): boolean => isOwned(metadata.annotations ?? {})

function outcomeOf(
  object: KubeObject,
  before: KubeObject | undefined,
  after: KubeObject,
): ObjectOutcome {
  const name = nameOf(object)
  if (before === undefined) return { object: name, outcome: 'made' }
  const isSecret = object.kind === 'Secret'
  const changes = changedFields(before, after, { isSecret })
  return changes.length === 0
    ? { object: name, outcome: 'unchanged' }
    : { object: name, outcome: 'changed', changes }
}

function typeOf({ kind = '' }: KubeObject): ResourceType {
  const type = TYPES.get(kind)
  if (type === undefined) throw new PodroleError('UnknownKind', `the webhook has no ${kind}`)
  return type
}

const refOf = ({ metadata: { name = '', namespace } }: KubeObject): ObjectRef => ({
  name,
  ...(namespace !== undefined && { namespace }),
})

const nameOf = ({ kind = '', metadata: { name = '', namespace } }: KubeObject): string =>
  `${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`

async function orNothing<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask()
  } catch (error) {
    if (codeOf(error) === 'NotFound') return undefined
    throw error
  }
}

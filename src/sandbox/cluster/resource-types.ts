import type { Cause, GroupResource } from './faults.ts'
import type { NameRule } from './names.ts'
import type { ApiObject, JsonRecord } from './objects.ts'
import type { ObjectSchema } from './schema.ts'
import type { SelectableFields } from './selectors.ts'

export const OBJECT_VERBS = [
  'create',
  'delete',
  'deletecollection',
  'get',
  'list',
  'patch',
  'update',
  'watch',
] as const
export type Verb = (typeof OBJECT_VERBS)[number]

export interface Subresource {
  readonly name: string
  /** The kind that it speaks, where it is not the resource's own. */
  readonly kind?: string
  readonly group?: string
  readonly version?: string
  readonly verbs: readonly Verb[]
}

/** What a column shows of an object; null where it shows nothing. */
type Cell = string | number | boolean | null

/** A column of `kubectl get`. */
export interface Column {
  readonly name: string
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'date'
  /** 1 shows it with `-o wide` only. */
  readonly priority?: number
  readonly format?: string
  readonly description?: string
  cell(object: ApiObject, nowMs: number): Cell
}

/** What a type has that a CustomResourceDefinition made. */
export interface CustomBehaviour {
  /** The version under which objects are counted and collected; all versions share them. */
  readonly isStorage: boolean
  readonly isServed: boolean
  /** Its definition is being deleted: no new objects, whatever `verbs` leaves out besides. */
  readonly isTerminating: boolean
  /** The definition's `openAPIV3Schema`. */
  readonly schema: JsonRecord
  /** Said with every answer of a deprecated version. */
  readonly warning?: string
  /** JSON paths of the scale subresource. */
  readonly scale?: { readonly spec: string; readonly status: string; readonly selector: string }
  /** A value without what the schema does not know, and the paths of what went. */
  prune(value: JsonRecord): { readonly value: JsonRecord; readonly pruned: readonly string[] }
  /** A stored object of any version as one of this version; the same one for the same object. */
  view(stored: ApiObject): ApiObject
  /** An object of this version as the storage version keeps it. */
  toStorage(object: ApiObject): ApiObject
}

/** One row of the registry: everything that the generic verbs need to know of a type. */
export interface ResourceType extends GroupResource {
  readonly version: string
  readonly kind: string
  readonly singular: string
  /** `KINDList` where it is not said. */
  readonly listKind?: string
  readonly shortNames: readonly string[]
  readonly categories?: readonly string[]
  readonly namespaced: boolean
  readonly verbs: readonly Verb[]
  readonly subresources: readonly Subresource[]
  /** Fields besides apiVersion, kind and metadata. */
  readonly schema: ObjectSchema
  readonly nameRule: NameRule
  /** Not kept: answered by a function (TokenReview). */
  readonly isVirtual?: boolean
  /** Changes of `spec` count in `metadata.generation`. */
  readonly hasGeneration?: boolean
  /** Update needs a resourceVersion. */
  readonly needsVersion?: boolean
  /** A delete answers with the object, not with a Status. */
  readonly returnsDeleted?: boolean
  /**
   * Fields of metadata that a write of the status leaves as they are. Else it writes labels,
   * annotations, finalizers and owners, but of custom resources, where it writes none.
   */
  readonly statusLeaves?: readonly string[]
  /** Fills what Kubernetes' versioned defaults fill, in place. */
  defaults?(object: ApiObject): void
  /** What is only done once, when the object is made: initial status, allocated fields. In place. */
  prepareCreate?(object: ApiObject, others: () => readonly ApiObject[]): void
  /** What the first request to delete changes besides the metadata. In place; `at` is its time. */
  prepareDelete?(object: ApiObject, at: string): void
  /** What becomes of its dependents where a request to delete does not say; they go by default. */
  readonly orphansByDefault?: boolean
  /** Carries over what the server allocated and a client may leave out. In place. */
  prepareUpdate?(object: ApiObject, old: ApiObject): void
  validate?(object: ApiObject): Cause[]
  /** Besides `validate`, for an object that is made. */
  validateCreate?(object: ApiObject): Cause[]
  validateUpdate?(object: ApiObject, old: ApiObject): Cause[]
  /** In place of `validate`, for a change through the status subresource. */
  validateStatus?(object: ApiObject): Cause[]
  /** Fields besides metadata.name and metadata.namespace. */
  selectableFields?(object: ApiObject): SelectableFields
  /** Said with the answer to a create that is fine. */
  warningsOnCreate?(object: ApiObject): string[]
  readonly columns?: readonly Column[]
  readonly custom?: CustomBehaviour
}

/** `v1`, or `apps/v1`. */
export function apiVersionOf(type: { readonly group: string; readonly version: string }): string {
  return type.group === '' ? type.version : `${type.group}/${type.version}`
}

/** The types that a cluster serves, found by path: the built-in ones and those of definitions. */
export class Registry {
  readonly #builtIn: readonly ResourceType[]
  readonly #byPath = new Map<string, ResourceType>()
  readonly #byKind = new Map<string, ResourceType>()
  readonly #versions = new Map<string, Set<string>>()
  #types: readonly ResourceType[]
  #custom: readonly ResourceType[] = []

  constructor(types: readonly ResourceType[]) {
    this.#builtIn = types
    this.#types = types
    this.#index()
  }

  /** Every type that is served. */
  get types(): readonly ResourceType[] {
    return this.#types
  }

  /** Replaces the types that definitions make; a built-in type is never hidden by one. */
  setCustomTypes(types: readonly ResourceType[]): void {
    const known = new Set(this.#builtIn.map(({ group, plural }) => `${plural}.${group}`))
    this.#custom = types.filter(({ group, plural }) => !known.has(`${plural}.${group}`))
    const served = this.#custom.filter((type) => type.custom?.isServed === true)
    this.#types = [...this.#builtIn, ...served]
    this.#index()
  }

  find(group: string, version: string, plural: string): ResourceType | undefined {
    return this.#byPath.get(`${group}/${version}/${plural}`)
  }

  findKind(apiVersion: string, kind: string): ResourceType | undefined {
    return this.#byKind.get(`${apiVersion}/${kind}`)
  }

  hasVersion(group: string, version: string): boolean {
    return this.#versions.get(group)?.has(version) ?? false
  }

  /** Every group with its versions; the core group is ''. */
  groups(): ReadonlyMap<string, ReadonlySet<string>> {
    return this.#versions
  }

  /** Types whose objects are kept, each once whatever its versions. */
  stored(): ResourceType[] {
    const builtIn = this.#builtIn.filter((type) => type.isVirtual !== true)
    return [...builtIn, ...this.#custom.filter((type) => type.custom?.isStorage === true)]
  }

  #index(): void {
    this.#byPath.clear()
    this.#byKind.clear()
    this.#versions.clear()
    for (const type of this.#types) {
      this.#byPath.set(`${type.group}/${type.version}/${type.plural}`, type)
      this.#byKind.set(`${apiVersionOf(type)}/${type.kind}`, type)
      const versions = this.#versions.get(type.group) ?? new Set()
      this.#versions.set(type.group, versions.add(type.version))
    }
  }
}

/** Whether two types keep the same objects: versions of one definition do. */
export function sharesObjects(one: ResourceType, other: ResourceType): boolean {
  return one === other || (one.plural === other.plural && one.group === other.group)
}

/** A stored object as one of a type's version. */
export function viewOf(type: ResourceType, stored: ApiObject): ApiObject {
  return type.custom?.view(stored) ?? stored
}

/** The selectable fields of an object, the two common ones among them. */
export function fieldsOf(type: ResourceType, object: ApiObject): SelectableFields {
  return {
    'metadata.name': object.metadata.name ?? '',
    ...(type.namespaced && { 'metadata.namespace': object.metadata.namespace ?? '' }),
    ...type.selectableFields?.(object),
  }
}

import type { Cause, GroupResource } from './faults.ts'
import type { NameRule } from './names.ts'
import type { ApiObject } from './objects.ts'
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

/** A column of `kubectl get`. */
export interface Column {
  readonly name: string
  readonly type: 'string' | 'integer'
  /** 1 shows it with `-o wide` only. */
  readonly priority?: number
  cell(object: ApiObject, nowMs: number): string | number
}

/** One row of the registry: everything that the generic verbs need to know of a type. */
export interface ResourceType extends GroupResource {
  readonly version: string
  readonly kind: string
  readonly singular: string
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
  /** An update of the status may change labels and annotations too. */
  readonly statusHoldsMetadata?: boolean
  /** Fills what Kubernetes' versioned defaults fill, in place. */
  defaults?(object: ApiObject): void
  /** What is only done once, when the object is made: initial status, allocated fields. In place. */
  prepareCreate?(object: ApiObject, others: () => readonly ApiObject[]): void
  /** Carries over what the server allocated and a client may leave out. In place. */
  prepareUpdate?(object: ApiObject, old: ApiObject): void
  validate?(object: ApiObject): Cause[]
  validateUpdate?(object: ApiObject, old: ApiObject): Cause[]
  /** Fields besides metadata.name and metadata.namespace. */
  selectableFields?(object: ApiObject): SelectableFields
  readonly columns?: readonly Column[]
}

/** `v1`, or `apps/v1`. */
export function apiVersionOf(type: { readonly group: string; readonly version: string }): string {
  return type.group === '' ? type.version : `${type.group}/${type.version}`
}

/** The types that a cluster serves, found by path. */
export class Registry {
  readonly types: readonly ResourceType[]
  readonly #byPath = new Map<string, ResourceType>()
  readonly #byKind = new Map<string, ResourceType>()
  readonly #versions = new Map<string, Set<string>>()

  constructor(types: readonly ResourceType[]) {
    this.types = types
    for (const type of types) {
      this.#byPath.set(`${type.group}/${type.version}/${type.plural}`, type)
      this.#byKind.set(`${apiVersionOf(type)}/${type.kind}`, type)
      const versions = this.#versions.get(type.group) ?? new Set()
      this.#versions.set(type.group, versions.add(type.version))
    }
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

  /** Types whose objects are kept. */
  stored(): ResourceType[] {
    return this.types.filter((type) => type.isVirtual !== true)
  }
}

/** The selectable fields of an object, the two common ones among them. */
export function fieldsOf(type: ResourceType, object: ApiObject): SelectableFields {
  return {
    'metadata.name': object.metadata.name ?? '',
    ...(type.namespaced && { 'metadata.namespace': object.metadata.namespace ?? '' }),
    ...type.selectableFields?.(object),
  }
}

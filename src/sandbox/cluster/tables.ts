import type { ApiObject } from './objects.ts'
import type { Column, ResourceType } from './resource-types.ts'
import { AGE_COLUMN, NAME_COLUMN } from './types/columns.ts'

const DEFAULT_COLUMNS: readonly Column[] = [NAME_COLUMN, AGE_COLUMN]

/** What a table's rows carry of their object: the `includeObject` parameter. */
export type IncludedObject = 'None' | 'Metadata' | 'Object'

/** The metadata of an object, as PartialObjectMetadata. */
export function partialOf(object: ApiObject): unknown {
  return {
    kind: 'PartialObjectMetadata',
    apiVersion: 'meta.k8s.io/v1',
    metadata: object.metadata,
  }
}

/** Objects as a meta.k8s.io/v1 Table, which is what `kubectl get` prints. */
export function tableOf(
  type: ResourceType,
  objects: readonly ApiObject[],
  options: {
    readonly nowMs: number
    readonly included: IncludedObject
    readonly metadata?: unknown
  },
): unknown {
  const columns = type.columns ?? DEFAULT_COLUMNS
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: options.metadata ?? { resourceVersion: objects[0]?.metadata.resourceVersion },
    columnDefinitions: columns.map((column) => ({
      name: column.name,
      type: column.type,
      format: column.format ?? (column.name === 'Name' ? 'name' : ''),
      description: column.description ?? '',
      priority: column.priority ?? 0,
    })),
    rows: objects.map((object) => ({
      cells: columns.map((column) => column.cell(object, options.nowMs)),
      ...(options.included === 'Metadata' && { object: partialOf(object) }),
      ...(options.included === 'Object' && { object }),
    })),
  }
}

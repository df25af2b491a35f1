/** A refused application, as Kubernetes answers it. */
import { ApiFault, type Cause } from '../faults.ts'
import { pathsOf } from './fields-v1.ts'
import type { Manager } from './managers.ts'
import { printPath } from './path-elements.ts'
import type { Conflict } from './tracking.ts'

/**
 * The 409 of an application that would take fields from others; its causes name them.
 * `apiVersion` is that of a subresource with a kind of its own.
 */
export function applyConflict(found: readonly Conflict[], apiVersion?: string): ApiFault {
  const conflicts = found.map(({ manager, fields }) => ({
    manager: { ...manager, ...(apiVersion !== undefined && { apiVersion }) },
    fields,
  }))
  const causes = conflicts.flatMap(({ manager, fields }) =>
    pathsOf(fields).map((path): Cause => ({
      reason: 'FieldManagerConflict',
      message: `conflict with ${printManager(manager)}`,
      field: printPath(path),
    })),
  )
  return new ApiFault({
    reason: 'Conflict',
    code: 409,
    message: messageOf(conflicts, causes),
    details: { causes },
  })
}

function messageOf(conflicts: readonly Conflict[], causes: readonly Cause[]): string {
  const [only] = causes
  if (only !== undefined && causes.length === 1) {
    return `Apply failed with 1 conflict: ${only.message}: ${only.field}`
  }
  const lines = conflicts.flatMap(({ manager, fields }) => [
    `conflicts with ${printManager(manager)}:`,
    ...pathsOf(fields).map((path) => `- ${printPath(path)}`),
  ])
  return `Apply failed with ${causes.length} conflicts: ${lines.join('\n')}`
}

function printManager({ manager, operation, apiVersion, subresource }: Manager): string {
  const name = JSON.stringify(manager)
  const part = subresource === undefined ? '' : ` with subresource ${JSON.stringify(subresource)}`
  return `${name}${part}${operation === 'Update' ? ` using ${apiVersion}` : ''}`
}

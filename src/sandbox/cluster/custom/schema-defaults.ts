import { fieldFault, type Cause } from '../faults.ts'
import { isRecord, recordAt } from '../objects.ts'
import { fillDefaults, pruneValue } from './schema-values.ts'
import { validateValue } from './schema-validation.ts'
import type { SchemaNode } from './structural-schema.ts'

const FAULTS_MAX = 20

/** Defaults must be what the schema would keep and take (Kubernetes, "Defaulting"); at most 20 faults. */
export function validateDefaults(schema: SchemaNode, path: string): Cause[] {
  const faults: Cause[] = []
  const visit = (node: unknown, here: string, isRoot = false): void => {
    if (!isRecord(node) || faults.length > FAULTS_MAX) return
    if (node['default'] !== undefined) faults.push(...defaultFaults(node, here, isRoot))
    for (const [name, child] of Object.entries(recordAt(node, 'properties'))) {
      // None may be there, which is said of their place.
      if (!(isRoot && name === 'metadata')) visit(child, `${here}.properties[${name}]`)
    }
    visit(node['items'], `${here}.items`)
    visit(node['additionalProperties'], `${here}.additionalProperties`)
  }
  visit(schema, path, true)
  return faults.slice(0, FAULTS_MAX)
}

function defaultFaults(node: SchemaNode, path: string, isRoot: boolean): Cause[] {
  const here = `${path}.default`
  const value = structuredClone(node['default'])
  const isObject = isRoot || node['x-kubernetes-embedded-resource'] === true
  if (isObject && isRecord(value)) {
    const missing = ['apiVersion', 'kind'].filter((field) => value[field] === undefined)
    if (missing.length > 0) return missing.map((field) => fieldFault.required(`${here}.${field}`))
  }
  const pruned = pruneValue(node, value)
  fillDefaults(node, value)
  if (pruned.length > 0) {
    return [fieldFault.invalid(here, node['default'], 'must not have unknown fields')]
  }
  // Faults name the place in the default, and a default of its own by nothing.
  return validateValue(node, value).map(({ field, message, reason }) => ({
    reason,
    message: message.replaceAll('<nil>', ''),
    field: field === '<nil>' ? here : `${here}.${field}`,
  }))
}

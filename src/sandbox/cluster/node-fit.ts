/** Whether a node can take a pod: readiness, selectors, affinity and taints. */
import { isRecord, listAt, recordAt, stringAt, type ApiObject } from './objects.ts'
import { labelSelectorOf } from './selectors.ts'
import { nodeReadiness } from './types/core.ts'

type Labels = Readonly<Record<string, string>>

/** Whether one of the terms of a pod's required node affinity takes a node; true without any. */
export function matchesAffinity(node: ApiObject, spec: unknown): boolean {
  const affinity = recordAt(recordAt(spec, 'affinity'), 'nodeAffinity')
  const required = affinity['requiredDuringSchedulingIgnoredDuringExecution']
  if (!isRecord(required)) return true
  const fields = { 'metadata.name': node.metadata.name ?? '' }
  return listAt(required, 'nodeSelectorTerms').some((term) => {
    const expressions = listAt(term, 'matchExpressions')
    const names = listAt(term, 'matchFields')
    // A term without conditions takes nothing.
    if (expressions.length + names.length === 0) return false
    return matchesAll(expressions, node.metadata.labels ?? {}) && matchesAll(names, fields)
  })
}

function matchesAll(expressions: readonly unknown[], labels: Labels): boolean {
  return expressions.every((expression) => {
    const operator = stringAt(expression, 'operator')
    if (operator !== 'Gt' && operator !== 'Lt') {
      return labelSelectorOf({ matchExpressions: [expression] })(labels)
    }
    const key = stringAt(expression, 'key')
    const own = Number.parseInt(labels[key] ?? '', 10)
    const limit = Number(listAt(expression, 'values')[0])
    return operator === 'Gt' ? own > limit : own < limit
  })
}

/** Whether a pod's node selector and required affinity take a node. */
export function isSelectedBy(node: ApiObject, spec: unknown): boolean {
  const labels = node.metadata.labels ?? {}
  const selector = Object.entries(recordAt(spec, 'nodeSelector'))
  return selector.every(([key, value]) => labels[key] === value) && matchesAffinity(node, spec)
}

/**
 * A node's taints, with those that the node controller would set of its conditions and of
 * `spec.unschedulable`.
 */
export function taintsOf(node: ApiObject): unknown[] {
  const spec = recordAt(node, 'spec')
  const taint = (name: string): object => ({
    key: `node.kubernetes.io/${name}`,
    effect: 'NoSchedule',
  })
  return [
    ...listAt(spec, 'taints'),
    ...(nodeReadiness(node) === 'True' ? [] : [taint('not-ready')]),
    ...(spec['unschedulable'] === true ? [taint('unschedulable')] : []),
  ]
}

/** Whether some of the tolerations bears a taint. */
export function isTolerated(taint: unknown, tolerations: readonly unknown[]): boolean {
  return tolerations.some((toleration) => {
    if (!isRecord(toleration)) return false
    const [key, effect] = [stringAt(toleration, 'key'), stringAt(toleration, 'effect')]
    if (key !== '' && key !== stringAt(taint, 'key')) return false
    if (effect !== '' && effect !== stringAt(taint, 'effect')) return false
    const isExists = stringAt(toleration, 'operator') === 'Exists'
    return isExists || stringAt(toleration, 'value') === stringAt(taint, 'value')
  })
}

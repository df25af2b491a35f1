import { listAt, recordAt, stringAt, type ApiObject, type JsonRecord } from '../objects.ts'
import type { Column } from '../resource-types.ts'
import { column } from './columns.ts'
import { textOf } from './workloads.ts'

/** A label selector as text: `app=a,tier in (x,y)`; `<none>` where it is empty. */
export function formatLabelSelector(selector: JsonRecord): string {
  const labels = Object.entries(recordAt(selector, 'matchLabels'))
  const expressions = listAt(selector, 'matchExpressions').map((one) => {
    const [key, operator] = [stringAt(one, 'key'), stringAt(one, 'operator')]
    if (operator === 'Exists') return key
    if (operator === 'DoesNotExist') return `!${key}`
    const values = listAt(one, 'values').map(textOf).sort().join(',')
    return `${key} ${operator === 'In' ? 'in' : 'notin'} (${values})`
  })
  const pairs = labels.map(([key, value]) => `${key}=${textOf(value)}`).sort()
  return [...pairs, ...expressions].join(',') || '<none>'
}

const ownSpec = (object: ApiObject): JsonRecord => recordAt(object, 'spec')

/** What `-o wide` adds of the containers of a spec's template; the object's own by default. */
export function containerColumns(specOf = ownSpec): Column[] {
  const all = (object: ApiObject, field: 'name' | 'image'): string =>
    listAt(recordAt(recordAt(specOf(object), 'template'), 'spec'), 'containers')
      .map((container) => stringAt(container, field))
      .join(',')
  return [
    column('Containers', (object) => all(object, 'name'), { isWide: true }),
    column('Images', (object) => all(object, 'image'), { isWide: true }),
  ]
}

/** What `-o wide` adds of a spec with a template and a selector; the object's own by default. */
export function workloadColumns(specOf = ownSpec): Column[] {
  const selector = (object: ApiObject): string =>
    formatLabelSelector(recordAt(specOf(object), 'selector'))
  return [...containerColumns(specOf), column('Selector', selector, { isWide: true })]
}

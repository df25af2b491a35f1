import { listAt, recordAt, stringAt, type ApiObject, type JsonRecord } from '../objects.ts'
import type { Column } from '../resource-types.ts'
import { column } from './columns.ts'
import { textOf } from './workloads.ts'

function namesOf(object: ApiObject, field: 'name' | 'image'): string {
  const template = recordAt(recordAt(object, 'spec'), 'template')
  return listAt(template['spec'], 'containers')
    .map((container) => stringAt(container, field))
    .join(',')
}

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

/** What `-o wide` adds of a template's containers. */
export const CONTAINER_COLUMNS: readonly Column[] = [
  column('Containers', (object) => namesOf(object, 'name'), { isWide: true }),
  column('Images', (object) => namesOf(object, 'image'), { isWide: true }),
]

/** What `-o wide` adds to a workload with a selector. */
export const WORKLOAD_COLUMNS: readonly Column[] = [
  ...CONTAINER_COLUMNS,
  column(
    'Selector',
    (object) => formatLabelSelector(recordAt(recordAt(object, 'spec'), 'selector')),
    { isWide: true },
  ),
]

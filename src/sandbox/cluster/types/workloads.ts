import { fieldFault, type Cause } from '../faults.ts'
import { checkSubdomainName } from '../names.ts'
import { isRecord, recordAt, setDefault, type ApiObject } from '../objects.ts'
import { OBJECT_VERBS, type Subresource } from '../resource-types.ts'
import { labelSelectorOf, validateLabelSelector } from '../selectors.ts'
import { fillPodSpec } from './pod-defaults.ts'
import { validateTemplate } from './pods.ts'

export const STATUS_SUBRESOURCE: Subresource = {
  name: 'status',
  verbs: ['get', 'patch', 'update'],
}

export const SCALE_SUBRESOURCE: Subresource = {
  name: 'scale',
  kind: 'Scale',
  group: 'autoscaling',
  version: 'v1',
  verbs: ['get', 'patch', 'update'],
}

/** What the kinds of group `apps` with pods have in common. */
export const APPS = {
  group: 'apps',
  version: 'v1',
  categories: ['all'],
  namespaced: true,
  verbs: OBJECT_VERBS,
  subresources: [STATUS_SUBRESOURCE],
  nameRule: checkSubdomainName,
  hasGeneration: true,
} as const

/** A whole number of an object's spec or status; 0 where it is not there. */
export function countOf(object: ApiObject, part: 'spec' | 'status', field: string): number {
  return Number(recordAt(object, part)[field] ?? 0)
}

/** Fills the defaults of the pod template of a spec, in place. */
export function fillTemplate(spec: Record<string, unknown>): void {
  setDefault(spec, 'template', {})
  const template = recordAt(spec, 'template')
  setDefault(template, 'spec', {})
  fillPodSpec(recordAt(template, 'spec'))
}

/** A fault for each of a spec's fields that is a negative number. */
export function validateNotNegative(
  spec: unknown,
  fields: readonly string[],
  at = 'spec',
): Cause[] {
  return fields.flatMap((field) => {
    const value = isRecord(spec) ? spec[field] : undefined
    return typeof value === 'number' && value < 0
      ? [fieldFault.invalid(`${at}.${field}`, value, 'must be greater than or equal to 0')]
      : []
  })
}

/** Fields of a status that count, and pairs of them of which the first is never the greater. */
export interface StatusCounts {
  readonly fields: readonly string[]
  readonly pairs?: readonly (readonly [field: string, most: string, called?: string])[]
}

/** A check of an object's status, as it is of every kind that counts its pods. */
export function checkCounts({ fields, pairs = [] }: StatusCounts): (object: ApiObject) => Cause[] {
  return (object) => [
    ...validateNotNegative(object['status'], fields, 'status'),
    ...pairs.flatMap(([field, most, called = `status.${most}`]) => {
      const count = countOf(object, 'status', field)
      const says = `cannot be greater than ${called}`
      const isFine = count <= countOf(object, 'status', most)
      return isFine ? [] : [fieldFault.invalid(`status.${field}`, count, says)]
    }),
  ]
}

/** Faults of a selector that must be there, must not be empty and must take the template's labels. */
export function validateOwnSelector(object: ApiObject, kind: string): Cause[] {
  const spec = recordAt(object, 'spec')
  const { selector } = spec
  if (!isRecord(selector)) return [fieldFault.required('spec.selector')]
  if (Object.keys(selector).length === 0) {
    return [fieldFault.invalid('spec.selector', selector, `empty selector is invalid for ${kind}`)]
  }
  const faults = validateLabelSelector(selector, 'spec.selector')
  const labels = recordAt(recordAt(recordAt(spec, 'template'), 'metadata'), 'labels')
  if (!labelSelectorOf(selector)(labels as Record<string, string>)) {
    faults.push(
      fieldFault.invalid(
        'spec.template.metadata.labels',
        labels,
        '`selector` does not match template `labels`',
      ),
    )
  }
  return faults
}

/**
 * Faults of the selector and template of a kind whose pods run for good. `kind` is what the faults
 * of its selector call it, `called` what those of its template do.
 */
export function validateServingWorkload(
  object: ApiObject,
  { kind, called }: { readonly kind: string; readonly called: string },
): Cause[] {
  const at = 'spec.template.spec'
  const template = recordAt(recordAt(object, 'spec'), 'template')
  const { restartPolicy: policy, activeDeadlineSeconds: seconds } = recordAt(template, 'spec')
  return [
    ...validateOwnSelector(object, kind),
    ...validateTemplate(object),
    ...(policy === 'Always'
      ? []
      : [fieldFault.notSupported(`${at}.restartPolicy`, policy, ['Always'])]),
    ...(seconds === undefined
      ? []
      : [
          fieldFault.forbidden(
            `${at}.activeDeadlineSeconds`,
            `activeDeadlineSeconds in ${called} is not Supported`,
          ),
        ]),
  ]
}

const PERCENT = /^\d{1,9}%$/
const PERCENT_SAYS =
  "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"

/** Faults of a number of pods or a percentage, at a field. */
export function validateCountOrPercent(value: unknown, field: string): Cause[] {
  if (value === undefined) return []
  if (typeof value === 'number') {
    return value >= 0
      ? []
      : [fieldFault.invalid(field, value, 'must be greater than or equal to 0')]
  }
  return PERCENT.test(textOf(value)) ? [] : [fieldFault.invalid(field, value, PERCENT_SAYS)]
}

/** The fault of a percentage of more than all. */
export function validateNotOverAll(value: unknown, field: string): Cause[] {
  return typeof value === 'string' && PERCENT.test(value) && Number.parseInt(value, 10) > 100
    ? [fieldFault.invalid(field, value, 'must not be greater than 100%')]
    : []
}

/** Whether a number of pods or a percentage is none. */
export const isNone = (value: unknown): boolean => !(Number.parseInt(textOf(value), 10) > 0)

/** A text or number as text; '' for anything else. */
export function textOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
}

/** A number of pods, where a percentage is of a total. */
export function resolveCount(
  value: unknown,
  total: number,
  round: (value: number) => number,
): number {
  if (typeof value === 'number') return value
  return round((Number.parseInt(textOf(value) || '0', 10) * total) / 100)
}

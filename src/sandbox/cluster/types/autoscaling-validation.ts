import { fieldFault, type Cause } from '../faults.ts'
import { checkPathSegmentName } from '../names.ts'
import { isRecord, listAt, recordAt, stringAt, type ApiObject } from '../objects.ts'
import { parseQuantity } from '../quantities.ts'
import { validateNames } from './metadata.ts'
import { textOf } from './workloads.ts'

/** Faults of a HorizontalPodAutoscaler, as autoscaling's validation package finds them. */
export function validateAutoscaler(object: ApiObject): Cause[] {
  const spec = recordAt(object, 'spec')
  const [min, max] = [Number(spec['minReplicas']), Number(spec['maxReplicas'] ?? 0)]
  const faults: Cause[] = []
  const refuse = (field: string, value: number, says: string): void => {
    faults.push(fieldFault.invalid(`spec.${field}`, value, says))
  }
  if (min < 1) refuse('minReplicas', min, 'must be greater than or equal to 1')
  if (max === 0) {
    faults.push(fieldFault.required('spec.maxReplicas', 'must be set and greater than 0'))
  }
  if (max < 0) refuse('maxReplicas', max, 'must be greater than or equal to 1')
  if (max < min) refuse('maxReplicas', max, 'must be greater than or equal to `minReplicas`')
  const behavior = recordAt(spec, 'behavior')
  return [
    ...faults,
    ...validateReference(recordAt(spec, 'scaleTargetRef'), 'spec.scaleTargetRef'),
    ...validateMetrics(listAt(spec, 'metrics'), min),
    ...['scaleUp', 'scaleDown'].flatMap((way) =>
      isRecord(behavior[way]) ? validateRules(behavior[way], `spec.behavior.${way}`) : [],
    ),
  ]
}

function validateReference(
  reference: Record<string, unknown>,
  at: string,
  { needsGroup = true } = {},
): Cause[] {
  const version = stringAt(reference, 'apiVersion')
  const parts = version.split('/')
  const says =
    parts.length > 2
      ? `unexpected GroupVersion string: ${version}`
      : needsGroup && (parts.length < 2 || parts[0] === '')
        ? 'apiVersion must specify API group'
        : undefined
  return [
    ...validateNames(reference, at),
    ...(says === undefined ? [] : [fieldFault.invalid(`${at}.apiVersion`, version, says)]),
  ]
}

function validateMetrics(metrics: readonly unknown[], minReplicas: number): Cause[] {
  const faults = metrics.flatMap((metric, at) => validateMetric(metric, `spec.metrics[${at}]`))
  const types = metrics.map((metric) => stringAt(metric, 'type'))
  if (minReplicas !== 0 || types.some((type) => type === 'Object' || type === 'External')) {
    return faults
  }
  const says =
    'must specify at least one Object or External metric to support scaling to zero replicas'
  return [...faults, fieldFault.forbidden('spec.metrics', says)]
}

const TYPES = ['ContainerResource', 'External', 'Object', 'Pods', 'Resource']
const SOURCES = ['object', 'external', 'pods', 'resource', 'containerResource']

function validateMetric(metric: unknown, at: string): Cause[] {
  const type = stringAt(metric, 'type')
  const faults: Cause[] = []
  if (type === '') {
    faults.push(fieldFault.required(`${at}.type`, 'must specify a metric source type'))
  }
  const isKnown = TYPES.includes(type)
  if (!isKnown) faults.push(fieldFault.notSupported(`${at}.type`, type, TYPES))
  const present = SOURCES.filter((source) => isRecord(metric) && metric[source] !== undefined)
  const [first] = present
  if (first !== undefined) {
    faults.push(...validateSource(first, recordAt(metric, first), `${at}.${first}`))
  }
  const wanted = isKnown ? `${type.charAt(0).toLowerCase()}${type.slice(1)}` : undefined
  if (wanted === undefined) faults.push(fieldFault.notSupported(`${at}.type`, type, TYPES))
  else if (!present.includes(wanted)) {
    const says = 'must populate information for the given metric source'
    faults.push(fieldFault.required(`${at}.${wanted}`, says))
  }
  if (present.length > 1) {
    const says = 'must populate the given metric source only'
    const others = present.filter((source) => source !== wanted)
    faults.push(...others.map((source) => fieldFault.forbidden(`${at}.${source}`, says)))
  }
  return faults
}

function validateSource(source: string, value: Record<string, unknown>, at: string): Cause[] {
  const target = recordAt(value, 'target')
  const own = source.toLowerCase().endsWith('resource')
    ? validateResource(source, value, at)
    : [
        ...(source === 'object'
          ? validateReference(recordAt(value, 'describedObject'), `${at}.describedObject`, {
              needsGroup: false,
            })
          : []),
        ...validateIdentifier(recordAt(value, 'metric'), `${at}.metric`),
      ]
  return [...own, ...validateTarget(target, `${at}.target`), ...validateSet(source, target, at)]
}

function validateResource(source: string, value: Record<string, unknown>, at: string): Cause[] {
  const wanted = source === 'resource' ? ['name'] : ['name', 'container']
  const says = (field: string): string =>
    `must specify a ${field === 'name' ? 'resource name' : 'container'}`
  return wanted
    .filter((field) => stringAt(value, field) === '')
    .map((field) => fieldFault.required(`${at}.${field}`, says(field)))
}

function validateIdentifier(metric: Record<string, unknown>, at: string): Cause[] {
  const name = stringAt(metric, 'name')
  return name === ''
    ? [fieldFault.required(`${at}.name`, 'must specify a metric name')]
    : checkPathSegmentName(name).map((says) => fieldFault.invalid(`${at}.name`, name, says))
}

function validateTarget(target: Record<string, unknown>, at: string): Cause[] {
  const type = stringAt(target, 'type')
  const { averageUtilization: percent } = target
  const faults: Cause[] = []
  if (type === '') {
    faults.push(fieldFault.required(`${at}.type`, 'must specify a metric target type'))
  }
  if (!['Utilization', 'Value', 'AverageValue'].includes(type)) {
    const says = 'must be either Utilization, Value, or AverageValue'
    faults.push(fieldFault.invalid(`${at}.type`, type, says))
  }
  for (const field of ['value', 'averageValue']) {
    const amount = target[field]
    if (amount === undefined || (parseQuantity(textOf(amount))?.nanos ?? 0n) > 0n) continue
    faults.push(fieldFault.invalid(`${at}.${field}`, amount, 'must be positive'))
  }
  if (typeof percent === 'number' && percent < 1) {
    faults.push(fieldFault.invalid(`${at}.averageUtilization`, percent, 'must be greater than 0'))
  }
  return faults
}

/** Faults of which of a target's amounts are set: every source has rules of its own. */
function validateSet(source: string, target: Record<string, unknown>, at: string): Cause[] {
  const { value, averageValue: average, averageUtilization: percent } = target
  const require = (field: string, says: string): Cause[] => [
    fieldFault.required(`${at}.target.${field}`, says),
  ]
  const forbid = (field: string, says: string): Cause[] => [
    fieldFault.forbidden(`${at}.target.${field}`, says),
  ]
  switch (source) {
    case 'object':
      return value === undefined && average === undefined
        ? require('averageValue', 'must set either a target value or averageValue')
        : []
    case 'external':
      if (value === undefined && average === undefined) {
        return require('averageValue', 'must set either a target value for metric or a per-pod target')
      }
      return value !== undefined && average !== undefined
        ? forbid('value', 'may not set both a target value for metric and a per-pod target')
        : []
    case 'pods':
      return average === undefined
        ? require('averageValue', 'must specify a positive target averageValue')
        : []
    default:
      if (percent === undefined && average === undefined) {
        return require('averageUtilization', 'must set either a target raw value or a target utilization')
      }
      return percent !== undefined && average !== undefined
        ? forbid('averageValue', 'may not set both a target raw value and a target utilization')
        : []
  }
}

const WINDOW_MAX = 3600
const PERIOD_MAX = 1800
const SELECT_POLICIES = ['Disabled', 'Max', 'Min']
const POLICY_TYPES = ['Percent', 'Pods']

function validateRules(rules: Record<string, unknown>, at: string): Cause[] {
  const { stabilizationWindowSeconds: seconds, selectPolicy: select, tolerance } = rules
  const faults: Cause[] = []
  const refuse = (field: string, value: unknown, says: string): void => {
    faults.push(fieldFault.invalid(`${at}.${field}`, value, says))
  }
  if (typeof seconds === 'number' && seconds < 0) {
    refuse('stabilizationWindowSeconds', seconds, 'must be greater than or equal to zero')
  }
  if (typeof seconds === 'number' && seconds > WINDOW_MAX) {
    refuse('stabilizationWindowSeconds', seconds, `must be less than or equal to ${WINDOW_MAX}`)
  }
  if (select !== undefined && !SELECT_POLICIES.includes(textOf(select))) {
    faults.push(fieldFault.notSupported(`${at}.selectPolicy`, select, SELECT_POLICIES))
  }
  const policies = listAt(rules, 'policies')
  if (policies.length === 0) {
    faults.push(fieldFault.required(`${at}.policies`, 'must specify at least one Policy'))
  }
  faults.push(...policies.flatMap((policy, i) => validatePolicy(policy, `${at}.policies[${i}]`)))
  if ((parseQuantity(textOf(tolerance))?.nanos ?? 0n) < 0n) {
    refuse('tolerance', tolerance, 'must be greater than or equal to 0')
  }
  return faults
}

function validatePolicy(policy: unknown, at: string): Cause[] {
  const type = stringAt(policy, 'type')
  const { value = 0, periodSeconds: period = 0 } = isRecord(policy) ? policy : {}
  const faults = POLICY_TYPES.includes(type)
    ? []
    : [fieldFault.notSupported(`${at}.type`, type, POLICY_TYPES)]
  for (const [field, amount] of Object.entries({ value, periodSeconds: period })) {
    if (Number(amount) > 0) continue
    faults.push(fieldFault.invalid(`${at}.${field}`, amount, 'must be greater than zero'))
  }
  if (Number(period) > PERIOD_MAX) {
    const says = `must be less than or equal to ${PERIOD_MAX}`
    faults.push(fieldFault.invalid(`${at}.periodSeconds`, period, says))
  }
  return faults
}

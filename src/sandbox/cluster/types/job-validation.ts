/** What a job's spec may say, in the words of Kubernetes' `pkg/apis/batch/validation`. */
import { fieldFault, type Cause } from '../faults.ts'
import { checkLabelName, validateDomainPath } from '../names.ts'
import {
  isRecord,
  listAt,
  recordAt,
  sameJson,
  stringAt,
  type ApiObject,
  type JsonRecord,
} from '../objects.ts'
import { labelSelectorOf } from '../selectors.ts'
import { validateFailurePolicy, validateSuccessPolicy } from './job-policy-validation.ts'
import { checkImmutable } from './metadata.ts'
import { textOf, validateNotNegative } from './workloads.ts'

const COUNTS = [
  'parallelism',
  'completions',
  'activeDeadlineSeconds',
  'backoffLimit',
  'ttlSecondsAfterFinished',
  'backoffLimitPerIndex',
  'maxFailedIndexes',
]
const MODES = ['NonIndexed', 'Indexed']
const REPLACEMENTS = ['Failed', 'TerminatingOrFailed']
const INDEXED_MAX = 100_000
const MANY_INDEXED_MAX = 10_000
const MANAGED_BY_MAX = 63

const isIndexed = (spec: JsonRecord): boolean => spec['completionMode'] === 'Indexed'
const templateSpecOf = (spec: JsonRecord): JsonRecord =>
  recordAt(recordAt(spec, 'template'), 'spec')

/** Faults of a job's spec beside those of its template and its selector. */
export function validateJobSpec(spec: JsonRecord, at: string): Cause[] {
  return [
    ...validateNotNegative(spec, COUNTS, at),
    ...validateManagedBy(spec, at),
    ...validateMode(spec, at),
    ...(spec['podFailurePolicy'] === undefined ? [] : validateFailurePolicy(spec, at)),
    ...(spec['successPolicy'] === undefined ? [] : validateSuccessPolicy(spec, at)),
    ...validateReplacement(spec, at),
    ...validateRestartPolicy(spec, at),
  ]
}

function validateManagedBy(spec: JsonRecord, at: string): Cause[] {
  const { managedBy } = spec
  if (managedBy === undefined) return []
  const field = `${at}.managedBy`
  const text = textOf(managedBy)
  const faults = validateDomainPath(text, field)
  return text.length > MANAGED_BY_MAX
    ? [...faults, fieldFault.tooLong(field, MANAGED_BY_MAX)]
    : faults
}

function validateMode(spec: JsonRecord, at: string): Cause[] {
  const { completionMode: mode, completions, backoffLimitPerIndex, maxFailedIndexes } = spec
  const faults: Cause[] = []
  if (maxFailedIndexes !== undefined && backoffLimitPerIndex === undefined) {
    faults.push(
      fieldFault.required(`${at}.backoffLimitPerIndex`, 'when maxFailedIndexes is specified'),
    )
  }
  if (mode !== undefined && !MODES.includes(textOf(mode))) {
    faults.push(fieldFault.notSupported(`${at}.completionMode`, mode, MODES))
  }
  if (isIndexed(spec)) {
    if (completions === undefined) {
      faults.push(fieldFault.required(`${at}.completions`, 'when completion mode is Indexed'))
    }
    return [...faults, ...validateIndexedSizes(spec, at)]
  }
  if (mode !== undefined && mode !== 'NonIndexed') return faults
  for (const field of ['backoffLimitPerIndex', 'maxFailedIndexes']) {
    if (spec[field] === undefined) continue
    faults.push(
      fieldFault.invalid(`${at}.${field}`, spec[field], 'requires indexed completion mode'),
    )
  }
  return faults
}

function validateIndexedSizes(spec: JsonRecord, at: string): Cause[] {
  const numberOf = (field: string): number => Number(spec[field] ?? Number.NaN)
  const [completions, parallelism, failed] = [
    numberOf('completions'),
    numberOf('parallelism'),
    numberOf('maxFailedIndexes'),
  ]
  const faults: Cause[] = []
  const limit = (field: string, most: number, more = ''): void => {
    const says = `must be less than or equal to ${most}${more}`
    if (numberOf(field) > most) faults.push(fieldFault.invalid(`${at}.${field}`, spec[field], says))
  }
  limit('parallelism', INDEXED_MAX, ' when completion mode is Indexed')
  if (failed > completions) {
    const says = 'must be less than or equal to completions'
    faults.push(fieldFault.invalid(`${at}.maxFailedIndexes`, failed, says))
  }
  limit('maxFailedIndexes', INDEXED_MAX)
  if (!(completions > INDEXED_MAX) || spec['backoffLimitPerIndex'] === undefined) return faults
  if (Number.isNaN(failed)) {
    const says = `must be specified when completions is above ${INDEXED_MAX}`
    faults.push(fieldFault.required(`${at}.maxFailedIndexes`, says))
  }
  const many = ` when completions are above ${INDEXED_MAX} and used with backoff limit per index`
  if (!Number.isNaN(parallelism)) limit('parallelism', MANY_INDEXED_MAX, many)
  limit('maxFailedIndexes', MANY_INDEXED_MAX, many)
  return faults
}

function validateReplacement(spec: JsonRecord, at: string): Cause[] {
  const policy = spec['podReplacementPolicy']
  const allowed = spec['podFailurePolicy'] === undefined ? REPLACEMENTS : ['Failed']
  return policy === undefined || allowed.includes(textOf(policy))
    ? []
    : [fieldFault.notSupported(`${at}.podReplacementPolicy`, policy, allowed)]
}

function validateRestartPolicy(spec: JsonRecord, at: string): Cause[] {
  const policy = stringAt(templateSpecOf(spec), 'restartPolicy')
  const field = `${at}.template.spec.restartPolicy`
  if (policy === 'Always' || policy === '') {
    return [fieldFault.required(field, 'valid values: "OnFailure", "Never"')]
  }
  const says = 'only "Never" is supported when podFailurePolicy is specified'
  return spec['podFailurePolicy'] !== undefined && policy !== 'Never'
    ? [fieldFault.invalid(field, policy, says)]
    : []
}

/** Labels that tell a job's pods from those of others, with their values. */
export function jobLabels({ metadata: { name = '', uid = '' } }: ApiObject): JsonRecord {
  return {
    'controller-uid': uid,
    'job-name': name,
    'batch.kubernetes.io/controller-uid': uid,
    'batch.kubernetes.io/job-name': name,
  }
}

/** Faults of what a job is made with and its server adds to: its selector, its pods' names. */
export function validateJobIdentity(job: ApiObject): Cause[] {
  const spec = recordAt(job, 'spec')
  const faults: Cause[] = []
  const expected = jobLabels(job)
  if (spec['manualSelector'] !== true) {
    const labels = recordAt(recordAt(recordAt(spec, 'template'), 'metadata'), 'labels')
    for (const [label, value] of Object.entries(expected)) {
      if (labels[label] === value) continue
      const field = `spec.template.metadata.labels[${label}]`
      const says = `must be '${String(value)}'`
      faults.push(
        labels[label] === undefined
          ? fieldFault.required(field, says)
          : fieldFault.invalid(field, labels, says),
      )
    }
    if (!labelSelectorOf(spec['selector'])(expected as Record<string, string>)) {
      const says = '`selector` not auto-generated'
      faults.push(fieldFault.invalid('spec.selector', spec['selector'], says))
    }
  }
  const { name = '' } = job.metadata
  const completions = Number(spec['completions'] ?? 0)
  const host = `${name}-${completions - 1}`
  if (isIndexed(spec) && completions > 0 && checkLabelName(host).length > 0) {
    const says = `will not able to create pod with invalid DNS label: ${host}`
    faults.push(fieldFault.invalid('metadata.name', name, says))
  }
  return faults
}

const IMMUTABLE = [
  'selector',
  'completionMode',
  'podFailurePolicy',
  'backoffLimitPerIndex',
  'managedBy',
  'successPolicy',
]

/** Faults of a change of a job. */
export function validateJobUpdate(object: ApiObject, old: ApiObject): Cause[] {
  const [now, before] = [recordAt(object, 'spec'), recordAt(old, 'spec')]
  return [
    ...validateCompletions(now, before),
    ...IMMUTABLE.flatMap((field) => checkImmutable(now[field], before[field], `spec.${field}`)),
    ...validateTemplateUpdate(now, old),
  ]
}

/** An indexed job grows and shrinks with its parallelism. */
function validateCompletions(now: JsonRecord, before: JsonRecord): Cause[] {
  const { completions, parallelism } = now
  if (!isIndexed(now)) return checkImmutable(completions, before['completions'], 'spec.completions')
  const isFine =
    completions === before['completions'] ||
    completions === undefined ||
    completions === parallelism
  const says = 'can only be modified in tandem with spec.parallelism'
  return isFine ? [] : [fieldFault.invalid('spec.completions', completions, says)]
}

/** A suspended job without pods may be told anew where its pods go and what they are given. */
function validateTemplateUpdate(now: JsonRecord, old: ApiObject): Cause[] {
  const before = recordAt(old, 'spec')
  const status = recordAt(old, 'status')
  const isSuspended = listAt(status, 'conditions').some(
    (condition) =>
      stringAt(condition, 'type') === 'Suspended' && stringAt(condition, 'status') === 'True',
  )
  const isOpen =
    before['suspend'] === true &&
    (status['startTime'] === undefined || isSuspended) &&
    Number(status['active'] ?? 0) === 0
  if (!isOpen) {
    return sameJson(now['template'], before['template'])
      ? []
      : [fieldFault.invalid('spec.template', now['template'], 'field is immutable')]
  }
  const spec = templateSpecOf(now)
  return sameJson(withoutDirectives(spec), withoutDirectives(templateSpecOf(before)))
    ? []
    : [fieldFault.invalid('spec.template.spec', spec, 'field is immutable')]
}

function withoutDirectives(spec: JsonRecord): JsonRecord {
  const { nodeAffinity: _, ...affinity } = recordAt(spec, 'affinity')
  const bare = (field: string): unknown[] =>
    listAt(spec, field)
      .filter(isRecord)
      .map(({ resources: _resources, ...container }) => container)
  const {
    nodeSelector: _selector,
    tolerations: _tolerations,
    schedulingGates: _gates,
    ...rest
  } = spec
  return {
    ...rest,
    affinity,
    containers: bare('containers'),
    initContainers: bare('initContainers'),
  }
}

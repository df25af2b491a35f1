import { parseSchedule } from '../cron-schedule.ts'
import { fieldFault, type Cause } from '../faults.ts'
import { checkSubdomainName } from '../names.ts'
import {
  isRecord,
  listAt,
  recordAt,
  setDefault,
  stringAt,
  type ApiObject,
  type JsonRecord,
} from '../objects.ts'
import { OBJECT_VERBS, type ResourceType } from '../resource-types.ts'
import {
  int,
  keptBool,
  keptInt,
  keptList,
  keptStr,
  list,
  mergeList,
  obj,
  type ListSchema,
  replacedSetOf,
  str,
  time,
  valueObj,
} from '../schema.ts'
import { ageSince, AGE_COLUMN, column, formatAge, NAME_COLUMN } from './columns.ts'
import { workloadColumns } from './workload-columns.ts'
import {
  jobLabels,
  validateJobIdentity,
  validateJobSpec,
  validateJobUpdate,
} from './job-validation.ts'
import { CONDITION, LABEL_SELECTOR, METADATA, OBJECT_REFERENCE } from './metadata.ts'
import { POD_TEMPLATE } from './pod-schema.ts'
import { validateTemplate } from './pods.ts'
import {
  countOf,
  fillTemplate,
  STATUS_SUBRESOURCE,
  textOf,
  validateNotNegative,
  validateOwnSelector,
} from './workloads.ts'

const BATCH = {
  group: 'batch',
  version: 'v1',
  categories: ['all'],
  namespaced: true,
  verbs: OBJECT_VERBS,
  subresources: [STATUS_SUBRESOURCE],
  hasGeneration: true,
} as const

const EXIT_CODES: ListSchema = { kind: 'list', of: keptInt, isSet: true, keepsEmpty: true }
const FAILURE_RULE = obj({
  action: keptStr,
  onExitCodes: obj({ containerName: keptStr, operator: keptStr, values: EXIT_CODES }),
  onPodConditions: list(obj({ type: keptStr, status: keptStr })),
})
const SUCCESS_RULE = obj({ succeededIndexes: keptStr, succeededCount: keptInt })

const JOB_SPEC = valueObj({
  parallelism: keptInt,
  completions: keptInt,
  activeDeadlineSeconds: keptInt,
  podFailurePolicy: obj({ rules: keptList(FAILURE_RULE) }),
  successPolicy: obj({ rules: keptList(SUCCESS_RULE) }),
  backoffLimit: keptInt,
  backoffLimitPerIndex: keptInt,
  maxFailedIndexes: keptInt,
  selector: LABEL_SELECTOR,
  manualSelector: keptBool,
  template: POD_TEMPLATE,
  ttlSecondsAfterFinished: keptInt,
  completionMode: keptStr,
  suspend: keptBool,
  podReplacementPolicy: keptStr,
  managedBy: keptStr,
})

/** The True condition that ends a job: Complete or Failed. */
export function finishedConditionOf(job: ApiObject): Record<string, unknown> | undefined {
  const found = listAt(job['status'], 'conditions').find(
    (condition) =>
      ['Complete', 'Failed'].includes(stringAt(condition, 'type')) &&
      stringAt(condition, 'status') === 'True',
  )
  return found as Record<string, unknown> | undefined
}

function jobStatusOf(job: ApiObject): string {
  const finished = finishedConditionOf(job)
  if (finished !== undefined) return stringAt(finished, 'type')
  if (job.metadata.deletionTimestamp !== undefined) return 'Terminating'
  for (const type of ['Suspended', 'FailureTarget', 'SuccessCriteriaMet']) {
    const isTrue = listAt(job['status'], 'conditions').some(
      (condition) =>
        stringAt(condition, 'type') === type && stringAt(condition, 'status') === 'True',
    )
    if (isTrue) return type
  }
  return 'Running'
}

function durationOf(job: ApiObject, nowMs: number): string {
  const start = Date.parse(stringAt(job['status'], 'startTime'))
  const end = Date.parse(stringAt(job['status'], 'completionTime'))
  if (Number.isNaN(start)) return ''
  return formatAge((Number.isNaN(end) ? nowMs : end) - start)
}

export const JOBS: ResourceType = {
  ...BATCH,
  kind: 'Job',
  plural: 'jobs',
  singular: 'job',
  orphansByDefault: true,
  shortNames: [],
  nameRule: checkSubdomainName,
  schema: obj({
    spec: JOB_SPEC,
    status: valueObj({
      conditions: mergeList('type', CONDITION, []),
      startTime: time,
      completionTime: time,
      active: int,
      succeeded: int,
      failed: int,
      terminating: keptInt,
      completedIndexes: str,
      failedIndexes: keptStr,
      uncountedTerminatedPods: obj({
        succeeded: replacedSetOf(str),
        failed: replacedSetOf(str),
      }),
      ready: keptInt,
    }),
  }),
  defaults: fillJob,
  prepareCreate: (object) => {
    object['status'] = {}
    if (recordAt(object, 'spec')['manualSelector'] !== true) generateSelector(object)
  },
  validate: (object) => [
    ...validateJobIdentity(object),
    ...validateJobSpec(recordAt(object, 'spec'), 'spec'),
    ...validateTemplate(object),
    ...validateOwnSelector(object, 'job'),
  ],
  validateUpdate: validateJobUpdate,
  selectableFields: (object) => ({
    'status.successful': String(countOf(object, 'status', 'succeeded')),
  }),
  columns: [
    NAME_COLUMN,
    column('Status', jobStatusOf),
    column('Completions', (object) => {
      const { completions, parallelism } = recordAt(object, 'spec')
      const done = countOf(object, 'status', 'succeeded')
      if (typeof completions === 'number') return `${done}/${completions}`
      return Number(parallelism) > 1 ? `${done}/1 of ${Number(parallelism)}` : `${done}/1`
    }),
    column('Duration', durationOf),
    AGE_COLUMN,
    ...workloadColumns(),
  ],
}

const INT_32_MAX = 2_147_483_647

function fillJob(object: ApiObject): void {
  setDefault(object, 'spec', {})
  const spec = recordAt(object, 'spec')
  fillTemplate(spec)
  fillFailureRules(spec)
  if (spec['completions'] === undefined && spec['parallelism'] === undefined) {
    spec['completions'] = 1
  }
  setDefault(spec, 'parallelism', 1)
  setDefault(spec, 'backoffLimit', spec['backoffLimitPerIndex'] === undefined ? 6 : INT_32_MAX)
  setDefault(spec, 'completionMode', 'NonIndexed')
  setDefault(spec, 'suspend', false)
  setDefault(spec, 'manualSelector', false)
  const replacement = spec['podFailurePolicy'] === undefined ? 'TerminatingOrFailed' : 'Failed'
  setDefault(spec, 'podReplacementPolicy', replacement)
  fillLabels(object)
}

const templateLabelsOf = (job: ApiObject): JsonRecord =>
  recordAt(recordAt(recordAt(recordAt(job, 'spec'), 'template'), 'metadata'), 'labels')

/** A job without labels has those of its template: the very same, as `SetDefaults_Job` has it. */
function fillLabels(job: ApiObject): void {
  const labels = templateLabelsOf(job)
  if (Object.keys(job.metadata.labels ?? {}).length > 0 || Object.keys(labels).length === 0) return
  job.metadata.labels = labels as Record<string, string>
}

function fillFailureRules(spec: JsonRecord): void {
  for (const rule of listAt(spec['podFailurePolicy'], 'rules')) {
    for (const pattern of listAt(rule, 'onPodConditions')) {
      if (isRecord(pattern) && stringAt(pattern, 'status') === '') pattern['status'] = 'True'
    }
  }
}

/** The labels by which a job knows its pods (pkg/registry/batch/job `generateSelector`), in place. */
function generateSelector(job: ApiObject): void {
  const spec = recordAt(job, 'spec')
  const template = recordAt(spec, 'template')
  const metadata = recordAt(template, 'metadata')
  const labels = { ...jobLabels(job), ...recordAt(metadata, 'labels') }
  // What is added to labels that are the job's own too is added to both.
  if (job.metadata.labels === templateLabelsOf(job)) delete job.metadata.labels
  template['metadata'] = { ...metadata, labels }
  const selector = recordAt(spec, 'selector')
  const uid = { 'batch.kubernetes.io/controller-uid': job.metadata.uid }
  spec['selector'] = {
    ...selector,
    matchLabels: { ...uid, ...recordAt(selector, 'matchLabels') },
  }
  fillLabels(job)
}

const CRON_NAME_MAX = 52
const CONCURRENCY = ['Allow', 'Forbid', 'Replace']

export const CRON_JOBS: ResourceType = {
  ...BATCH,
  kind: 'CronJob',
  plural: 'cronjobs',
  singular: 'cronjob',
  shortNames: ['cj'],
  nameRule: (name) =>
    name.length > CRON_NAME_MAX
      ? [...checkSubdomainName(name), `must be no more than ${CRON_NAME_MAX} characters`]
      : checkSubdomainName(name),
  schema: obj({
    spec: valueObj({
      schedule: str,
      timeZone: keptStr,
      startingDeadlineSeconds: keptInt,
      concurrencyPolicy: str,
      suspend: keptBool,
      jobTemplate: valueObj({ metadata: METADATA, spec: JOB_SPEC }),
      successfulJobsHistoryLimit: keptInt,
      failedJobsHistoryLimit: keptInt,
    }),
    status: valueObj({
      active: list(OBJECT_REFERENCE),
      lastScheduleTime: time,
      lastSuccessfulTime: time,
    }),
  }),
  defaults: (object) => {
    setDefault(object, 'spec', {})
    const spec = recordAt(object, 'spec')
    setDefault(spec, 'concurrencyPolicy', 'Allow')
    setDefault(spec, 'suspend', false)
    setDefault(spec, 'successfulJobsHistoryLimit', 3)
    setDefault(spec, 'failedJobsHistoryLimit', 1)
    setDefault(spec, 'jobTemplate', {})
    const template = recordAt(spec, 'jobTemplate')
    setDefault(template, 'spec', {})
    fillTemplate(recordAt(template, 'spec'))
    fillFailureRules(recordAt(template, 'spec'))
  },
  prepareCreate: (object) => {
    object['status'] = {}
  },
  validate: validateCronJob,
  columns: [
    NAME_COLUMN,
    column('Schedule', (object) => stringAt(object['spec'], 'schedule')),
    column('Timezone', (object) => stringAt(object['spec'], 'timeZone') || '<none>'),
    column(
      'Suspend',
      (object) => (recordAt(object, 'spec')['suspend'] === true ? 'True' : 'False'),
      { type: 'boolean' },
    ),
    column('Active', (object) => listAt(object['status'], 'active').length, { type: 'integer' }),
    column('Last Schedule', (object, nowMs) => {
      const last = stringAt(object['status'], 'lastScheduleTime')
      return last === '' ? '<none>' : ageSince(last, nowMs)
    }),
    AGE_COLUMN,
    ...workloadColumns((object) =>
      recordAt(recordAt(recordAt(object, 'spec'), 'jobTemplate'), 'spec'),
    ),
  ],
}

function validateCronJob(object: ApiObject): Cause[] {
  const spec = recordAt(object, 'spec')
  const schedule = stringAt(spec, 'schedule')
  const faults = validateNotNegative(spec, [
    'startingDeadlineSeconds',
    'successfulJobsHistoryLimit',
    'failedJobsHistoryLimit',
  ])
  if (schedule === '') faults.push(fieldFault.required('spec.schedule'))
  else if (schedule.includes('TZ')) {
    const says = 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead'
    faults.push(fieldFault.invalid('spec.schedule', schedule, says))
  } else {
    const parsed = parseSchedule(schedule)
    if (typeof parsed === 'string') {
      faults.push(fieldFault.invalid('spec.schedule', schedule, parsed))
    }
  }
  const zone = spec['timeZone']
  if (zone !== undefined) {
    const fault = timeZoneFault(textOf(zone))
    if (fault !== '') faults.push(fieldFault.invalid('spec.timeZone', zone, fault))
  }
  const policy = stringAt(spec, 'concurrencyPolicy')
  if (!CONCURRENCY.includes(policy)) {
    faults.push(fieldFault.notSupported('spec.concurrencyPolicy', policy, CONCURRENCY))
  }
  const template = recordAt(recordAt(spec, 'jobTemplate'), 'spec')
  const asJob = { metadata: {}, spec: template }
  const inner = [...validateJobSpec(template, 'spec'), ...validateTemplate(asJob)]
  const at = 'spec.jobTemplate.spec'
  const { selector, manualSelector } = template
  if (selector !== undefined) {
    faults.push(fieldFault.invalid(`${at}.selector`, selector, '`selector` will be auto-generated'))
  }
  if (manualSelector === true) {
    faults.push(fieldFault.notSupported(`${at}.manualSelector`, manualSelector, ['nil', 'false']))
  }
  const under = (field: string): string => field.replace(/^spec/, 'spec.jobTemplate.spec')
  return [...faults, ...inner.map((cause) => ({ ...cause, field: under(cause.field) }))]
}

function timeZoneFault(zone: string): string {
  if (zone === '') return 'timeZone must be nil or non-empty string'
  if (zone.toLowerCase() === 'local')
    return 'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones'
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }).format(0) === '' ? zone : ''
  } catch {
    return `unknown time zone ${zone}`
  }
}

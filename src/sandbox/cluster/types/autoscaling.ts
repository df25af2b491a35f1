import { checkSubdomainName } from '../names.ts'
import { isRecord, listAt, recordAt, setDefault, stringAt, type ApiObject } from '../objects.ts'
import { OBJECT_VERBS, type ResourceType } from '../resource-types.ts'
import {
  any,
  int,
  keptInt,
  keptStr,
  list,
  mergeList,
  obj,
  quantity,
  str,
  time,
  valueObj,
} from '../schema.ts'
import { validateAutoscaler } from './autoscaling-validation.ts'
import { AGE_COLUMN, column, NAME_COLUMN } from './columns.ts'
import { CONDITION, LABEL_SELECTOR } from './metadata.ts'
import { countOf, STATUS_SUBRESOURCE, textOf, validateNotNegative } from './workloads.ts'

const REFERENCE = valueObj({ kind: str, name: str, apiVersion: str })
const TARGET = valueObj({
  type: str,
  value: quantity,
  averageValue: quantity,
  averageUtilization: keptInt,
})
const METRIC = valueObj({ name: str, selector: LABEL_SELECTOR })
const RULES = obj({
  stabilizationWindowSeconds: keptInt,
  selectPolicy: keptStr,
  policies: list(obj({ type: str, value: keptInt, periodSeconds: keptInt })),
  tolerance: quantity,
})

/** What is taken for a metric that is not said: kube-controller-manager's 80 percent of the CPU. */
const DEFAULT_METRICS = [
  {
    type: 'Resource',
    resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } },
  },
]
const PERCENT = { type: 'Percent', value: 100, periodSeconds: 15 }
const SCALE_UP = {
  stabilizationWindowSeconds: 0,
  selectPolicy: 'Max',
  policies: [{ type: 'Pods', value: 4, periodSeconds: 15 }, PERCENT],
}
const SCALE_DOWN = { selectPolicy: 'Max', policies: [PERCENT] }

export const HORIZONTAL_POD_AUTOSCALERS: ResourceType = {
  group: 'autoscaling',
  version: 'v2',
  kind: 'HorizontalPodAutoscaler',
  plural: 'horizontalpodautoscalers',
  singular: 'horizontalpodautoscaler',
  shortNames: ['hpa'],
  categories: ['all'],
  namespaced: true,
  verbs: OBJECT_VERBS,
  subresources: [STATUS_SUBRESOURCE],
  nameRule: checkSubdomainName,
  schema: obj({
    spec: valueObj({
      scaleTargetRef: REFERENCE,
      minReplicas: keptInt,
      maxReplicas: keptInt,
      metrics: list(
        obj({
          type: str,
          object: obj({ describedObject: REFERENCE, target: TARGET, metric: METRIC }),
          pods: obj({ metric: METRIC, target: TARGET }),
          resource: obj({ name: str, target: TARGET }),
          containerResource: obj({ name: str, target: TARGET, container: str }),
          external: obj({ metric: METRIC, target: TARGET }),
        }),
      ),
      behavior: obj({ scaleUp: RULES, scaleDown: RULES }),
    }),
    status: valueObj({
      observedGeneration: int,
      lastScaleTime: time,
      currentReplicas: int,
      desiredReplicas: keptInt,
      currentMetrics: list(any),
      conditions: mergeList('type', CONDITION),
    }),
  }),
  defaults: (object) => {
    setDefault(object, 'spec', {})
    const spec = recordAt(object, 'spec')
    setDefault(spec, 'minReplicas', 1)
    setDefault(spec, 'metrics', structuredClone(DEFAULT_METRICS))
    const { behavior } = spec
    if (isRecord(behavior)) {
      behavior['scaleUp'] = { ...structuredClone(SCALE_UP), ...recordAt(behavior, 'scaleUp') }
      behavior['scaleDown'] = { ...structuredClone(SCALE_DOWN), ...recordAt(behavior, 'scaleDown') }
    }
    const { status } = object
    if (!isRecord(status)) return
    setDefault(status, 'desiredReplicas', 0)
    setDefault(status, 'currentMetrics', null)
  },
  prepareCreate: (object) => {
    object['status'] = { desiredReplicas: 0, currentMetrics: null }
  },
  validate: validateAutoscaler,
  validateStatus: (object) =>
    validateNotNegative(object['status'], ['currentReplicas', 'desiredReplicas'], 'status'),
  columns: [
    NAME_COLUMN,
    column('Reference', (object) => {
      const target = recordAt(recordAt(object, 'spec'), 'scaleTargetRef')
      return `${stringAt(target, 'kind')}/${stringAt(target, 'name')}`
    }),
    column('Targets', shownTargets),
    column('MinPods', (object) => String(countOf(object, 'spec', 'minReplicas'))),
    column('MaxPods', (object) => countOf(object, 'spec', 'maxReplicas')),
    column('Replicas', (object) => countOf(object, 'status', 'currentReplicas')),
    AGE_COLUMN,
  ],
}

const TARGETS_SHOWN = 2

function shownTargets(object: ApiObject): string {
  const metrics = listAt(object['spec'], 'metrics')
  const measured = listAt(object['status'], 'currentMetrics')
  const shown = metrics.map((metric, at) => shownTarget(metric, measured[at]))
  const more = shown.length - TARGETS_SHOWN
  const text = shown.slice(0, TARGETS_SHOWN).join(', ')
  return more > 0 ? `${text} + ${more} more...` : text
}

function shownTarget(metric: unknown, measured: unknown): string {
  const type = stringAt(metric, 'type')
  const source = `${type.charAt(0).toLowerCase()}${type.slice(1)}`
  const wanted = recordAt(recordAt(metric, source), 'target')
  const current = recordAt(recordAt(measured, source), 'current')
  const name = stringAt(recordAt(metric, source), 'name')
  const prefix = type === 'Resource' || type === 'ContainerResource' ? `${name}: ` : ''
  const { averageValue: average, averageUtilization: percent } = wanted
  if (average !== undefined) {
    const suffix = type === 'External' || type === 'Object' ? ' (avg)' : ''
    const now = textOf(current['averageValue']) || '<unknown>'
    return `${prefix}${now}/${textOf(average)}${suffix}`
  }
  if (prefix === '') return `${textOf(current['value']) || '<unknown>'}/${textOf(wanted['value'])}`
  const { averageUtilization: used } = current
  const now = used === undefined ? '<unknown>' : `${textOf(used)}%`
  return `${prefix}${now}/${percent === undefined ? '<auto>' : `${textOf(percent)}%`}`
}

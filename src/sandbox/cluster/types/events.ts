import { fieldFault, type Cause } from '../faults.ts'
import { checkPathSegmentName, checkQualifiedName } from '../names.ts'
import { isRecord, recordAt, setDefault, stringAt, type ApiObject } from '../objects.ts'
import { OBJECT_VERBS, type ResourceType } from '../resource-types.ts'
import { byValue, int, keptStr, microTime, obj, str, time, valueObj } from '../schema.ts'
import { ageSince, column, NAME_COLUMN } from './columns.ts'
import { OBJECT_REFERENCE } from './metadata.ts'

export const EVENTS: ResourceType = {
  group: '',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  singular: 'event',
  shortNames: ['ev'],
  namespaced: true,
  verbs: OBJECT_VERBS,
  subresources: [],
  schema: obj({
    involvedObject: byValue(OBJECT_REFERENCE),
    reason: str,
    message: str,
    source: valueObj({ component: str, host: str }),
    firstTimestamp: time,
    lastTimestamp: time,
    count: int,
    type: str,
    eventTime: microTime,
    series: obj({ count: int, lastObservedTime: microTime }),
    action: str,
    related: OBJECT_REFERENCE,
    reportingComponent: keptStr,
    reportingInstance: keptStr,
  }),
  nameRule: checkPathSegmentName,
  defaults: (object) => {
    for (const field of ['eventTime', 'firstTimestamp', 'lastTimestamp']) {
      setDefault(object, field, null)
    }
    setDefault(object, 'involvedObject', {})
    setDefault(object, 'source', {})
    setDefault(object, 'reportingComponent', '')
    setDefault(object, 'reportingInstance', '')
    const { series } = object
    if (isRecord(series)) setDefault(series, 'lastObservedTime', null)
  },
  validate: validateEvent,
  selectableFields: (object) => {
    const about = recordAt(object, 'involvedObject')
    const component = stringAt(object, 'reportingComponent')
    return {
      'involvedObject.kind': stringAt(about, 'kind'),
      'involvedObject.namespace': stringAt(about, 'namespace'),
      'involvedObject.name': stringAt(about, 'name'),
      'involvedObject.uid': stringAt(about, 'uid'),
      'involvedObject.apiVersion': stringAt(about, 'apiVersion'),
      'involvedObject.resourceVersion': stringAt(about, 'resourceVersion'),
      'involvedObject.fieldPath': stringAt(about, 'fieldPath'),
      reason: stringAt(object, 'reason'),
      reportingComponent: component,
      source: stringAt(object['source'], 'component') || component,
      type: stringAt(object, 'type'),
    }
  },
  columns: [
    column('Last Seen', (object, nowMs) => ageSince(lastSeen(object), nowMs)),
    column('Type', (object) => stringAt(object, 'type')),
    column('Reason', (object) => stringAt(object, 'reason')),
    column('Object', (object) => {
      const about = recordAt(object, 'involvedObject')
      const name = stringAt(about, 'name')
      return `${stringAt(about, 'kind').toLowerCase()}${name === '' ? '' : `/${name}`}`
    }),
    column('Subobject', (object) => stringAt(object['involvedObject'], 'fieldPath'), {
      isWide: true,
    }),
    column('Source', shownSource, { isWide: true }),
    column('Message', (object) => stringAt(object, 'message').trim()),
    column('First Seen', (object, nowMs) => ageSince(firstSeen(object), nowMs), { isWide: true }),
    column(
      'Count',
      (object) => Number(recordAt(object, 'series')['count'] ?? object['count'] ?? 1),
      {
        isWide: true,
      },
    ),
    { ...NAME_COLUMN, priority: 1 },
  ],
}

const firstSeen = (object: ApiObject): unknown => object['firstTimestamp'] ?? object['eventTime']

const lastSeen = (object: ApiObject): unknown =>
  recordAt(object, 'series')['lastObservedTime'] ?? object['lastTimestamp'] ?? firstSeen(object)

function shownSource(object: ApiObject): string {
  const component =
    stringAt(object['source'], 'component') || stringAt(object, 'reportingComponent')
  const instance = stringAt(object['source'], 'host') || stringAt(object, 'reportingInstance')
  return instance === '' ? component : `${component}, ${instance}`
}

const LENGTH_MAX = 128
const NOTE_MAX = 1024
const SYSTEM_NAMESPACES = ['default', 'kube-system']

function validateEvent(object: ApiObject): Cause[] {
  const about = stringAt(object['involvedObject'], 'namespace')
  const own = object.metadata.namespace ?? ''
  const isNew = typeof object['eventTime'] === 'string'
  const isFree = isNew ? SYSTEM_NAMESPACES.includes(own) : own === 'default'
  const isFine = about === '' ? isFree : isNew || about === own
  const faults = isFine
    ? []
    : [fieldFault.invalid('involvedObject.namespace', about, 'does not match event.namespace')]
  return isNew ? [...faults, ...validateNewEvent(object)] : faults
}

/** Faults of an event that says when it was: the newer API's, which has more rules. */
function validateNewEvent(object: ApiObject): Cause[] {
  const component = stringAt(object, 'reportingComponent')
  const faults = component === '' ? [fieldFault.required('reportingComponent')] : []
  for (const says of checkQualifiedName(component)) {
    faults.push(fieldFault.invalid('reportingComponent', component, says))
  }
  for (const [field, most] of [
    ['reportingInstance', LENGTH_MAX],
    ['action', LENGTH_MAX],
    ['reason', LENGTH_MAX],
    ['message', NOTE_MAX],
  ] as const) {
    const text = stringAt(object, field)
    if (text === '' && field !== 'message') faults.push(fieldFault.required(field))
    if (Buffer.byteLength(text) > most) {
      faults.push(fieldFault.invalid(field, '', `can have at most ${most} characters`))
    }
  }
  return faults
}

import { authorize } from '../identity/authorization.ts'
import { AwsFault } from '../wire/fault.ts'
import { pageOf } from '../wire/pages.ts'
import type { TargetInput, TargetOperations } from '../wire/target.ts'
import { readStructures, readText, requireText } from '../wire/target-input.ts'
import { accountOf, type Call } from '../world.ts'
import { type TrailEvent, trailEvents } from './events.ts'

const KEPT_MS = 90 * 86_400_000
const ATTRIBUTES = [
  'EventId',
  'EventName',
  'ReadOnly',
  'Username',
  'ResourceType',
  'ResourceName',
  'EventSource',
  'AccessKeyId',
]

type Filter = (event: TrailEvent) => boolean

function readFilter(input: TargetInput): Filter {
  const attributes = readStructures(input, 'LookupAttributes')
  if (attributes.length > 1) {
    throw new AwsFault(
      'InvalidLookupAttributesException',
      'You can specify only one lookup attribute',
    )
  }
  const [attribute] = attributes
  if (attribute === undefined) return () => true
  const key = requireText(attribute, 'AttributeKey')
  const value = requireText(attribute, 'AttributeValue', { min: 1, max: 2000 })
  if (!ATTRIBUTES.includes(key)) {
    throw new AwsFault(
      'InvalidLookupAttributesException',
      `${key.slice(0, 100)} is no lookup attribute: wanted one of ${ATTRIBUTES.join(', ')}`,
    )
  }
  return (event) => valuesOf(event, key).includes(value)
}

function valuesOf(event: TrailEvent, key: string): readonly string[] {
  switch (key) {
    case 'EventId':
      return [event.eventId]
    case 'EventName':
      return [event.eventName]
    case 'ReadOnly':
      return [String(event.isReadOnly)]
    case 'Username':
      return [event.username]
    case 'EventSource':
      return [event.eventSource]
    case 'ResourceType':
      return event.resources.map(({ type }) => type)
    case 'ResourceName':
      return event.resources.map(({ name }) => name)
    default:
      // The sandbox's decisions hold no access key ids.
      return []
  }
}

/** Epoch seconds. */
function readTime(input: TargetInput, name: string): number | undefined {
  const value = input[name] ?? undefined
  if (value === undefined) return undefined
  if (typeof value === 'number') return value * 1000
  throw new AwsFault('SerializationException', `${name} is no time`)
}

function readLimit(input: TargetInput): number {
  const value = input['MaxResults'] ?? 50
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 50)
    return value
  throw new AwsFault('InvalidMaxResultsException', 'MaxResults must be between 1 and 50')
}

async function lookupEvents(call: Call, input: TargetInput): Promise<unknown> {
  const matches = readFilter(input)
  const limit = readLimit(input)
  const token = readText(input, 'NextToken')
  const startMs = readTime(input, 'StartTime') ?? call.nowMs - KEPT_MS
  const endMs = readTime(input, 'EndTime') ?? Number.POSITIVE_INFINITY
  authorize(call, { action: 'cloudtrail:LookupEvents', resource: '*' })
  if (startMs > endMs) {
    throw new AwsFault('InvalidTimeRangeException', 'The start time must not be after the end time')
  }
  const events = trailEvents(call.world.decisions.recent(), accountOf(call)).filter(
    (event) => event.atMs >= startMs && event.atMs <= endMs && matches(event),
  )
  const ask = { limit, token, fault: 'InvalidNextTokenException' }
  // The newest first: the later a time, the smaller its key.
  const page = pageOf(events, (event) => `${10 ** 15 - event.atMs}/${event.eventId}`, ask)
  return {
    Events: page.items.map((event) => eventNode(call, event)),
    ...(page.next !== undefined && { NextToken: page.next }),
  }
}

function eventNode(call: Call, event: TrailEvent): Readonly<Record<string, unknown>> {
  const { errorCode, errorMessage, caller } = event
  return {
    EventId: event.eventId,
    EventName: event.eventName,
    ReadOnly: String(event.isReadOnly),
    EventTime: event.atMs / 1000,
    EventSource: event.eventSource,
    Username: event.username,
    Resources: event.resources.map(({ type, name }) => ({
      ResourceType: type,
      ResourceName: name,
    })),
    CloudTrailEvent: JSON.stringify({
      eventVersion: '1.11',
      userIdentity: { type: identityType(caller), arn: caller, accountId: caller.split(':')[4] },
      eventTime: new Date(event.atMs).toISOString(),
      eventSource: event.eventSource,
      eventName: event.eventName,
      awsRegion: call.region,
      requestID: event.requestId,
      eventID: event.eventId,
      readOnly: event.isReadOnly,
      ...(errorCode !== undefined && { errorCode, errorMessage }),
      eventType: 'AwsApiCall',
      managementEvent: true,
      eventCategory: 'Management',
    }),
  }
}

function identityType(caller: string): string {
  if (caller.includes(':assumed-role/')) return 'AssumedRole'
  if (caller.includes(':user/')) return 'IAMUser'
  if (caller.includes(':oidc-provider/')) return 'WebIdentityUser'
  return caller.endsWith('.amazonaws.com') ? 'AWSService' : 'Unknown'
}

/** CloudTrail's operations, API version 2013-11-01. */
export const CLOUDTRAIL_OPERATIONS: TargetOperations = { LookupEvents: lookupEvents }

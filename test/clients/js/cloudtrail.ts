import { CloudTrail, type Event, paginateLookupEvents } from '@aws-sdk/client-cloudtrail'
import { IAM } from '@aws-sdk/client-iam'
import { did, equal, listed, mapped, present, refused, SETTINGS } from './checks.ts'

export async function runCloudTrail(): Promise<void> {
  const trail = new CloudTrail(SETTINGS)
  const iam = new IAM(SETTINGS)
  for (let time = 0; time < 2; time += 1) {
    await refused('NoSuchEntityException', iam.getRole({ RoleName: 'nobody-there' }))
  }
  const input = {
    LookupAttributes: [{ AttributeKey: 'EventName', AttributeValue: 'GetRole' } as const],
  }
  const { Events } = await trail.lookupEvents(input)
  const newest = present(Events?.[0])
  const record = JSON.parse(present(newest.CloudTrailEvent)) as {
    readonly eventSource: string
    readonly errorCode: string
  }
  equal('whose event it is', record.eventSource, 'iam.amazonaws.com')
  equal('what came of it', record.errorCode.startsWith('NoSuchEntity'), true)
  equal('who it was', newest.Username, 'admin')
  did('cloudtrail', 'event', 'list')
  const idsOf = (found: readonly Event[] | undefined): string[] =>
    mapped(found, (one) => one.EventId)
  const pages = paginateLookupEvents({ client: trail, pageSize: 1 }, { ...input })
  equal('events by pages', idsOf(await listed(pages, (page) => page.Events)), idsOf(Events))
  did('cloudtrail', 'event', 'pages')
}

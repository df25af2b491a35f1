/** Requests for an increase, and their history: Service Quotas API Reference. */
import { CreateAccessKeyCommand, CreateUserCommand } from '@aws-sdk/client-iam'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import {
  ACCOUNT,
  type AwsFixture,
  type Keys,
  REGION,
  startAwsFixture,
} from '../aws-fixture.suite.ts'

type Answer = Record<string, unknown>

const HOME = 'us-east-1'
const ROLES = { ServiceCode: 'iam', QuotaCode: 'L-FE177D64' }
const CLUSTERS = { ServiceCode: 'eks', QuotaCode: 'L-1194D53C' }

let fixture: AwsFixture
let nobody: Keys
beforeAll(async () => {
  fixture = await startAwsFixture()
  const { iam } = fixture.clients(fixture.admin)
  await iam.send(new CreateUserCommand({ UserName: 'nobody' }))
  const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName: 'nobody' }))
  nobody = {
    accessKeyId: AccessKey?.AccessKeyId ?? '',
    secretAccessKey: AccessKey?.SecretAccessKey ?? '',
  }
})
afterAll(() => fixture.stop())

async function ask(
  operation: string,
  input: object,
  { region = REGION, keys = fixture.admin }: { region?: string; keys?: Keys } = {},
): Promise<Answer> {
  const response = await fixture.call({
    keys,
    region,
    service: 'servicequotas',
    headers: {
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': `ServiceQuotasV20190624.${operation}`,
    },
    body: JSON.stringify(input),
  })
  return (await response.json()) as Answer
}

const raise = async (quota: object, DesiredValue: number, region?: string): Promise<Answer> => {
  fixture.clock.advance(1000)
  const asked = { ...quota, DesiredValue }
  const answer = await ask('RequestServiceQuotaIncrease', asked, region ? { region } : {})
  return answer['RequestedQuota'] as Answer
}
const idsOf = (answer: Answer): unknown[] =>
  (answer['RequestedQuotas'] as Answer[]).map((one) => one['Id'])

test('the services are those whose quotas it knows', async () => {
  const { Services } = await ask('ListServices', {})
  expect((Services as Answer[]).map((one) => one['ServiceCode'])).toEqual(['eks', 'iam'])
  const first = await ask('ListServices', { MaxResults: 1 })
  const second = await ask('ListServices', { NextToken: first['NextToken'] })
  expect(second['Services']).toMatchObject([{ ServiceCode: 'iam' }])
})

test('a request is kept with what became of it', async () => {
  const granted = await raise(ROLES, 5000, HOME)
  const refused = await raise(ROLES, 10_001, HOME)
  const clusters = await raise(CLUSTERS, 200)
  expect([granted['Status'], refused['Status'], clusters['Status']]).toEqual([
    'APPROVED',
    'NOT_APPROVED',
    'APPROVED',
  ])
  const home = { region: HOME }
  const found = await ask('GetRequestedServiceQuotaChange', { RequestId: granted['Id'] }, home)
  expect(found['RequestedQuota']).toEqual(granted)
  expect(granted).toMatchObject({
    ...ROLES,
    DesiredValue: 5000,
    Requester: `arn:aws:iam::${ACCOUNT}:user/admin`,
    QuotaRequestedAtLevel: 'ACCOUNT',
  })
  const history = 'ListRequestedServiceQuotaChangeHistory'
  expect(idsOf(await ask(history, {}, home))).toEqual([refused['Id'], granted['Id']])
  expect(idsOf(await ask(history, {}))).toEqual([clusters['Id']])
  const approved = await ask(history, { ServiceCode: 'iam', Status: 'APPROVED' }, home)
  expect(idsOf(approved)).toEqual([granted['Id']])
  const page = await ask(history, { MaxResults: 1 }, home)
  const next = await ask(history, { MaxResults: 1, NextToken: page['NextToken'] }, home)
  expect([...idsOf(page), ...idsOf(next)]).toEqual([refused['Id'], granted['Id']])
  const byQuota = 'ListRequestedServiceQuotaChangeHistoryByQuota'
  expect(idsOf(await ask(byQuota, ROLES, home))).toEqual([refused['Id'], granted['Id']])
  const other = { ServiceCode: 'iam', QuotaCode: 'L-858F3967' }
  expect(idsOf(await ask(byQuota, other, home))).toEqual([])
  expect(idsOf(await ask(history, {}, { ...home, keys: fixture.otherAdmin }))).toEqual([])
})

describe('refused', () => {
  const wrong: readonly (readonly [operation: string, input: object, code: string])[] = [
    ['GetRequestedServiceQuotaChange', { RequestId: 'none' }, 'NoSuchResourceException'],
    ['GetRequestedServiceQuotaChange', {}, 'ValidationException'],
    ['ListRequestedServiceQuotaChangeHistory', { ServiceCode: 'ec2' }, 'NoSuchResourceException'],
    ['ListRequestedServiceQuotaChangeHistory', { Status: 'LOST' }, 'ValidationException'],
    [
      'ListRequestedServiceQuotaChangeHistory',
      { NextToken: 'x' },
      'InvalidPaginationTokenException',
    ],
    ['ListRequestedServiceQuotaChangeHistoryByQuota', {}, 'ValidationException'],
    [
      'ListRequestedServiceQuotaChangeHistoryByQuota',
      { ...ROLES, ServiceCode: 'ec2' },
      'NoSuchResourceException',
    ],
    ['ListServices', { MaxResults: 101 }, 'ValidationException'],
    ['ListServices', { NextToken: 'x' }, 'InvalidPaginationTokenException'],
    ['RequestServiceQuotaIncrease', { ...ROLES, DesiredValue: 1 }, 'IllegalArgumentException'],
  ]
  test.each(wrong)('%s %j', async (operation, input, code) => {
    expect((await ask(operation, input, { region: HOME }))['__type']).toBe(code)
  })

  test.each([
    ['ListServices', {}],
    ['GetRequestedServiceQuotaChange', { RequestId: 'none' }],
    ['ListRequestedServiceQuotaChangeHistory', {}],
    ['ListRequestedServiceQuotaChangeHistoryByQuota', ROLES],
  ])('%s to who may not', async (operation, input) => {
    const answer = await ask(operation, input, { keys: nobody })
    expect(answer['__type']).toBe('AccessDeniedException')
    expect(fixture.aws.decisions.recent().at(-1)).toMatchObject({
      action: `servicequotas:${operation}`,
      allowed: false,
    })
  })
})

/** Service Quotas, CloudTrail and EC2, asked by hand-signed requests. */
import {
  CreateClusterCommand,
  DeleteClusterCommand,
  waitUntilClusterActive,
} from '@aws-sdk/client-eks'
import {
  CreateOpenIDConnectProviderCommand,
  CreateRoleCommand,
  GetRoleCommand,
  PutRolePolicyCommand,
} from '@aws-sdk/client-iam'
import { AssumeRoleCommand, AssumeRoleWithWebIdentityCommand } from '@aws-sdk/client-sts'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { signRequest } from '../../aws/sign.ts'
import { Secret } from '../../lib/secret.ts'
import {
  ACCOUNT,
  allowOf,
  type AwsFixture,
  type Keys,
  REGION,
  refusalOf,
  startAwsFixture,
  trustOf,
} from './aws-fixture.suite.ts'

type Answer = Record<string, unknown>

let fixture: AwsFixture
let nobody: Keys
beforeAll(async () => {
  fixture = await startAwsFixture()
  const { iam, sts } = fixture.clients(fixture.admin)
  const AssumeRolePolicyDocument = trustOf({ AWS: ACCOUNT }, 'sts:AssumeRole')
  await iam.send(new CreateRoleCommand({ RoleName: 'nobody', AssumeRolePolicyDocument }))
  const PolicyDocument = allowOf('s3:*')
  const put = { RoleName: 'nobody', PolicyName: 'own', PolicyDocument }
  await iam.send(new PutRolePolicyCommand(put))
  const RoleArn = `arn:aws:iam::${ACCOUNT}:role/nobody`
  const { Credentials } = await sts.send(
    new AssumeRoleCommand({ RoleArn, RoleSessionName: 'nobody-1' }),
  )
  nobody = {
    accessKeyId: Credentials?.AccessKeyId ?? '',
    secretAccessKey: Credentials?.SecretAccessKey ?? '',
    sessionToken: Credentials?.SessionToken ?? '',
  }
})
afterAll(() => fixture.stop())

interface Ask {
  readonly service: string
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
  readonly region?: string
  readonly keys?: Keys
}

async function post(ask: Ask): Promise<{ status: number; text: string }> {
  const { service, body, region = REGION, keys = fixture.admin } = ask
  const url = `${fixture.endpoint}/`
  const headers = await signRequest(
    { method: 'POST', url, headers: ask.headers, body },
    {
      accessKeyId: keys.accessKeyId,
      secretAccessKey: new Secret(keys.secretAccessKey),
      ...(keys.sessionToken !== undefined && { sessionToken: new Secret(keys.sessionToken) }),
    },
    { service, region, clock: fixture.clock },
  )
  const signal = AbortSignal.timeout(10_000)
  const init = { method: 'POST', headers, body, proxy: false, signal } as never
  const response = await fetch(url, init)
  return { status: response.status, text: await response.text() }
}

const targets: Readonly<Record<string, string>> = {
  servicequotas: 'ServiceQuotasV20190624',
  cloudtrail: 'com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101',
}

async function ask(
  service: string,
  operation: string,
  input: object,
  more: { region?: string; keys?: Keys } = {},
): Promise<{ status: number; body: Answer }> {
  const headers = {
    'content-type': 'application/x-amz-json-1.1',
    'x-amz-target': `${targets[service] ?? ''}.${operation}`,
  }
  const { status, text } = await post({ service, headers, body: JSON.stringify(input), ...more })
  return { status, body: JSON.parse(text) }
}

describe('Service Quotas', () => {
  const HOME = { region: 'us-east-1' }
  const PROVIDERS = { ServiceCode: 'iam', QuotaCode: 'L-858F3967' }

  test("IAM's are read in the home region, and hold live", async () => {
    const elsewhere = await ask('servicequotas', 'GetServiceQuota', PROVIDERS)
    expect(elsewhere.body['__type']).toBe('NoSuchResourceException')
    const { body } = await ask('servicequotas', 'GetServiceQuota', PROVIDERS, HOME)
    expect(body['Quota']).toMatchObject({
      Value: 100,
      Adjustable: true,
      GlobalQuota: true,
      QuotaArn: `arn:aws:servicequotas::${ACCOUNT}:iam/L-858F3967`,
    })
    fixture.aws.setQuota({ name: 'oidcProviders', accountId: ACCOUNT, value: 0 })
    const { iam } = fixture.clients(fixture.admin)
    const create = (): Promise<unknown> =>
      iam.send(
        new CreateOpenIDConnectProviderCommand({
          Url: 'https://green.issuer.sandbox/clusters/green',
          ClientIDList: ['sts.amazonaws.com'],
          ThumbprintList: ['a'.repeat(40)],
        }),
      )
    expect(await refusalOf(create())).toMatchObject({ code: 'LimitExceededException', status: 409 })
    const raised = await ask(
      'servicequotas',
      'RequestServiceQuotaIncrease',
      { ...PROVIDERS, DesiredValue: 700 },
      HOME,
    )
    expect(raised.body['RequestedQuota']).toMatchObject({ Status: 'APPROVED', DesiredValue: 700 })
    await create()
    const shown = await ask('servicequotas', 'GetServiceQuota', PROVIDERS, HOME)
    expect(shown.body['Quota']).toMatchObject({ Value: 700 })
    const usual = await ask('servicequotas', 'GetAWSDefaultServiceQuota', PROVIDERS, HOME)
    expect(usual.body['Quota']).toMatchObject({ Value: 100 })
    const tooMuch = { ...PROVIDERS, DesiredValue: 701 }
    const refused = await ask('servicequotas', 'RequestServiceQuotaIncrease', tooMuch, HOME)
    expect(refused.body['RequestedQuota']).toMatchObject({ Status: 'NOT_APPROVED' })
  })

  test('are listed with pages', async () => {
    const codes: unknown[] = []
    let NextToken: unknown
    do {
      const input = {
        ServiceCode: 'iam',
        MaxResults: 1,
        ...(NextToken !== undefined && { NextToken }),
      }
      const { body } = await ask('servicequotas', 'ListServiceQuotas', input, HOME)
      codes.push(...(body['Quotas'] as Answer[]).map((quota) => quota['QuotaCode']))
      NextToken = body['NextToken']
    } while (NextToken !== undefined)
    expect(codes).toEqual(expect.arrayContaining(['L-858F3967', 'L-C07B4B0D', 'L-FE177D64']))
    expect(new Set(codes).size).toBe(codes.length)
    const eks = await ask('servicequotas', 'ListServiceQuotas', { ServiceCode: 'eks' })
    const shown = (eks.body['Quotas'] as Answer[]).map((quota) => [
      quota['QuotaCode'],
      quota['Value'],
    ])
    expect(shown).toContainEqual(['L-1194D53C', 100])
    expect(shown).toHaveLength(9)
  })

  test('refuse what is not there, and those who may not ask', async () => {
    const codeOf = async (input: object, keys?: Keys): Promise<unknown> =>
      (await ask('servicequotas', 'GetServiceQuota', input, { ...HOME, ...(keys && { keys }) }))
        .body['__type']
    expect(await codeOf({ ServiceCode: 'iam', QuotaCode: 'L-00000000' })).toBe(
      'NoSuchResourceException',
    )
    expect(await codeOf({ ServiceCode: 'iam' })).toBe('ValidationException')
    expect(await codeOf(PROVIDERS, nobody)).toBe('AccessDeniedException')
  })
})

describe('CloudTrail', () => {
  const lookUp = async (input: object): Promise<Answer[]> =>
    (await ask('cloudtrail', 'LookupEvents', input)).body['Events'] as Answer[]

  test('tells AccessDenied, and not InvalidIdentityToken', async () => {
    const { iam } = fixture.clients(nobody)
    await refusalOf(iam.send(new GetRoleCommand({ RoleName: 'nobody' })))
    const { sts } = fixture.clients(fixture.admin)
    const RoleArn = `arn:aws:iam::${ACCOUNT}:role/nobody`
    const WebIdentityToken = await fixture.token({ iss: 'https://other.issuer.sandbox/x' })
    const request = { RoleArn, RoleSessionName: 'token', WebIdentityToken }
    const refused = await refusalOf(sts.send(new AssumeRoleWithWebIdentityCommand(request)))
    expect(refused.code).toBe('InvalidIdentityTokenException')
    const attribute = (AttributeKey: string, AttributeValue: string): object => ({
      LookupAttributes: [{ AttributeKey, AttributeValue }],
    })
    const [event] = await lookUp(attribute('EventName', 'GetRole'))
    expect(event).toMatchObject({
      EventSource: 'iam.amazonaws.com',
      ReadOnly: 'true',
      Username: 'nobody-1',
      Resources: [{ ResourceType: 'AWS::IAM::Role', ResourceName: RoleArn }],
    })
    const record = JSON.parse(String(event?.['CloudTrailEvent'])) as Answer
    expect(record).toMatchObject({ errorCode: 'AccessDenied', eventName: 'GetRole' })
    expect(await lookUp(attribute('EventName', 'AssumeRoleWithWebIdentity'))).toEqual([])
    const own = await lookUp(attribute('EventId', String(event?.['EventId'])))
    expect(own).toHaveLength(1)
    const bySource = await lookUp(attribute('EventSource', 'sts.amazonaws.com'))
    expect(bySource.map((one) => one['EventName'])).toContain('AssumeRole')
  })

  test('has the name that Smithy models give it, too', async () => {
    const asked = (target: string): Promise<{ status: number }> =>
      post({ service: 'cloudtrail', headers: { 'x-amz-target': target }, body: '{}' })
    expect((await asked('CloudTrail_20131101.LookupEvents')).status).toBe(200)
    expect((await asked('CloudTrail_20130101.LookupEvents')).status).toBe(400)
    expect((await asked('TrentService.ListKeys')).status).toBe(400)
  })

  test('gives pages, the newest first, within times', async () => {
    const times: number[] = []
    let NextToken: unknown
    let pages = 0
    do {
      const input: object = { MaxResults: 2, ...(NextToken !== undefined && { NextToken }) }
      const { body } = await ask('cloudtrail', 'LookupEvents', input)
      times.push(...(body['Events'] as Answer[]).map((event) => Number(event['EventTime'])))
      NextToken = body['NextToken']
      pages += 1
    } while (NextToken !== undefined && pages < 100)
    expect(pages).toBeGreaterThan(1)
    expect(times).toEqual(times.toSorted((a, b) => b - a))
    const future = fixture.clock.now() / 1000 + 60
    expect(await lookUp({ StartTime: future })).toEqual([])
  })

  test('refuses wrong lookups', async () => {
    const codeOf = async (input: object, keys?: Keys): Promise<unknown> =>
      (await ask('cloudtrail', 'LookupEvents', input, keys && { keys })).body['__type']
    const one = { AttributeKey: 'EventName', AttributeValue: 'x' }
    expect(await codeOf({ LookupAttributes: [one, one] })).toBe('InvalidLookupAttributesException')
    const wrong = { LookupAttributes: [{ ...one, AttributeKey: 'Color' }] }
    expect(await codeOf(wrong)).toBe('InvalidLookupAttributesException')
    expect(await codeOf({ MaxResults: 51 })).toBe('InvalidMaxResultsException')
    expect(await codeOf({ NextToken: 'x' })).toBe('InvalidNextTokenException')
    expect(await codeOf({ StartTime: 2, EndTime: 1 })).toBe('InvalidTimeRangeException')
    expect(await codeOf({}, nobody)).toBe('AccessDeniedException')
  })
})

describe('EC2', () => {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const call = (parameters: Record<string, string | undefined>, keys = fixture.admin) => {
    const form = { Version: '2016-11-15', ...parameters } as Record<string, string>
    const body = new URLSearchParams(form).toString()
    return post({ service: 'ec2', headers, body, keys })
  }

  test('describes instances with their metadata options, by id, filter and page', async () => {
    const place = { accountId: ACCOUNT, region: REGION, clusterName: 'blue' }
    const made = Array.from({ length: 7 }, (_, index) =>
      fixture.aws.putInstance({ ...place, nodeName: `node-${index}` }),
    )
    const loose = fixture.aws.putInstance({
      ...place,
      nodeName: 'loose',
      metadataOptions: { httpTokens: 'optional', httpPutResponseHopLimit: 2 },
    })
    const idsOf = (text: string): string[] =>
      [...text.matchAll(/<instanceId>([^<]*)</g)].map(([, id]) => id ?? '')
    const all = await call({ Action: 'DescribeInstances' })
    expect(idsOf(all.text).toSorted()).toEqual(
      [...made, loose].map(({ instanceId }) => instanceId).toSorted(),
    )
    expect(all.text).toContain('<httpTokens>required</httpTokens>')
    const one = await call({ Action: 'DescribeInstances', 'InstanceId.1': loose.instanceId })
    expect(idsOf(one.text)).toEqual([loose.instanceId])
    expect(one.text).toContain('<httpPutResponseHopLimit>2</httpPutResponseHopLimit>')
    const filtered = await call({
      Action: 'DescribeInstances',
      'Filter.1.Name': 'metadata-options.http-tokens',
      'Filter.1.Value.1': 'optional',
      'Filter.2.Name': 'tag:eks:cluster-name',
      'Filter.2.Value.1': 'bl*',
    })
    expect(idsOf(filtered.text)).toEqual([loose.instanceId])
    const first = await call({ Action: 'DescribeInstances', MaxResults: '5' })
    const [, NextToken = ''] = /<nextToken>([^<]*)</.exec(first.text) ?? []
    const second = await call({ Action: 'DescribeInstances', MaxResults: '5', NextToken })
    expect([...idsOf(first.text), ...idsOf(second.text)]).toHaveLength(8)
  })

  test.each([
    [{ 'InstanceId.1': 'i-00000000000000000' }, 'InvalidInstanceID.NotFound', 400],
    [{ 'InstanceId.1': 'web' }, 'InvalidInstanceID.Malformed', 400],
    [{ MaxResults: '4' }, 'InvalidParameterValue', 400],
    [{ 'Filter.1.Name': 'color', 'Filter.1.Value.1': 'red' }, 'InvalidParameterValue', 400],
    [{ Action: 'RunInstances' }, 'InvalidAction', 400],
  ])('refuses %j', async (parameters, code, status) => {
    const answer = await call({ Action: 'DescribeInstances', ...parameters })
    expect(answer.status).toBe(status)
    expect(answer.text).toContain(`<Code>${code}</Code>`)
  })

  test('refuses those who may not, and tells the regions', async () => {
    const refused = await call({ Action: 'DescribeInstances' }, nobody)
    expect(refused.status).toBe(403)
    expect(refused.text).toContain('<Code>UnauthorizedOperation</Code>')
    const wrong = { ...fixture.admin, secretAccessKey: 'x'.repeat(40) }
    const forged = await call({ Action: 'DescribeRegions' }, wrong)
    expect(forged.status).toBe(401)
    expect(forged.text).toContain('<Code>AuthFailure</Code>')
    const regions = await call({ Action: 'DescribeRegions', 'RegionName.1': REGION })
    expect(regions.text).toContain(`<regionEndpoint>ec2.${REGION}.amazonaws.com</regionEndpoint>`)
  })

  // Last: it moves the clock beyond what the keys of `nobody` are good for.
  test("a deleted cluster's instances are terminated, and shown for an hour", async () => {
    const { aws, clock } = fixture
    const { eks } = fixture.clients(fixture.admin)
    const create = async (): Promise<void> => {
      const roleArn = `arn:aws:iam::${ACCOUNT}:role/nobody`
      const resourcesVpcConfig = { subnetIds: ['subnet-1'] }
      await eks.send(new CreateClusterCommand({ name: 'gone', roleArn, resourcesVpcConfig }))
      await waitUntilClusterActive({ client: eks, maxWaitTime: 10, minDelay: 1 }, { name: 'gone' })
    }
    const node = { accountId: ACCOUNT, region: REGION, clusterName: 'gone', nodeName: 'node-1' }
    const shown = async (): Promise<string[]> => {
      const { text } = await call({
        Action: 'DescribeInstances',
        'Filter.1.Name': 'tag:eks:cluster-name',
        'Filter.1.Value.1': 'gone',
      })
      const parts = text.split('<instanceId>').slice(1)
      return parts.map((part) => {
        const read = (name: string): string =>
          new RegExp(`<${name}>([^<]*)<`).exec(part)?.[1] ?? '-'
        return [part.slice(0, part.indexOf('<')), read('name'), read('privateIpAddress')].join(' ')
      })
    }
    await create()
    const first = aws.putInstance(node)
    expect(aws.putInstance(node).instanceId).toBe(first.instanceId)
    const running = [`${first.instanceId} running ${first.privateIpAddress}`]
    expect(await shown()).toEqual(running)
    aws.putInstance({ ...node, clusterName: 'going', tags: { 'eks:cluster-name': 'gone' } })
    const other = (await shown()).filter((line) => !running.includes(line))
    await eks.send(new DeleteClusterCommand({ name: 'gone' }))
    const terminated = `${first.instanceId} terminated -`
    expect((await shown()).toSorted()).toEqual([terminated, ...other].toSorted())
    await create()
    const second = aws.putInstance(node)
    expect(second.instanceId).not.toBe(first.instanceId)
    const now = `${second.instanceId} running ${second.privateIpAddress}`
    clock.advance(3_599_000)
    expect((await shown()).toSorted()).toEqual([terminated, now, ...other].toSorted())
    clock.advance(1000)
    expect((await shown()).toSorted()).toEqual([now, ...other].toSorted())
  })
})

/** EKS API Reference, DescribeClusterVersions. */
import {
  type ClusterVersionInformation,
  DescribeClusterVersionsCommand,
  type EKSClient,
} from '@aws-sdk/client-eks'
import { CreateAccessKeyCommand, CreateUserCommand } from '@aws-sdk/client-iam'
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { type AwsFixture, refusalOf, startAwsFixture } from '../aws-fixture.suite.ts'

let fixture: AwsFixture
let eks: EKSClient
beforeAll(async () => {
  fixture = await startAwsFixture()
  eks = fixture.clients(fixture.admin).eks
})
afterAll(() => fixture.stop())

const describe = async (input: object = {}): Promise<readonly ClusterVersionInformation[]> =>
  (await eks.send(new DescribeClusterVersionsCommand(input))).clusterVersions ?? []
const namesOf = (versions: readonly ClusterVersionInformation[]): (string | undefined)[] =>
  versions.map(({ clusterVersion }) => clusterVersion)

/** Calls of the SDK are signed by the machine's clock: the sandbox's is moved around one call. */
async function at(day: string, input: object = {}): Promise<readonly ClusterVersionInformation[]> {
  const { keys, path } = { keys: fixture.admin, path: '/cluster-versions' }
  const shift = Date.parse(day) - fixture.clock.now()
  fixture.clock.advance(shift)
  const query = new URLSearchParams(input as Record<string, string>).toString()
  const response = await fixture.call({
    keys,
    service: 'eks',
    method: 'GET',
    path: query === '' ? path : `${path}?${query}`,
  })
  fixture.clock.advance(-shift)
  const body = (await response.json()) as { clusterVersions: ClusterVersionInformation[] }
  return body.clusterVersions
}

test('one is the default, the newest is the first', async () => {
  const all = await describe({ includeAll: true })
  expect(namesOf(all)).toEqual(['1.36', '1.35', '1.34', '1.33', '1.32', '1.31', '1.30'])
  expect(namesOf(await describe({ defaultOnly: true }))).toEqual(['1.34'])
  const [named] = await describe({ clusterVersions: ['1.33'] })
  expect(named).toMatchObject({
    clusterVersion: '1.33',
    clusterType: 'eks',
    defaultVersion: false,
    releaseDate: new Date('2025-05-29'),
    endOfStandardSupportDate: new Date('2026-07-29'),
  })
  expect(await describe({ clusterType: 'other' })).toEqual([])
})

test('support is that of the day', async () => {
  const statusOf = async (day: string): Promise<unknown[]> =>
    (await at(day, { clusterVersions: '1.33' })).map((one) => [one.versionStatus, one.status])
  expect(await statusOf('2026-07-28')).toEqual([['STANDARD_SUPPORT', 'standard-support']])
  expect(await statusOf('2026-07-29')).toEqual([['EXTENDED_SUPPORT', 'extended-support']])
  expect(await statusOf('2027-07-29')).toEqual([['UNSUPPORTED', 'unsupported']])
  expect(namesOf(await at('2026-08-01'))).toEqual(['1.36', '1.35', '1.34', '1.33', '1.32', '1.31'])
  const extended = { versionStatus: 'EXTENDED_SUPPORT' }
  expect(namesOf(await at('2026-08-01', extended))).toEqual(['1.33', '1.32', '1.31'])
  expect(namesOf(await at('2026-08-01', { status: 'unsupported' }))).toEqual(['1.30'])
})

test('pages, and refusals', async () => {
  const first = await eks.send(new DescribeClusterVersionsCommand({ maxResults: 1 }))
  const { nextToken } = first
  const [second] = await describe({ nextToken, includeAll: true })
  expect([...namesOf(first.clusterVersions ?? []), second?.clusterVersion]).toEqual([
    '1.36',
    '1.35',
  ])
  for (const wrong of [{ versionStatus: 'OLD' }, { maxResults: 101 }, { nextToken: 'x' }]) {
    expect((await refusalOf(describe(wrong))).code).toBe('InvalidParameterException')
  }
  const { iam } = fixture.clients(fixture.admin)
  await iam.send(new CreateUserCommand({ UserName: 'nobody' }))
  const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName: 'nobody' }))
  const { eks: own } = fixture.clients({
    accessKeyId: AccessKey?.AccessKeyId ?? '',
    secretAccessKey: AccessKey?.SecretAccessKey ?? '',
  })
  const refused = await refusalOf(own.send(new DescribeClusterVersionsCommand({})))
  expect(refused).toMatchObject({ code: 'AccessDeniedException', status: 403 })
})

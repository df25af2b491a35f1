/**
 * EC2's DescribeInstances, as far as the metadata service goes: the SDK's client of EC2 would be a
 * third of podrole's executable for one call.
 */
import { systemClock } from '../lib/clock.ts'
import { codeOf, messageOf } from '../lib/errors.ts'
import { fetchBounded } from './_bounded-fetch.ts'
import { childOf, type Element, readXml, textIn } from './_xml.ts'
import type { AwsAccount } from './account.ts'
import { type Environment, serviceEndpoint } from './endpoints.ts'
import { ServiceFault } from './service-fault.ts'
import { signRequest } from './sign.ts'
import { outlastThrottling } from './throttling.ts'

/** How a running instance's metadata service is set. EC2 API, InstanceMetadataOptionsResponse. */
export interface InstanceMetadata {
  readonly id: string
  /** `enabled` or `disabled` */
  readonly httpEndpoint: string
  /** `required` (version 2 alone) or `optional` */
  readonly httpTokens: string
  readonly hopLimit: number
}

const VERSION = '2016-11-15'
/** Of at most 1,000; an instance is several kilobytes of XML. */
const PER_PAGE = 500
const MAX_BYTES = 32 << 20
const TIMEOUT_MS = 20_000
const MAX_PAGES = 100

/**
 * The running instances with the tag `kubernetes.io/cluster/NAME`, which EKS, kOps and eksctl give
 * to nodes.
 * @throws ServiceFault with EC2's code (`UnauthorizedOperation`, …); `InvalidServiceAnswer`
 */
export async function describeClusterInstances(
  account: AwsAccount,
  clusterName: string,
  around: { readonly environment: Environment; readonly onCall: (operation: string) => void },
): Promise<readonly InstanceMetadata[]> {
  const found: InstanceMetadata[] = []
  let token: string | undefined
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const answer = await outlastThrottling(() => {
      around.onCall('DescribeInstances')
      return callEc2(account, around.environment, {
        Action: 'DescribeInstances',
        MaxResults: String(PER_PAGE),
        'Filter.1.Name': 'tag-key',
        'Filter.1.Value.1': `kubernetes.io/cluster/${clusterName}`,
        'Filter.2.Name': 'instance-state-name',
        'Filter.2.Value.1': 'running',
        ...(token !== undefined && { NextToken: token }),
      })
    })
    found.push(...instancesIn(answer))
    token = textIn(answer, 'nextToken') || undefined
    if (token === undefined) return found
  }
  throw invalid(`has more than ${MAX_PAGES} pages`)
}

const instancesIn = (answer: Element): readonly InstanceMetadata[] =>
  itemsOf(childOf(answer, 'reservationSet')).flatMap((reservation) =>
    itemsOf(childOf(reservation, 'instancesSet')).map((instance) => {
      const options = childOf(instance, 'metadataOptions')
      return {
        id: textIn(instance, 'instanceId'),
        httpEndpoint: textIn(options, 'httpEndpoint'),
        httpTokens: textIn(options, 'httpTokens'),
        hopLimit: Number(textIn(options, 'httpPutResponseHopLimit')),
      }
    }),
  )

const itemsOf = (list: Element | undefined): readonly Element[] =>
  (list?.children ?? []).filter(({ name }) => name === 'item')

async function callEc2(
  account: AwsAccount,
  environment: Environment,
  parameters: Readonly<Record<string, string>>,
): Promise<Element> {
  const { clientConfig, region } = account
  const endpoint = clientConfig.endpoint ?? serviceEndpoint('ec2', region, environment)
  const body = new URLSearchParams({ ...parameters, Version: VERSION }).toString()
  const url = `${endpoint}/`
  const headers = await signRequest(
    {
      method: 'POST',
      url,
      headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' },
      body,
    },
    await account.credentials(),
    { service: 'ec2', region, clock: systemClock },
  )
  const call = { url, method: 'POST', headers, body, timeoutMs: TIMEOUT_MS, maxBytes: MAX_BYTES }
  const { status, text } = await fetchBounded(call).catch((error: unknown) => {
    const what = `EC2 at ${endpoint} cannot be asked (${codeOf(error) ?? messageOf(error).slice(0, 200)})`
    throw new ServiceFault('ServiceUnreachable', what, { fault: 'unknown', cause: error })
  })
  const answer = readXml(text)
  if (status >= 200 && status < 300 && answer !== undefined) return answer
  throw faultOf(answer, status)
}

function faultOf(answer: Element | undefined, status: number): ServiceFault {
  const error = answer && childOf(childOf(answer, 'Errors'), 'Error')
  if (error === undefined) return invalid(`with status ${status} is not what EC2 answers`)
  const message = `DescribeInstances: ${textIn(error, 'Message').slice(0, 1000)}`
  return new ServiceFault(textIn(error, 'Code') || `Http${status}`, message, {
    status,
    fault: status >= 500 ? 'server' : 'client',
  })
}

const invalid = (problem: string): ServiceFault =>
  new ServiceFault('InvalidServiceAnswer', `the answer of EC2 ${problem}`, { fault: 'server' })

import { AwsFault } from '../wire/fault.ts'
import type { OrderedFaults } from './board.ts'

type Wording = readonly [code: string, status: number, message: string]

interface Wordings {
  readonly throttle: Wording
  readonly outage: Wording
}

const RATE = 'Rate exceeded'
const UNAVAILABLE = 'The service is unavailable. Please try again later.'

const QUERY: Wordings = {
  throttle: ['Throttling', 400, RATE],
  outage: ['ServiceUnavailable', 503, UNAVAILABLE],
}
const TARGET: Wordings = {
  throttle: ['ThrottlingException', 400, RATE],
  outage: ['ServiceUnavailableException', 503, UNAVAILABLE],
}
const REST_JSON: Wordings = {
  throttle: ['ThrottlingException', 429, RATE],
  outage: ['ServiceUnavailableException', 503, UNAVAILABLE],
}

/**
 * What each service says when it is asked too often, and when it is down. Sources: "Common Errors"
 * of the STS, IAM and KMS API References; the errors of EKS's and EKS Auth's, Service Quotas' and
 * CloudTrail's operations; S3 API Reference, "Error Responses"; EC2 API Reference, "Error codes".
 */
const WORDINGS: Readonly<Record<string, Wordings>> = {
  sts: QUERY,
  iam: QUERY,
  eks: REST_JSON,
  'eks-auth': REST_JSON,
  s3: {
    throttle: ['SlowDown', 503, 'Please reduce your request rate.'],
    outage: ['ServiceUnavailable', 503, 'Service is unable to handle request.'],
  },
  ec2: {
    throttle: ['RequestLimitExceeded', 503, 'Request limit exceeded.'],
    outage: ['Unavailable', 503, 'The server is overloaded and can not handle the request.'],
  },
  kms: TARGET,
  servicequotas: { ...TARGET, throttle: ['TooManyRequestsException', 400, RATE] },
  cloudtrail: TARGET,
}

/** The refusal that was ordered, in the words of the service. */
export function orderedFault(
  service: string,
  refusal: NonNullable<OrderedFaults['refusal']>,
): AwsFault {
  if (refusal.kind === 'error') {
    const { code, status } = refusal
    return new AwsFault(code, 'The sandbox was told to answer this.', { status })
  }
  const [code, status, message] = (WORDINGS[service] ?? QUERY)[refusal.kind]
  return new AwsFault(code, message, { status })
}

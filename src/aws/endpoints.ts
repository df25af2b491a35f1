import { partitionOfRegion } from '../iam/partitions.ts'
import { PodroleError } from '../lib/errors.ts'

/** The AWS services that podrole calls. */
export type AwsService = 'sts' | 'eks' | 'eks-auth' | 'iam' | 's3' | 'ec2' | 'service-quotas'

/** Environment variables, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>

/** IAM is one endpoint a partition (the AWS SDKs' endpoint rules for IAM); its host's first labels. */
const IAM_HOSTS: Readonly<Record<string, string>> = {
  aws: 'iam',
  'aws-cn': 'iam.cn-north-1',
  'aws-us-gov': 'iam.us-gov',
  'aws-iso': 'iam.us-iso-east-1',
  'aws-iso-b': 'iam.us-isob-east-1',
  'aws-iso-e': 'iam.eu-isoe-west-1',
  'aws-iso-f': 'iam.us-isof-south-1',
  'aws-eusc': 'iam.eusc-de-east-1',
}

/**
 * The base URL of a service, without a terminating slash: AWS_ENDPOINT_URL_<SERVICE>, then
 * AWS_ENDPOINT_URL (AWS SDKs and Tools Reference Guide, "Service-specific endpoints"; both are
 * ignored where AWS_IGNORE_CONFIGURED_ENDPOINT_URLS is true), else the partition's host. EKS Auth's
 * default is dual stack where the partition has it.
 * @throws PodroleError `InvalidEndpoint`, `InvalidRegion`
 */
export function serviceEndpoint(
  service: AwsService,
  region: string,
  environment: Environment,
): string {
  const own = `AWS_ENDPOINT_URL_${service.toUpperCase().replace('-', '_')}`
  if (environment['AWS_IGNORE_CONFIGURED_ENDPOINT_URLS']?.toLowerCase() !== 'true') {
    for (const name of [own, 'AWS_ENDPOINT_URL']) {
      const value = environment[name]
      if (value) return checkedEndpoint(name, value)
    }
  }
  const { id, dnsSuffix, dualStackDnsSuffix } = partitionOfRegion(region)
  if (service === 'iam') return `https://${IAM_HOSTS[id] ?? 'iam'}.${dnsSuffix}`
  const suffix = service === 'eks-auth' ? (dualStackDnsSuffix ?? dnsSuffix) : dnsSuffix
  const host = service === 'service-quotas' ? 'servicequotas' : service
  return `https://${host}.${region}.${suffix}`
}

function checkedEndpoint(name: string, value: string): string {
  const url = URL.canParse(value) ? new URL(value) : undefined
  const plain = url && `${url.username}${url.password}${url.search}${url.hash}` === ''
  if (!plain || !/^https?:$/.test(url.protocol)) {
    // A URL may hold a password: it is not quoted.
    throw new PodroleError(
      'InvalidEndpoint',
      `${name} is not an endpoint: wanted an http or https URL without user, query and fragment`,
    )
  }
  return value.replace(/\/+$/, '')
}

import { PodroleError } from '../lib/errors.ts'

/** A separate AWS: its own accounts, ARNs and host names. */
export interface Partition {
  /** As in ARNs: `aws`, `aws-cn`, … */
  readonly id: string
  /** What IPv4 endpoints end in. */
  readonly dnsSuffix: string
  /** What dual stack endpoints end in. */
  readonly dualStackDnsSuffix?: string
  /** Where IAM is, and where its quotas are read. */
  readonly homeRegion: string
}

interface PartitionRow {
  readonly partition: Partition
  readonly regions: RegExp
}

/** From the AWS SDKs' `partitions.json`. More special rows come before more general ones. */
const ROWS: readonly PartitionRow[] = [
  row('aws-cn', /^cn-/, 'cn-north-1', ['amazonaws.com.cn', 'api.amazonwebservices.com.cn']),
  row('aws-us-gov', /^us-gov-/, 'us-gov-west-1', ['amazonaws.com', 'api.aws']),
  row('aws-iso', /^us-iso-/, 'us-iso-east-1', ['c2s.ic.gov', 'api.aws.ic.gov']),
  row('aws-iso-b', /^us-isob-/, 'us-isob-east-1', ['sc2s.sgov.gov', 'api.aws.scloud']),
  row('aws-iso-e', /^eu-isoe-/, 'eu-isoe-west-1', ['cloud.adc-e.uk', 'api.cloud-aws.adc-e.uk']),
  row('aws-iso-f', /^us-isof-/, 'us-isof-south-1', ['csp.hci.ic.gov', 'api.aws.hci.ic.gov']),
  row('aws-eusc', /^eusc-/, 'eusc-de-east-1', ['amazonaws.eu', 'api.amazonwebservices.eu']),
  row('aws', /^/, 'us-east-1', ['amazonaws.com', 'api.aws']),
]

const REGION = /^[a-z]{2,8}(?:-[a-z]{2,16}){1,3}-[0-9]{1,2}$/
const GLOBAL = '-global'

function row(
  id: string,
  regions: RegExp,
  homeRegion: string,
  suffixes: readonly [ipv4: string, dualStack: string],
): PartitionRow {
  const [dnsSuffix, dualStackDnsSuffix] = suffixes
  return { partition: { id, dnsSuffix, dualStackDnsSuffix, homeRegion }, regions }
}

/**
 * The partition that a region is in. A region that no rule names is in `aws`, as in the AWS SDKs;
 * `aws-global`, `aws-cn-global` and the like are known too.
 * @throws PodroleError `InvalidRegion` for what is no region's name.
 */
export function partitionOfRegion(region: string): Partition {
  if (region.endsWith(GLOBAL)) {
    const named = ROWS.find(({ partition }) => `${partition.id}${GLOBAL}` === region)
    if (named !== undefined) return named.partition
  }
  const found = REGION.test(region) ? ROWS.find(({ regions }) => regions.test(region)) : undefined
  if (found === undefined) {
    throw new PodroleError(
      'InvalidRegion',
      `Cannot find the partition of region ${JSON.stringify(region.slice(0, 64))}: wanted a name such as eu-central-1`,
      { status: 400 },
    )
  }
  return found.partition
}

/**
 * The partition with that id.
 * @throws PodroleError `InvalidPartition`, naming those that are known.
 */
export function partitionById(id: string): Partition {
  const found = ROWS.find(({ partition }) => partition.id === id)
  if (found === undefined) {
    throw new PodroleError(
      'InvalidPartition',
      `Cannot find partition ${JSON.stringify(id.slice(0, 64))}: wanted one of ${ROWS.map(({ partition }) => partition.id).join(', ')}`,
      { status: 400 },
    )
  }
  return found.partition
}

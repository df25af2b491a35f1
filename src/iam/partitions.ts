import { PodroleError } from '../lib/errors.ts'

/** A separate AWS: its own accounts, ARNs and host names. */
export interface Partition {
  /** As in ARNs: `aws`, `aws-cn`, … */
  readonly id: string
  /** What IPv4 endpoints end in. */
  readonly dnsSuffix: string
  /** What dual stack endpoints end in. */
  readonly dualStackDnsSuffix?: string
}

interface PartitionRow {
  readonly partition: Partition
  readonly regions: RegExp
}

/** From the AWS SDKs' `partitions.json`. More special rows come before more general ones. */
const ROWS: readonly PartitionRow[] = [
  row('aws-cn', /^cn-/, 'amazonaws.com.cn', 'api.amazonwebservices.com.cn'),
  row('aws-us-gov', /^us-gov-/, 'amazonaws.com', 'api.aws'),
  row('aws-iso', /^us-iso-/, 'c2s.ic.gov', 'api.aws.ic.gov'),
  row('aws-iso-b', /^us-isob-/, 'sc2s.sgov.gov', 'api.aws.scloud'),
  row('aws-iso-e', /^eu-isoe-/, 'cloud.adc-e.uk', 'api.cloud-aws.adc-e.uk'),
  row('aws-iso-f', /^us-isof-/, 'csp.hci.ic.gov', 'api.aws.hci.ic.gov'),
  row('aws-eusc', /^eusc-/, 'amazonaws.eu', 'api.amazonwebservices.eu'),
  row('aws', /^/, 'amazonaws.com', 'api.aws'),
]

const REGION = /^[a-z]{2,8}(?:-[a-z]{2,16}){1,3}-[0-9]{1,2}$/
const GLOBAL = '-global'

function row(
  id: string,
  regions: RegExp,
  dnsSuffix: string,
  dualStackDnsSuffix: string,
): PartitionRow {
  return { partition: { id, dnsSuffix, dualStackDnsSuffix }, regions }
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

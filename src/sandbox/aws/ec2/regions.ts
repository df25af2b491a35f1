import { AwsFault } from '../wire/fault.ts'
import type { QueryParameters } from '../wire/query.ts'
import type { Node } from '../wire/xml.ts'
import type { Call } from '../world.ts'
import { authorizeEc2 } from './authorization.ts'
import { itemsOf, readIndexed } from './parameters.ts'

const REGIONS: Readonly<Record<string, readonly string[]>> = {
  aws: [
    'ap-northeast-1',
    'ap-northeast-2',
    'ap-northeast-3',
    'ap-south-1',
    'ap-southeast-1',
    'ap-southeast-2',
    'ca-central-1',
    'eu-central-1',
    'eu-north-1',
    'eu-west-1',
    'eu-west-2',
    'eu-west-3',
    'sa-east-1',
    'us-east-1',
    'us-east-2',
    'us-west-1',
    'us-west-2',
  ],
  'aws-cn': ['cn-north-1', 'cn-northwest-1'],
  'aws-us-gov': ['us-gov-east-1', 'us-gov-west-1'],
}

/** The partition's regions that need no opt-in, and the sandbox's own. */
export function describeRegions(call: Call, parameters: QueryParameters): Node {
  const names = readIndexed(parameters, 'RegionName')
  authorizeEc2(call, 'ec2:DescribeRegions')
  const { partition, region } = call.world
  const known = [...new Set([...(REGIONS[partition] ?? []), region])]
  const wrong = names.find((name) => !known.includes(name))
  if (wrong !== undefined) {
    throw new AwsFault('InvalidParameterValue', `Invalid region '${wrong.slice(0, 100)}'`)
  }
  const domain = partition === 'aws-cn' ? 'amazonaws.com.cn' : 'amazonaws.com'
  return {
    regionInfo: itemsOf(
      known
        .filter((name) => names.length === 0 || names.includes(name))
        .map((regionName) => ({
          regionName,
          regionEndpoint: `ec2.${regionName}.${domain}`,
          optInStatus: 'opt-in-not-required',
        })),
    ),
  }
}

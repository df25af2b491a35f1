import {
  DescribeInstancesCommand,
  DescribeRegionsCommand,
  EC2Client,
  paginateDescribeInstances,
  type Reservation,
} from '@aws-sdk/client-ec2'
import { did, equal, includes, listed, mapped, SETTINGS } from './checks.ts'

/** Looks at the sandbox's nodes: six, since a page holds five at least. */
export async function runEc2(): Promise<void> {
  const ec2 = new EC2Client(SETTINGS)
  const { Regions } = await ec2.send(new DescribeRegionsCommand({}))
  const names = mapped(Regions, (one) => one.RegionName)
  includes('regions', names, await ec2.config.region(), 'eu-west-1')
  did('ec2', 'region', 'list')
  const Filters = [{ Name: 'tag:eks:cluster-name', Values: ['sandbox'] }]
  const { Reservations } = await ec2.send(new DescribeInstancesCommand({ Filters }))
  const all = idsOf(Reservations)
  equal('instances', all.length, 6)
  did('ec2', 'instance', 'list')
  const pages = paginateDescribeInstances({ client: ec2, pageSize: 5 }, { Filters })
  equal('instances by pages', idsOf(await listed(pages, (page) => page.Reservations)), all)
  did('ec2', 'instance', 'pages')
}

const idsOf = (reservations: readonly Reservation[] | undefined): string[] =>
  (reservations ?? []).flatMap(({ Instances }) =>
    mapped(Instances, ({ InstanceId, State, MetadataOptions }) => {
      equal("an instance's state", State?.Name, 'running')
      equal('its metadata service', MetadataOptions?.HttpTokens, 'required')
      return InstanceId
    }),
  )

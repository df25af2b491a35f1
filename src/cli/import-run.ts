/** `podrole import`. */
import type { AwsAccount } from '../aws/account.ts'
import { parseServiceAccountName } from '../iam/service-account-name.ts'
import { PodroleError } from '../lib/errors.ts'
import { importAck } from '../manage/import/ack/ack.ts'
import { iamDetails } from '../manage/observe/iam-details.ts'
import { findObjects } from '../manage/import/found.ts'
import { type Imported, type ImportScope, lineOf } from '../manage/import/imported.ts'
import { importTerraform } from '../manage/import/terraform/terraform.ts'
import { type ImportPlace, wishOf } from '../manage/import/wishes.ts'
import { importYaml, type YamlInput } from '../manage/import/yaml/settle.ts'
import { observe } from '../manage/observe/observe.ts'
import type { ImportFlags } from './commands/import.ts'
import { printNote } from './output.ts'
import { brokerOf } from './parts/association-cluster.ts'
import { openPlaces } from './parts/observe-places.ts'
import { counted } from './plan-run.ts'

export async function runImport(flags: ImportFlags): Promise<void> {
  const places = placesOf(flags)
  const scope: ImportScope = {
    namespaces: flags.namespace ?? [],
    serviceAccounts: (flags.serviceAccount ?? []).map(parseServiceAccountName),
  }
  const { leftOut, text } = await counted((onCall) => read(flags, { places, scope, onCall }))
  for (const one of leftOut) printNote(`left out: ${lineOf(one)}`)
  process.stdout.write(text)
}

function placesOf(flags: ImportFlags): readonly ImportPlace[] {
  const { issuer } = flags
  const broker = brokerOf(flags)
  const names = [...new Set(flags.cluster)]
  if (issuer !== undefined && names.length > 1) {
    throw new PodroleError('InvalidOption', `--issuer ${issuer} is the one of one cluster alone`, {
      hint: 'Import each cluster by itself.',
    })
  }
  const region = flags.region ?? process.env['AWS_REGION']
  return names.map((name) => ({
    name,
    ...(region && { region }),
    ...(broker !== undefined && { broker }),
    ...(issuer !== undefined && { issuer }),
  }))
}

interface Asked {
  readonly places: readonly ImportPlace[]
  readonly scope: ImportScope
  readonly onCall: () => void
}

async function read(flags: ImportFlags, { onCall, places, scope }: Asked): Promise<Imported> {
  const wishes = places.map(wishOf)
  const open = await openPlaces(wishes, flags, { onCall, note: printNote })
  const observed = await observe(wishes, open, { foundAddons: true })
  const clusters = places.map((place) => {
    const cluster = observed.clusters.find(
      (one) => one.name === place.name && [undefined, one.region].includes(place.region),
    )
    if (cluster === undefined) throw noCluster(place, open.account)
    return { place, cluster }
  })
  const input: YamlInput = { clusters, observed, scope }
  if (flags.as === 'yaml') return importYaml(input)
  const found = await findObjects(input, await iamDetails(open.account, onCall))
  return flags.as === 'terraform' ? importTerraform(found) : importAck(found)
}

const noCluster = ({ name, region }: ImportPlace, { accountId }: AwsAccount): PodroleError =>
  new PodroleError(
    'NoCluster',
    `there is no cluster ${name}${region === undefined ? '' : ` in ${region}`} in account ${accountId}`,
    {
      hint: 'Look at name, region and credentials; --broker or --issuer for one that is not EKS.',
    },
  )

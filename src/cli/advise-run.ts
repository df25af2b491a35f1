/** `podrole advise`. */
import { type AwsAccount, openAccount } from '../aws/account.ts'
import { type Advice, advise, NAMES } from '../doctor/advise/advise.ts'
import { type Need, NEEDS, type Way, WAYS } from '../doctor/advise/facts.ts'
import { type AdviceCluster, type AdvicePlaces, gatherAdvice } from '../doctor/advise/gather.ts'
import { readKubeSigns } from '../doctor/advise/kube-signs.ts'
import { parseSdk } from '../doctor/facts/sdk.ts'
import { tryEach, type Unread } from '../doctor/facts/tried.ts'
import { iamQuotaReader } from '../doctor/quotas/aws-readers.ts'
import { parseServiceAccountName } from '../iam/service-account-name.ts'
import type { KubeClient } from '../kube/client.ts'
import { systemClock } from '../lib/clock.ts'
import { codeOf, messageOf, PodroleError } from '../lib/errors.ts'
import { iamReader } from '../manage/observe/iam-reader.ts'
import { kubeReader } from '../manage/observe/kube-reader.ts'
import type { AdviseFlags } from './commands/advise.ts'
import { formatTable, printData, printNote } from './output.ts'
import { brokerOf } from './parts/association-cluster.ts'
import { openKube } from './parts/kube-cluster.ts'
import { openClusterKube, openPlaces } from './parts/observe-places.ts'
import { accessOf } from './role-run.ts'

export async function runAdvise(
  serviceAccount: string | undefined,
  flags: AdviseFlags,
): Promise<number> {
  if ((serviceAccount === undefined) !== flags.all) {
    throw new PodroleError('InvalidTarget', 'wanted a service account, or --all, and not both')
  }
  const needs = flags.need.map(readNeed)
  const sdk = flags.sdk === undefined ? undefined : parseSdk(flags.sdk)
  const only = serviceAccount === undefined ? undefined : parseServiceAccountName(serviceAccount)
  const { places, unopened } = await openAdvicePlaces(flags)
  const gathered = await gatherAdvice(places, {
    needs,
    ...(only !== undefined && { only }),
    ...(sdk !== undefined && { sdk }),
  })
  const { facts } = gathered
  const unread = [...unopened, ...gathered.unread]
  const advices = facts.map(advise)
  if (flags.output === 'table') {
    process.stdout.write(flags.all ? summary(advices) : advices.map(describe).join('\n'))
  } else printData(flags.output, { advices, unread }, { columns: [], rows: [] })
  for (const { what, why } of unread) printNote(`${what} could not be read: ${why}`)
  return unread.some(({ what }) => what.startsWith('cluster ')) ? 1 : 0
}

function readNeed(text: string): Need {
  const need = NEEDS.find((one) => one === text)
  if (need !== undefined) return need
  throw new PodroleError(
    'UnknownNeed',
    `no need is called ${JSON.stringify(text.slice(0, 60))}: known are ${NEEDS.join(', ')}`,
  )
}

interface OpenAdvice {
  readonly places: AdvicePlaces
  /** Clusters that were not reached. */
  readonly unopened: readonly Unread[]
}

/** Without AWS the advice is by what Kubernetes shows alone. */
async function openAdvicePlaces(flags: AdviseFlags): Promise<OpenAdvice> {
  const account = await orTold(() => openAccount(accessOf(flags)))
  const { clusters, unopened } =
    flags.cluster.length === 0
      ? { clusters: [await currentCluster(flags)], unopened: [] }
      : await openFleet(flags, account)
  if (flags.cluster.length === 0) {
    printNote('no --cluster is named: associations and add-ons are not looked at')
  }
  if (account === undefined) return { places: { clusters }, unopened }
  const around = { environment: process.env, clock: systemClock, onCall: () => undefined }
  const [iam, quotas] = await Promise.all([
    iamReader(account, around),
    iamQuotaReader(account, around),
  ])
  const providers = async (): Promise<{ used: number; limit: number }> => {
    const [used, limits] = await Promise.all([quotas.providers(), quotas.quotas()])
    return { used, limit: limits['oidc-providers'].value }
  }
  return { places: { clusters, iam: { ...iam, providers } }, unopened }
}

/**
 * One of several clusters that is not reached is told, and the others are looked at.
 * @throws what opening throws of a cluster that is asked for alone; PodroleError `InvalidContext`
 */
async function openFleet(
  flags: AdviseFlags,
  account: AwsAccount | undefined,
): Promise<{ readonly clusters: readonly AdviceCluster[]; readonly unopened: readonly Unread[] }> {
  const { tried, unread } = tryEach()
  const opened = await Promise.all(
    flags.cluster.map(async (name) => {
      const open = (): Promise<AdviceCluster> => openCluster(name, flags, account)
      if (flags.cluster.length === 1 || flags.context !== undefined) return open()
      return tried(`cluster ${name}`, open)
    }),
  )
  return { clusters: opened.filter((one) => one !== undefined), unopened: unread }
}

async function orTold(open: () => Promise<AwsAccount>): Promise<AwsAccount | undefined> {
  try {
    return await open()
  } catch (error) {
    if (codeOf(error) !== 'NoAwsCredentials' && codeOf(error) !== 'NoAwsRegion') throw error
    printNote(`AWS is not looked at: ${messageOf(error)}`)
    return undefined
  }
}

/** @param facts what it is to be, where that is known */
const signsOf = (
  kube: KubeClient,
  facts: Parameters<typeof kubeReader>[1],
): AdviceCluster['kube'] => {
  const reader = kubeReader(kube, facts, () => undefined)
  return { serviceAccounts: () => reader.serviceAccounts(), signs: () => readKubeSigns(kube) }
}

async function currentCluster(flags: AdviseFlags): Promise<AdviceCluster> {
  const kube = await openKube(flags)
  const name = flags.context ?? 'of the kubeconfig'
  return { name, kube: signsOf(kube, undefined) }
}

async function openCluster(
  name: string,
  flags: AdviseFlags,
  account: AwsAccount | undefined,
): Promise<AdviceCluster> {
  const known = account === undefined ? undefined : await knownCluster(name, flags)
  if (account !== undefined && known === undefined) {
    const broker = brokerOf(flags)
    const also = broker === undefined ? '' : `, nor the broker ${broker}`
    printNote(
      `EKS in ${account.region} in account ${account.accountId} knows no cluster ${name}${also}: associations are not looked at`,
    )
  }
  const isAlone = flags.cluster.length === 1
  const arn = known?.facts.arn ?? name
  const kube = await openClusterKube({ name }, { arn }, { flags, isAlone })
  return {
    name,
    kube: signsOf(kube, known?.facts),
    ...(known !== undefined && { known }),
  }
}

/** EKS is asked first, then the broker, if one is named. */
async function knownCluster(
  name: string,
  flags: AdviseFlags,
): Promise<AdviceCluster['known'] | undefined> {
  const ways = [
    { by: 'eks', kind: 'eks' },
    ...(flags.broker === undefined ? [] : ([{ by: 'broker', kind: 'self-managed' }] as const)),
  ] as const
  for (const { by, kind } of ways) {
    const desired = { source: '--cluster', kind, name, tags: {} }
    const places = await openPlaces([desired], flags, { onCall: () => undefined, note: printNote })
    const reader = await places.cluster(desired)
    const facts = await reader.facts()
    if (facts !== undefined) return { by, facts, reader }
  }
  return undefined
}

const wayName = (way: Way | undefined): string => (way === undefined ? 'none' : NAMES[way])

function describe(advice: Advice): string {
  const { change, cluster, current, kind, second, serviceAccount, way, why } = advice
  const now = current.length === 0 ? 'no role yet' : `now ${current.map(wayName).join(' and ')}`
  const beside = second === undefined ? '' : `, and ${NAMES[second]} beside it`
  const head = `${serviceAccount} on cluster ${cluster} (${kind}, ${now}): ${wayName(way)}${beside}\nbecause ${why}\n`
  const move =
    change === 'move' && way !== undefined
      ? 'it goes another way now and may stay there: both are here to stay\n'
      : ''
  const rows = WAYS.flatMap((one) =>
    advice.arguments
      .filter((argument) => argument.way === one)
      .map(({ evidence, side, text }) => [NAMES[one], SIDES[side], text, evidence]),
  )
  return `${head}${move}${formatTable(['way', '', 'what', 'seen by'], rows)}`
}

const SIDES = { pro: '+', con: '-', blocker: 'no' } as const

function summary(advices: readonly Advice[]): string {
  const rows = advices.map(({ change, cluster, current, kind, serviceAccount, way, why }) => [
    cluster,
    kind,
    serviceAccount,
    current.map(wayName).join(', ') || '-',
    wayName(way),
    change,
    why,
  ])
  const counts = WAYS.flatMap((way) => {
    const many = advices.filter((advice) => advice.way === way).length
    return many === 0 ? [] : [`${many} ${NAMES[way]}`]
  })
  const table = formatTable(
    ['cluster', 'kind', 'service account', 'now', 'advice', 'change', 'because'],
    rows,
  )
  return `${table}${advices.length} service account(s): ${counts.join(', ') || 'none with a role'}\n`
}

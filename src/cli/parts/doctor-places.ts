/** Where `podrole doctor` reads. */
import { openAccount } from '../../aws/account.ts'
import { doctorEks, doctorIam } from '../../doctor/facts/doctor-readers.ts'
import type { SigningKeyFact } from '../../doctor/facts/doctor-facts.ts'
import type { DoctorPlaces, DoctorTarget } from '../../doctor/facts/gather-doctor.ts'
import { gatherOutside } from '../../issuer/outside/gather.ts'
import { readOutsideNames } from '../../issuer/outside/issuer-names.ts'
import type { KeyOutlook } from '../../issuer/rotation/outlook.ts'
import { systemClock } from '../../lib/clock.ts'
import { identityFault } from '../../manage/observe/kube-identity.ts'
import { kubeReader } from '../../manage/observe/kube-reader.ts'
import { PodroleError } from '../../lib/errors.ts'
import type { DoctorFlags } from '../commands/doctor.ts'
import { accessOf } from '../role-run.ts'
import { VERSION } from '../version.ts'
import { brokerOf, endpointOf, portOfBroker } from './association-cluster.ts'
import { callEks } from './associations.ts'
import { openKube } from './kube-cluster.ts'
import { openClusterKube, type PlaceFlags } from './observe-places.ts'

/** How long one place may take to answer; an account's roles are many calls. */
const TIMEOUT_MS = 60_000

type Flags = Pick<DoctorFlags, 'cluster' | keyof PlaceFlags>

/** @param onCall told the name of every operation of AWS that is called */
export async function openDoctorPlaces(
  flags: Flags,
  onCall: (operation: string) => void,
): Promise<DoctorPlaces> {
  const account = await openAccount(accessOf(flags))
  onCall('GetCallerIdentity')
  const around = { environment: process.env, clock: systemClock, onCall }
  const [iam, eks] = await Promise.all([doctorIam(account, around), doctorEks(account, around)])
  const names = readOutsideNames(process.env)
  const { accountId, partition, region } = account
  const targets =
    flags.cluster.length === 0
      ? [currentTarget(flags)]
      : flags.cluster.map((name) => namedTarget(name, flags))
  return {
    accountId,
    partition,
    region,
    version: VERSION,
    iam,
    eks,
    targets,
    ...brokerPlaces({ ...flags, region }),
    look: (issuer) => gatherOutside(issuer, { names, clock: systemClock }),
    nowMs: systemClock.now(),
    timeoutMs: TIMEOUT_MS,
  }
}

const currentTarget = (flags: Flags): DoctorTarget => ({
  name: flags.context ?? "the kubeconfig's cluster",
  isNamed: false,
  kube: () => openKube(flags),
})

const namedTarget = (name: string, flags: Flags): DoctorTarget => ({
  name,
  isNamed: true,
  kube: async (eks) => {
    const isAlone = flags.cluster.length === 1
    const kube = await openClusterKube({ name }, { arn: eks?.arn ?? name }, { flags, isAlone })
    if (eks === undefined) return kube
    // What is in another cluster says nothing of this one.
    const reader = kubeReader(kube, eks, () => undefined)
    const fault = identityFault(await reader.identity(), name)
    if (fault === undefined) return kube
    throw new PodroleError('WrongCluster', fault)
  },
})

function brokerPlaces(
  flags: Flags & { readonly region: string },
): Pick<DoctorPlaces, 'signingKeys' | 'brokerAssociations'> {
  const broker = brokerOf(flags)
  if (broker === undefined) return {}
  return {
    signingKeys: async () => {
      const endpoint = await endpointOf(flags, broker)
      const told = await callEks(endpoint, 'GET', '/podrole/v1/issuer')
      const { keys = [] } = (told['outlook'] ?? {}) as { keys?: readonly KeyOutlook[] }
      return keys.map(({ kid, since, state }): SigningKeyFact => ({ kid, state, since }))
    },
    brokerAssociations: async (cluster) => {
      const port = portOfBroker({ cluster }, broker, await endpointOf(flags, broker))
      return (await port.list()).map((one) => ({
        id: one.associationId,
        namespace: one.namespace,
        serviceAccount: one.serviceAccount,
        isOwned: one.ownerArn !== undefined,
      }))
    },
  }
}

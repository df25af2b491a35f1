/** `podrole verify`. */
import { readFileSync } from 'node:fs'
import { associationFact } from '../doctor/facts/association-fact.ts'
import { type Fact, orAbsent, readFact, unknown } from '../doctor/facts/fact.ts'
import type { AssociationFact } from '../doctor/facts/workload-facts.ts'
import { byHand } from '../doctor/verify/by-hand.ts'
import { parseChecks } from '../doctor/verify/checks-file.ts'
import { expectedRole } from '../doctor/verify/expected-role.ts'
import { CONTAINER, type PodRequest, verifyPod } from '../doctor/verify/pod.ts'
import { renderVerification } from '../doctor/verify/render.ts'
import { type PodRun, removeLeftOvers, runVerifyPod } from '../doctor/verify/run-pod.ts'
import { judge, type Verification } from '../doctor/verify/verdict.ts'
import { parseArn } from '../iam/arn.ts'
import type { ServiceAccountName } from '../iam/service-account-name.ts'
import { type KubeClient, SERVICE_ACCOUNTS } from '../kube/client.ts'
import type { ServiceAccount } from '../kube/objects.ts'
import { systemClock } from '../lib/clock.ts'
import { parseDurationMs } from '../lib/durations.ts'
import { codeOf, messageOf, PodroleError } from '../lib/errors.ts'
import { findAssociation } from '../manage/eks/association-port.ts'
import type { VerifyFlags } from './commands/verify.ts'
import { printData, printNote } from './output.ts'
import { openAssociations, readSubject } from './parts/association-cluster.ts'
import { openKube } from './parts/kube-cluster.ts'
import { stopSignal } from './stop-signal.ts'

/** Of the calls that tell which role is expected. */
const FACT_TIMEOUT_MS = 20_000
const MAX_TIMEOUT_MS = 3_600_000
/** As shells show it: 128 and the signal's number. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const

export async function runVerify(argument: string | undefined, flags: VerifyFlags): Promise<number> {
  const request = readRequest(argument, flags)
  if (flags.printKubectl) {
    process.stdout.write(byHand(request))
    return 0
  }
  const stopping = new AbortController()
  let stoppedBy: keyof typeof EXIT_CODES | undefined
  const stop = (signal: keyof typeof EXIT_CODES): void => {
    stoppedBy = signal
    printNote(`${signal}: the pod is removed first; another one ends this at once`)
    stopping.abort()
  }
  void stopSignal().then(stop)
  try {
    const found = await verify(request, flags, stopping.signal)
    if (flags.output === 'table') process.stdout.write(renderVerification(found))
    else printData(flags.output, found, { columns: [], rows: [] })
    return exitCodeOf(found, flags)
  } catch (error) {
    if (codeOf(error) !== 'Stopped' || stoppedBy === undefined) throw error
    printNote('stopped, and no pod is left')
    return EXIT_CODES[stoppedBy]
  }
}

/** @throws PodroleError `InvalidTimeout`, `InvalidUser`, `InvalidArn`, `InvalidChecks`, and others of one flag */
function readRequest(argument: string | undefined, flags: VerifyFlags): PodRequest {
  const { checks, expectRole, image, region, runAsUser, timeout } = flags
  const serviceAccount = readSubject(argument, flags.serviceAccount)
  if (expectRole !== undefined) checkRoleArn(expectRole)
  if (region !== undefined && !/^[a-z]{2,4}(?:-[a-z]+)+-\d{1,2}$/.test(region)) {
    throw new PodroleError('InvalidRegion', `region ${JSON.stringify(region.slice(0, 60))} is none`)
  }
  const timeoutMs = parseDurationMs(timeout)
  if (timeoutMs < 1000 || timeoutMs > MAX_TIMEOUT_MS) {
    throw new PodroleError('InvalidTimeout', `--timeout ${timeout}: wanted 1s to 1h`)
  }
  return {
    serviceAccount,
    image: checkImage(image),
    checks: checks === undefined ? [] : parseChecks(readChecks(checks), checks),
    timeoutMs,
    runId: crypto.randomUUID(),
    user: runAsUser === 'none' ? undefined : readUser(runAsUser),
    ...(region !== undefined && { region }),
  }
}

function checkRoleArn(text: string): void {
  const { resource, service } = parseArn(text)
  if (service === 'iam' && /^role\/./.test(resource)) return
  throw new PodroleError(
    'InvalidArn',
    `--expect-role ${JSON.stringify(text)} is not a role: wanted arn:aws:iam::ACCOUNT:role/NAME`,
  )
}

function checkImage(text: string): string {
  if (/^[\w][\w.:/@-]{0,500}$/.test(text)) return text
  throw new PodroleError('InvalidImage', `image ${JSON.stringify(text.slice(0, 100))} is no name`)
}

function readUser(text: string): number {
  const user = Number(text)
  if (/^\d{1,10}$/.test(text) && user > 0 && user < 2 ** 31) return user
  throw new PodroleError(
    'InvalidUser',
    `--run-as-user ${JSON.stringify(text.slice(0, 60))}: wanted none, or a user id that is not root's`,
  )
}

function readChecks(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new PodroleError('InvalidChecks', `Cannot read checks: ${messageOf(error)}`)
  }
}

async function verify(
  request: PodRequest,
  flags: VerifyFlags,
  signal: AbortSignal,
): Promise<Verification> {
  const { checks, image, serviceAccount, timeoutMs } = request
  const kube = await openKube(flags)
  const [found, association] = await Promise.all([
    orAbsent(() => kube.get<ServiceAccount>(SERVICE_ACCOUNTS, serviceAccount)),
    readAssociation(serviceAccount, flags),
  ])
  if (found === undefined) {
    const end = { kind: 'no-service-account' } as const
    return judge({ serviceAccount, checks, end, expected: { kind: 'none' } })
  }
  await removeOlder(kube, serviceAccount.namespace)
  const { end, pod } = await runVerifyPod(verifyPod(request), checks.length, {
    kube,
    signal,
    timeoutMs,
  })
  const sources = { given: flags.expectRole, serviceAccount: found, association }
  const container = pod?.spec.containers.find(({ name }) => name === CONTAINER)
  const expected = expectedRole(sources, container)
  return judge({ serviceAccount, checks, end, expected, ...podOf({ end, pod }, image) })
}

function podOf({ pod }: PodRun, image: string): { readonly pod?: Verification['pod'] } {
  if (pod === undefined) return {}
  const { nodeName: node } = pod.spec
  return { pod: { name: pod.metadata.name ?? '', image, ...(node !== undefined && { node }) } }
}

/** What cannot be removed is no reason not to verify. */
async function removeOlder(kube: KubeClient, namespace: string): Promise<void> {
  try {
    const names = await removeLeftOvers(kube, namespace, systemClock.now())
    for (const name of names) {
      printNote(`removed pod ${namespace}/${name}, which a verify that was killed had left`)
    }
  } catch (error) {
    if (!(error instanceof PodroleError)) throw error
    printNote(`pods of older verifies were not looked for: ${messageOf(error)}`)
  }
}

async function readAssociation(
  serviceAccount: ServiceAccountName,
  flags: VerifyFlags,
): Promise<Fact<AssociationFact | undefined>> {
  const { cluster, expectRole } = flags
  if (expectRole !== undefined) return unknown('--expect-role is given')
  if (cluster === undefined) {
    return unknown('associations are known by cluster: name it with --cluster')
  }
  const associations = await openAssociations({ ...flags, cluster })
  return readFact(async () => {
    const found = await findAssociation(associations, serviceAccount)
    return found && associationFact(found)
  }, FACT_TIMEOUT_MS)
}

function exitCodeOf({ verdict }: Verification, { failOn }: VerifyFlags): number {
  if (failOn === 'never') return 0
  return verdict === 'broken' || (verdict === 'doubtful' && failOn === 'warning') ? 1 : 0
}

/**
 * A sandbox with several accounts, each a lane with two EKS clusters, and podrole's own parts of
 * plan and apply upon them over the wire, in this process.
 */
import { EKSClient } from '@aws-sdk/client-eks'
import { CreateRoleCommand, IAMClient } from '@aws-sdk/client-iam'
import type { HttpHandler } from '@smithy/protocol-http'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openAccount } from '../../src/aws/account.ts'
import { type KubeClient, NAMESPACES } from '../../src/kube/client.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { codeOf, messageOf } from '../../src/lib/errors.ts'
import { silentLog } from '../../src/lib/log.ts'
import { actionPort } from '../../src/manage/apply/action-port.ts'
import { applyPlan, openDesk } from '../../src/manage/apply/apply-plan.ts'
import { clusterPort } from '../../src/manage/apply/cluster-port.ts'
import { takeLeases } from '../../src/manage/apply/cluster-lease.ts'
import { eksPlaces } from '../../src/manage/apply/eks-places.ts'
import { iamPort } from '../../src/manage/apply/iam-port.ts'
import { kubePort } from '../../src/manage/apply/kube-port.ts'
import type { ActionPort } from '../../src/manage/apply/act.ts'
import type { DesiredCluster } from '../../src/manage/desired/desired-state.ts'
import { openEks } from '../../src/manage/eks/eks-client.ts'
import { eksReader } from '../../src/manage/observe/eks-reader.ts'
import { iamReader } from '../../src/manage/observe/iam-reader.ts'
import { kubeReader } from '../../src/manage/observe/kube-reader.ts'
import { observe } from '../../src/manage/observe/observe.ts'
import type { ObservePlaces } from '../../src/manage/observe/ports.ts'
import { ACCOUNT, REGION } from '../../src/manage/plan/in-memory.suite.ts'
import { CLUSTERS, GIVEN } from '../../src/manage/plan/laws.suite.ts'
import type { ObservedState } from '../../src/manage/plan/observed-state.ts'
import type { PlanStep } from '../../src/manage/plan/plan.ts'
import { keepPriorTrust } from '../../src/manage/roles/prior-trust.ts'
import { type Sandbox, startSandbox } from '../../src/sandbox/sandbox.ts'
import type { AccountHands } from './change-by-hand.ts'
import { podsTrust } from './shop-journey.ts'

export interface Lane {
  readonly accountId: string
  readonly hands: AccountHands
  /** What a generator made for its account and clusters, for those of this lane. */
  readonly here: (clusters: readonly DesiredCluster[]) => readonly DesiredCluster[]
  readonly observe: (clusters: readonly DesiredCluster[]) => Promise<ObservedState>
  /** @throws Error with what each failed step threw */
  readonly apply: (state: ObservedState, steps: readonly PlanStep[]) => Promise<void>
  /** Nothing is left of those namespaces. */
  readonly dropNamespaces: (names: readonly string[]) => Promise<void>
}

export interface Lanes {
  readonly sandbox: Sandbox
  readonly lanes: readonly Lane[]
  readonly stop: () => Promise<void>
}

const accountOf = (at: number): string => String(300_000_000_000 + at)
const clusterOf = (name: string, at: number): string => `${name}-${at}`

/** @param eventual as `--fault` has it, `200ms`: how late IAM and EKS are throughout */
export async function startLanes(count: number, eventual: string): Promise<Lanes> {
  const numbers = Array.from({ length: count }, (_, at) => at)
  const sandbox = await startSandbox({
    port: 0,
    accountIds: numbers.map(accountOf),
    region: REGION,
    clusters: numbers.flatMap((at) =>
      CLUSTERS.map((name) => ({
        name: clusterOf(name, at),
        accountId: accountOf(at),
        region: REGION,
        kind: 'eks' as const,
        nodes: 0,
      })),
    ),
    // Where the quota is AWS's own, shared roles have shards.
    quotas: numbers
      .filter((at) => at % 2 === 0)
      .map((at) => ({ name: 'trustPolicyCharacters', accountId: accountOf(at), value: 8192 })),
    faults: [`iam:*=eventual:${eventual}`, `eks:*=eventual:${eventual}`],
    resolve: [],
    trustCas: [],
    images: { find: () => ({ missing: 'no pod runs here' }) },
    network: 'loopback',
    clock: systemClock,
    log: silentLog,
  })
  const folder = mkdtempSync(join(tmpdir(), 'podrole-lanes-'))
  return {
    sandbox,
    lanes: await Promise.all(numbers.map((at) => openLane(sandbox, at, folder))),
    stop: async () => {
      await sandbox.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function openLane(sandbox: Sandbox, at: number, folder: string): Promise<Lane> {
  const accountId = accountOf(at)
  const { accessKeyId, secretAccessKey } = sandbox.aws.adminCredentials(accountId)
  const credentials = { accessKeyId, secretAccessKey: secretAccessKey.reveal() }
  const place = { endpoint: sandbox.endpoint, region: REGION, credentials }
  // Every look opens clients: with sockets of their own the process would run out of descriptors.
  const requestHandler = new EKSClient(place).config.requestHandler as unknown as HttpHandler
  const access = { ...place, requestHandler }
  const account = await openAccount(access)
  const eks = await openEks(account)
  const kubeOf = (name: string): KubeClient => {
    const found = sandbox.clusters.get(name)
    if (found === undefined) throw new Error(`no cluster ${name}`)
    return found.client
  }
  const onCall = (): void => undefined
  const environment = { AWS_ENDPOINT_URL: sandbox.endpoint }
  const around = { environment, clock: systemClock, onCall }
  const places: ObservePlaces = {
    iam: await iamReader(account, around),
    cluster: ({ name }) => eksReader(account, name, onCall),
    kube: async ({ name }) => kubeReader(kubeOf(name), undefined, onCall),
  }
  const nameOf = (arn: string): string => arn.slice(arn.indexOf('/') + 1)
  const iam = await iamPort(account, keepPriorTrust(folder, systemClock))
  const wait = {
    timeoutMs: 60_000,
    firstDelayMs: 300,
    onProgress: () => undefined,
  }
  const port = actionPort({
    iam: async () => iam,
    cluster: async (arn) => clusterPort(eksPlaces(eks, nameOf(arn), wait)),
    kube: async (arn) => kubePort(kubeOf(nameOf(arn))),
    workloadIdentity: () => Promise.reject(new Error('no generated file asks for it')),
  })
  const hands = { iam: new IAMClient(access), eks: new EKSClient(access), kube: kubeOf }
  await makeOthersRoles(hands.iam, { accountId, sandbox, at })
  return {
    accountId,
    hands,
    here: (clusters) => localised(clusters, at),
    observe: (clusters) => observe(clusters, places),
    apply: (state, steps) => applySteps(state, steps, { port, folder, kubeOf }),
    dropNamespaces: async (names) => {
      for (const cluster of CLUSTERS) {
        for (const name of names) await dropNamespace(kubeOf(clusterOf(cluster, at)), name)
      }
    },
  }
}

function localised(clusters: readonly DesiredCluster[], at: number): readonly DesiredCluster[] {
  const text = JSON.stringify(clusters).replaceAll(ACCOUNT, accountOf(at))
  return (JSON.parse(text) as DesiredCluster[]).map((one) => ({
    ...one,
    name: clusterOf(one.name, at),
  }))
}

/** The one that files may give, those that people come with, and one for hands. */
async function makeOthersRoles(
  iam: IAMClient,
  { accountId, at, sandbox }: { accountId: string; at: number; sandbox: Sandbox },
): Promise<void> {
  const issuers = CLUSTERS.map((name) => sandbox.clusters.get(clusterOf(name, at))?.cluster.issuer)
  const statements = issuers.map((issuer = '') => ({
    Effect: 'Allow',
    Principal: {
      Federated: `arn:aws:iam::${accountId}:oidc-provider/${issuer.replace('https://', '')}`,
    },
    Action: 'sts:AssumeRoleWithWebIdentity',
  }))
  const { Statement, ...rest } = JSON.parse(podsTrust()) as { readonly Statement: unknown[] }
  const trust = JSON.stringify({ ...rest, Id: 'theirs', Statement: [...Statement, ...statements] })
  const [, Path = '/', given = ''] = /:role(\/.*\/)(.+)$/.exec(GIVEN) ?? []
  const create = (
    RoleName: string,
    AssumeRolePolicyDocument: string,
    path = '/',
  ): Promise<unknown> =>
    iam.send(new CreateRoleCommand({ RoleName, Path: path, AssumeRolePolicyDocument }))
  await create(given, trust, Path)
  await create('hand', podsTrust())
  for (const name of ['a', 'b', 'c', 'd']) await create(`person-${name}`, podsTrust())
}

async function applySteps(
  state: ObservedState,
  steps: readonly PlanStep[],
  around: {
    readonly port: ActionPort
    readonly folder: string
    readonly kubeOf: (name: string) => KubeClient
  },
): Promise<void> {
  const { folder, kubeOf, port } = around
  const { accountId } = state
  const desk = await openDesk(folder, accountId)
  try {
    const clusters = state.clusters.map(({ arn }) => arn)
    const result = await applyPlan(
      desk,
      { command: 'apply', accountId, clusters, steps, resume: false },
      {
        port,
        takeLeases: ({ holder }) =>
          takeLeases(
            state.clusters.map(({ name }) => kubeOf(name)),
            holder,
            systemClock,
          ),
        onProgress: () => undefined,
        stopReason: () => undefined,
        clock: systemClock,
      },
    )
    if (result.standing.done.length === steps.length) return
    const told = [...result.errors].map(([id, error]) => `${id}: ${messageOf(error)}`)
    throw new Error(`steps failed:\n${told.join('\n')}`)
  } finally {
    desk.release()
  }
}

async function dropNamespace(kube: KubeClient, name: string): Promise<void> {
  const isThere = async (): Promise<boolean> =>
    kube.get(NAMESPACES, { name }).then(
      () => true,
      (error: unknown) => codeOf(error) !== 'NotFound',
    )
  if (!(await isThere())) return
  await kube.delete(NAMESPACES, { name })
  while (await isThere()) await Bun.sleep(20)
}

import { IAMClient } from '@aws-sdk/client-iam'
import { S3Client } from '@aws-sdk/client-s3'
import { NAMESPACES } from '../../kube/client.ts'
import { systemClock } from '../../lib/clock.ts'
import { messageOf, PodroleError } from '../../lib/errors.ts'
import { createLog, type LogLevel } from '../../lib/log.ts'
import type { RunningCluster } from '../../sandbox/sandbox.ts'
import {
  startWiredSandbox,
  type WiredSandbox,
  type WiredSandboxOptions,
} from '../parts/wired-sandbox.ts'
import type { Breakable } from './breakable.ts'
import { irsaStep } from './irsa-step.ts'
import { eksPodIdentityStep, fleetStep } from './pod-identity-steps.ts'
import { DEMO_IMAGE } from './pods.ts'
import { refusalSteps } from './refusals.ts'
import { setupStep } from './setup-step.ts'
import { ISSUER_BUCKET, NAMESPACE, REGION, type Stage, type Step } from './stage.ts'

export interface DemoOptions {
  readonly broken: Breakable | undefined
  readonly network: 'auto' | 'namespace' | 'loopback'
  readonly logLevel: LogLevel
  /** Starts clusters in place of the sandbox's own. */
  readonly clusterFactory?: WiredSandboxOptions['clusterFactory']
  /** Called before everything ends, with what is running. */
  readonly inspect?: (wired: WiredSandbox) => Promise<void>
}

const sandboxStep = (wired: WiredSandbox): Step => ({
  name: 'sandbox',
  run: async ({ sandbox, eks, edge }) =>
    `AWS account ${sandbox.accountId} at ${sandbox.endpoint}, cluster ${eks.name} (EKS) at ${eks.cluster.server}, cluster ${edge.name} (self-managed) at ${edge.cluster.server}; ${wired.isolation}`,
})

/** Runs every step until one does not hold; 0 only where each held. */
export async function runDemo(options: DemoOptions): Promise<number> {
  const started = performance.now()
  const wired = await startWiredSandbox({
    port: 0,
    accountIds: ['111122223333'],
    region: REGION,
    clusters: [
      { name: 'shop-eks', region: REGION, kind: 'eks' },
      {
        name: 'shop-edge',
        region: REGION,
        kind: 'self-managed',
        issuer: `https://s3.${REGION}.amazonaws.com/${ISSUER_BUCKET}`,
        nodes: 2,
      },
    ],
    resolve: [],
    trustCas: [],
    network: options.network,
    ...(options.clusterFactory !== undefined && { clusterFactory: options.clusterFactory }),
    clock: systemClock,
    log: createLog(options.logLevel),
    logLevel: options.logLevel,
    images: { [DEMO_IMAGE]: new URL('./pod-program.ts', import.meta.url).pathname },
  })
  try {
    const stage = await setStage(wired, options)
    const steps = [
      sandboxStep(wired),
      setupStep,
      irsaStep,
      eksPodIdentityStep,
      fleetStep,
      ...refusalSteps,
    ]
    const failed = await runSteps(steps, stage)
    await options.inspect?.(wired)
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    print(
      failed === undefined
        ? `\nevery step held, in ${seconds} s`
        : `\nstep "${failed}" did not hold`,
    )
    return failed === undefined ? 0 : 1
  } finally {
    await wired.stop()
  }
}

/** The name of the step that failed; those after it are named as not run. */
async function runSteps(steps: readonly Step[], stage: Stage): Promise<string | undefined> {
  const width = Math.max(...steps.map(({ name }) => name.length))
  let failed: string | undefined
  for (const { name, run } of steps) {
    const label = name.padEnd(width + 2)
    if (failed !== undefined) {
      print(`not run  ${label}`.trimEnd())
      continue
    }
    try {
      print(`ok       ${label}${await run(stage)}`)
    } catch (error) {
      failed = name
      print(`FAILED   ${label}${messageOf(error)}`)
    }
  }
  return failed
}

async function setStage(wired: WiredSandbox, options: DemoOptions): Promise<Stage> {
  const { sandbox } = wired
  const [eks, edge] = [...sandbox.clusters.values()]
  const [broker] = wired.brokers
  if (eks === undefined || edge === undefined || broker === undefined) {
    throw new PodroleError('SandboxIncomplete', 'the sandbox did not start both clusters')
  }
  for (const { client } of [eks, edge] satisfies RunningCluster[]) {
    await client.create(NAMESPACES, { metadata: { name: NAMESPACE } })
  }
  const { accessKeyId, secretAccessKey } = sandbox.aws.adminCredentials()
  const aws = {
    region: REGION,
    endpoint: sandbox.endpoint,
    credentials: { accessKeyId, secretAccessKey: secretAccessKey.reveal() },
  }
  return {
    sandbox,
    eks,
    edge,
    broker,
    iam: new IAMClient(aws),
    s3: new S3Client({ ...aws, forcePathStyle: true }),
    broken: options.broken,
    stopPart: wired.stopPart,
    agentUrl: wired.agentUrl,
    commandOf: wired.commandOf,
    trust: [],
  }
}

const print = (line: string): void => void process.stdout.write(`${line}\n`)

import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { shiftedClock } from '../lib/clock.ts'
import { parseDurationMs } from '../lib/durations.ts'
import { PodroleError } from '../lib/errors.ts'
import { createLog } from '../lib/log.ts'
import type { ClusterRequest, Sandbox } from '../sandbox/sandbox.ts'
import type { SandboxFlags } from './commands/sandbox.ts'
import { startWiredSandbox, type WiredSandbox } from './parts/wired-sandbox.ts'
import { stopSignal } from './stop-signal.ts'

/** The exit code: the command's, or 0 after Ctrl-C where none was given. */
export async function runSandbox(flags: SandboxFlags, words: readonly string[]): Promise<number> {
  const wired = await startWiredSandbox({
    port: words.length > 0 && !process.argv.includes('--port') ? 0 : flags.port,
    accountIds: accountsOf(flags),
    region: flags.region,
    clusters: clustersOf(flags),
    defaultCluster: { name: 'sandbox', region: flags.region, kind: 'eks', nodes: flags.nodes ?? 1 },
    ...(flags.state !== undefined && { stateFolder: resolve(flags.state) }),
    resolve: flags.resolve,
    trustCas: flags.trustCa.map((file) => readFileSync(file, 'utf8')),
    faults: flags.fault,
    issuerKeyCacheMs: parseDurationMs(flags.stsKeyCache),
    network: flags.network,
    clock: shiftedClock(offsetOf(flags.clockOffset)),
    log: createLog(flags.logLevel),
    logLevel: flags.logLevel,
  })
  try {
    const environment = writeAccess(wired.sandbox, flags.readyFile)
    if (words.length > 0) return await runCommand(words, environment)
    process.stdout.write(describe(wired, environment))
    await stopSignal()
    return 0
  } finally {
    await wired.stop()
  }
}

/** What a program needs to use the sandbox, as environment variables. */
function writeAccess(sandbox: Sandbox, readyFile: string | undefined): Record<string, string> {
  const folder = join(sandbox.stateFolder, 'access')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const files = [...sandbox.clusters.values()].map(({ name, cluster }) => {
    const file = join(folder, `kubeconfig-${name}`)
    writeFileSync(file, cluster.kubeconfig(), { mode: 0o600 })
    return file
  })
  const caFile = join(folder, 'ca.pem')
  writeFileSync(caFile, `${sandbox.names.authorities()}\n`)
  const { accessKeyId, secretAccessKey } = sandbox.aws.adminCredentials()
  const environment = {
    AWS_ENDPOINT_URL: sandbox.endpoint,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey.reveal(),
    AWS_REGION: sandbox.region,
    AWS_DEFAULT_REGION: sandbox.region,
    AWS_EC2_METADATA_DISABLED: 'true',
    KUBECONFIG: files.join(delimiter),
    PODROLE_SANDBOX_TOKEN: sandbox.token.reveal(),
    PODROLE_RESOLVE: sandbox.names.entries(),
    PODROLE_CA_FILE: caFile,
  }
  if (readyFile !== undefined) {
    // Whoever waits for it reads it whole.
    writeFileSync(`${readyFile}.next`, `${JSON.stringify(environment, null, 2)}\n`, { mode: 0o600 })
    renameSync(`${readyFile}.next`, readyFile)
  }
  return environment
}

async function runCommand(
  words: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<number> {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^AWS_(?:PROFILE|SESSION_TOKEN|CA_BUNDLE|ENDPOINT_URL_.*)$/.test(name),
  )
  const noProxy = [process.env['NO_PROXY'], '127.0.0.1', 'localhost'].filter(Boolean).join(',')
  const child = Bun.spawn([...words], {
    stdio: ['inherit', 'inherit', 'inherit'],
    env: { ...Object.fromEntries(kept), ...environment, NO_PROXY: noProxy, no_proxy: noProxy },
  })
  const interrupted = stopSignal().then((signal) => child.kill(signal))
  const code = await Promise.race([child.exited, interrupted.then(() => child.exited)])
  return code
}

function describe(wired: WiredSandbox, environment: Readonly<Record<string, string>>): string {
  const { sandbox } = wired
  const lines = [
    `AWS     ${sandbox.endpoint}  account ${sandbox.accountId}`,
    ...[...sandbox.clusters.values()].map(
      ({ name, kind, region, cluster, nodes }) =>
        `cluster ${name}  ${kind}, ${region}, ${cluster.server}, ${nodes.length} node(s)\n        issuer ${cluster.issuer}`,
    ),
    ...(wired.broker === undefined ? [] : [`broker  ${wired.broker.endpoint.url}`]),
    `nodes   ${wired.isolation}`,
    '',
    ...Object.entries(environment).map(([name, value]) => `export ${name}='${value}'`),
    '',
    'ready; Ctrl-C ends it',
  ]
  return `${lines.join('\n')}\n`
}

function accountsOf(flags: SandboxFlags): readonly string[] {
  const ids = flags.accountId.length > 0 ? flags.accountId : ['111122223333']
  for (const id of ids) {
    if (!/^\d{12}$/.test(id)) {
      throw new PodroleError(
        'InvalidAccountId',
        `account id ${JSON.stringify(id)} is not one: wanted 12 digits`,
      )
    }
  }
  return ids
}

function clustersOf(flags: SandboxFlags): readonly ClusterRequest[] {
  const nodes = flags.nodes === undefined ? {} : { nodes: flags.nodes }
  const eks = flags.cluster.map((text): ClusterRequest => {
    const [name = '', region = flags.region] = text.split('@')
    return { name: clusterName(name), region, kind: 'eks', ...nodes }
  })
  const selfManaged = flags.selfManagedCluster.map((text): ClusterRequest => {
    const at = text.indexOf('=')
    if (at < 1 || !text.slice(at + 1).startsWith('https://')) {
      throw new PodroleError(
        'InvalidCluster',
        `self-managed cluster ${JSON.stringify(text)} is not one: wanted NAME=https://ISSUER`,
        { hint: `for example --self-managed-cluster edge=https://edge.issuer.sandbox` },
      )
    }
    return {
      name: clusterName(text.slice(0, at)),
      region: flags.region,
      kind: 'self-managed',
      issuer: text.slice(at + 1),
      ...nodes,
    }
  })
  const all = [...eks, ...selfManaged]
  const twice = all.find((one, index) => all.findIndex(({ name }) => name === one.name) !== index)
  if (twice !== undefined) {
    throw new PodroleError('InvalidCluster', `cluster ${JSON.stringify(twice.name)} is named twice`)
  }
  return all
}

function clusterName(name: string): string {
  if (/^[0-9A-Za-z][A-Za-z0-9_-]{0,99}$/.test(name)) return name
  throw new PodroleError(
    'InvalidCluster',
    `cluster name ${JSON.stringify(name)} is not one: wanted 1 to 100 letters, digits, - and _`,
  )
}

function offsetOf(text: string | undefined): number {
  if (text === undefined) return 0
  return text.startsWith('-') ? -parseDurationMs(text.slice(1)) : parseDurationMs(text)
}

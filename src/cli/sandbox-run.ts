import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { shiftedClock } from '../lib/clock.ts'
import { parseDurationMs } from '../lib/durations.ts'
import { createLog } from '../lib/log.ts'
import { parseQuotaSetting } from '../sandbox/aws/quotas/quotas.ts'
import type { Sandbox } from '../sandbox/sandbox.ts'
import type { SandboxFlags } from './commands/sandbox.ts'
import { startWiredSandbox, type WiredSandbox } from './parts/wired-sandbox.ts'
import { readServiceControlPolicy } from './sandbox-policies.ts'
import { accountsOf, clustersOf, signingEndpointsOf } from './sandbox-places.ts'
import { stopSignal } from './stop-signal.ts'

/** The exit code: the command's, or 0 after Ctrl-C where none was given. */
export async function runSandbox(flags: SandboxFlags, words: readonly string[]): Promise<number> {
  const accountIds = accountsOf(flags)
  const clusters = clustersOf(flags, accountIds)
  const wired = await startWiredSandbox({
    port: words.length > 0 && !process.argv.includes('--port') ? 0 : flags.port,
    accountIds,
    region: flags.region,
    clusters,
    signingEndpoints: signingEndpointsOf(flags, clusters),
    defaultCluster: { name: 'sandbox', region: flags.region, kind: 'eks', nodes: flags.nodes ?? 1 },
    ...(flags.state !== undefined && { stateFolder: resolve(flags.state) }),
    resolve: flags.resolve,
    trustCas: flags.trustCa.map((file) => readFileSync(file, 'utf8')),
    faults: flags.fault,
    serviceControlPolicies: flags.scp.map((text) => readServiceControlPolicy(text, accountIds)),
    quotas: flags.quota.map((text) => parseQuotaSetting(text, accountIds)),
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

type Environment = Readonly<Record<string, string>>

/** What a program needs to use the sandbox, as environment variables. */
function writeAccess(sandbox: Sandbox, readyFile: string | undefined): Environment {
  const folder = join(sandbox.stateFolder, 'access')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const files = [...sandbox.clusters.values()].map(({ name, cluster }) => {
    const file = join(folder, `kubeconfig-${name}`)
    writeFileSync(file, cluster.kubeconfig(), { mode: 0o600 })
    return file
  })
  const caFile = join(folder, 'ca.pem')
  writeFileSync(caFile, `${sandbox.names.authorities()}\n`)
  const accounts = new Map(sandbox.aws.accountIds.map((id) => [id, keysOf(sandbox, id)]))
  const environment = {
    AWS_ENDPOINT_URL: sandbox.endpoint,
    ...keysOf(sandbox, sandbox.accountId),
    ...(accounts.size > 1 && {
      AWS_SHARED_CREDENTIALS_FILE: writeProfiles(folder, sandbox, accounts),
    }),
    AWS_REGION: sandbox.region,
    AWS_DEFAULT_REGION: sandbox.region,
    AWS_EC2_METADATA_DISABLED: 'true',
    KUBECONFIG: files.join(delimiter),
    PODROLE_SANDBOX_TOKEN: sandbox.token.reveal(),
    PODROLE_RESOLVE: sandbox.names.entries(),
    PODROLE_CA_FILE: caFile,
  }
  if (readyFile !== undefined) {
    const ready = { ...environment, accounts: Object.fromEntries(accounts) }
    // Whoever waits for it reads it whole.
    writeFileSync(`${readyFile}.next`, `${JSON.stringify(ready, null, 2)}\n`, { mode: 0o600 })
    renameSync(`${readyFile}.next`, readyFile)
  }
  return environment
}

/** The administrator's key of an account, as environment variables. */
function keysOf(sandbox: Sandbox, accountId: string): Environment {
  const { accessKeyId, secretAccessKey } = sandbox.aws.adminCredentials(accountId)
  return { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey.reveal() }
}

/**
 * A credentials file with one profile an account, named by its id. Only keys are in it: whatever
 * else a program reads from its configuration file stays its own.
 */
function writeProfiles(
  folder: string,
  sandbox: Sandbox,
  accounts: ReadonlyMap<string, Environment>,
): string {
  const file = join(folder, 'credentials')
  const profiles = [['default', keysOf(sandbox, sandbox.accountId)] as const, ...accounts]
  const text = profiles.map(([name, keys]) =>
    [
      `[${name}]`,
      ...Object.entries(keys).map(([key, value]) => `${key.toLowerCase()} = ${value}`),
      '',
    ].join('\n'),
  )
  writeFileSync(file, text.join('\n'), { mode: 0o600 })
  return file
}

async function runCommand(words: readonly string[], environment: Environment): Promise<number> {
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

function describe(wired: WiredSandbox, environment: Environment): string {
  const { sandbox } = wired
  const lines = [
    `AWS     ${sandbox.endpoint}  account ${sandbox.aws.accountIds.join(', ')}`,
    ...[...sandbox.clusters.values()].map(
      ({ name, kind, accountId, region, cluster, nodes }) =>
        `cluster ${name}  ${kind}, ${accountId}, ${region}, ${cluster.server}, ${nodes.length} node(s)\n        issuer ${cluster.issuer}`,
    ),
    ...wired.brokers.map(({ endpoint }) => `broker  ${endpoint.url}`),
    `nodes   ${wired.isolation}`,
    '',
    ...Object.entries(environment).map(([name, value]) => `export ${name}='${value}'`),
    '',
    'ready; Ctrl-C ends it',
  ]
  return `${lines.join('\n')}\n`
}

function offsetOf(text: string | undefined): number {
  if (text === undefined) return 0
  return text.startsWith('-') ? -parseDurationMs(text.slice(1)) : parseDurationMs(text)
}

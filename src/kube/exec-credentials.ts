import { z } from 'zod'
import type { Clock } from '../lib/clock.ts'
import { codeOf, messageOf, PodroleError } from '../lib/errors.ts'
import { Secret } from '../lib/secret.ts'
import type { ClientCertificate, KubeAccess } from './transport.ts'

/** `exec` of a kubeconfig's user: a program that prints credentials. */
export interface ExecPlugin {
  readonly apiVersion: string
  readonly command: string
  readonly args: readonly string[]
  readonly env: readonly { readonly name: string; readonly value: string }[]
  readonly provideClusterInfo: boolean
  readonly interactiveMode: string
  readonly installHint?: string
}

export interface ExecOptions {
  readonly plugin: ExecPlugin
  readonly cluster: KubeAccess
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  /** Milliseconds that the program may take; 60,000 by default. */
  readonly timeoutMs?: number
}

const API_VERSIONS = ['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1']
const OUTPUT_GRACE_MS = 1000
const MAX_OUTPUT_BYTES = 1 << 20
/** Credentials are renewed before they end, so that a request under way does not fail. */
const EARLY_MS = 60_000

const ExecCredentialSchema = z.object({
  apiVersion: z.string(),
  kind: z.literal('ExecCredential'),
  status: z.object({
    expirationTimestamp: z.iso.datetime({ offset: true }).nullish(),
    token: z.string().nullish(),
    clientCertificateData: z.string().nullish(),
    clientKeyData: z.string().nullish(),
  }),
})

interface Credentials {
  readonly token: Secret | undefined
  readonly clientCertificate: ClientCertificate | undefined
  /** Infinity where the program names no end. */
  readonly expiresAtMs: number
}

/**
 * Credentials of an exec plugin (client.authentication.k8s.io), kept until a minute before their
 * expirationTimestamp, or for the life of the process where there is none. Requests at the same
 * time share one run of the program.
 * @throws PodroleError `UnsupportedKubeconfig`; the functions throw `ExecPluginFailed`
 */
export function createExecCredentials(options: ExecOptions): {
  readonly token: () => Promise<Secret | undefined>
  readonly clientCertificate: () => Promise<ClientCertificate | undefined>
} {
  const { plugin, clock } = options
  if (!API_VERSIONS.includes(plugin.apiVersion)) {
    throw new PodroleError(
      'UnsupportedKubeconfig',
      `exec plugin ${quote(plugin.command)} has apiVersion ${quote(plugin.apiVersion)}: wanted ${API_VERSIONS.join(' or ')}`,
    )
  }
  if (plugin.interactiveMode === 'Always') {
    throw new PodroleError(
      'UnsupportedKubeconfig',
      `exec plugin ${quote(plugin.command)} wants a terminal: interactiveMode is "Always"`,
    )
  }
  let current: Credentials | undefined
  let running: Promise<Credentials> | undefined
  const get = async (): Promise<Credentials> => {
    if (current !== undefined && clock.now() < current.expiresAtMs - EARLY_MS) return current
    running ??= runPlugin(options).finally(() => {
      running = undefined
    })
    current = await running
    return current
  }
  return {
    token: async () => (await get()).token,
    clientCertificate: async () => (await get()).clientCertificate,
  }
}

async function runPlugin(options: ExecOptions): Promise<Credentials> {
  const { plugin } = options
  const output = await runProgram(options)
  const answer = ExecCredentialSchema.safeParse(output)
  // What it printed may hold a token, so no part of it is quoted.
  if (!answer.success || answer.data.apiVersion !== plugin.apiVersion) {
    throw failed(plugin, `did not print an ExecCredential of ${plugin.apiVersion}`)
  }
  const { token, clientCertificateData, clientKeyData, expirationTimestamp } = answer.data.status
  if (!token && !(clientCertificateData && clientKeyData)) {
    throw failed(plugin, 'printed neither a token nor a client certificate with its key')
  }
  return {
    token: token ? new Secret(token) : undefined,
    clientCertificate:
      clientCertificateData && clientKeyData
        ? { cert: clientCertificateData, key: new Secret(clientKeyData) }
        : undefined,
    expiresAtMs: expirationTimestamp ? Date.parse(expirationTimestamp) : Infinity,
  }
}

async function runProgram(options: ExecOptions): Promise<unknown> {
  const { plugin, environment } = options
  const info = JSON.stringify({
    apiVersion: plugin.apiVersion,
    kind: 'ExecCredential',
    spec: {
      interactive: false,
      ...(plugin.provideClusterInfo && { cluster: clusterInfo(options.cluster) }),
    },
  })
  const own = Object.fromEntries(plugin.env.map(({ name, value }) => [name, value]))
  const { PATH } = environment
  let program: Bun.Subprocess<'ignore', 'pipe', 'ignore'>
  try {
    program = Bun.spawn([locate(plugin.command, PATH), ...plugin.args], {
      env: { ...environment, ...own, KUBERNETES_EXEC_INFO: info },
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'ignore',
      timeout: options.timeoutMs ?? 60_000,
      killSignal: 'SIGKILL',
    })
  } catch (error) {
    throw failed(plugin, `cannot be run: ${codeOf(error) ?? messageOf(error)}`)
  }
  const text = await Promise.race([readOutput(program, plugin), outputLeftOpen(program, plugin)])
  const code = await program.exited
  if (program.signalCode !== null) throw failed(plugin, `was ended by ${program.signalCode}`)
  if (code !== 0) throw failed(plugin, `ended with exit code ${code}`)
  try {
    return JSON.parse(text)
  } catch {
    throw failed(plugin, 'did not print JSON')
  }
}

/** A child that outlives the program holds its output open: nobody waits for that. */
async function outputLeftOpen(
  program: Bun.Subprocess<'ignore', 'pipe', 'ignore'>,
  plugin: ExecPlugin,
): Promise<never> {
  await program.exited
  await Bun.sleep(OUTPUT_GRACE_MS)
  throw program.signalCode === null
    ? failed(plugin, 'ended and left its output open')
    : failed(plugin, `was ended by ${program.signalCode}`)
}

const locate = (command: string, path: string | undefined): string =>
  Bun.which(command, { PATH: path ?? '' }) ?? command

async function readOutput(
  program: Bun.Subprocess<'ignore', 'pipe', 'ignore'>,
  plugin: ExecPlugin,
): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of program.stdout) {
    size += chunk.byteLength
    if (size > MAX_OUTPUT_BYTES) {
      program.kill('SIGKILL')
      throw failed(plugin, 'printed more than 1 MB')
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

const clusterInfo = (access: KubeAccess): Record<string, string | boolean> => ({
  server: access.server,
  ...(access.proxy !== undefined && { 'proxy-url': access.proxy }),
  ...(access.insecureSkipTlsVerify === true && { 'insecure-skip-tls-verify': true }),
  ...namesOf(access),
})

const namesOf = ({ ca, serverName }: KubeAccess): Record<string, string> => ({
  ...(ca !== undefined && { 'certificate-authority-data': Buffer.from(ca).toString('base64') }),
  ...(serverName !== undefined && { 'tls-server-name': serverName }),
})

const failed = (plugin: ExecPlugin, what: string): PodroleError =>
  new PodroleError('ExecPluginFailed', `exec plugin ${quote(plugin.command)} ${what}`, {
    hint: plugin.installHint ?? 'Run the command by hand to see what it says.',
  })

const quote = (text: string): string => JSON.stringify(text)

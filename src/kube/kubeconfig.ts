import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, dirname, isAbsolute, join, resolve } from 'node:path'
import { parse, stringify } from 'yaml'
import { z } from 'zod'
import { type Clock, systemClock } from '../lib/clock.ts'
import { codeOf, messageOf, PodroleError } from '../lib/errors.ts'
import { proxyFor, readProxy } from '../lib/proxy.ts'
import { Secret } from '../lib/secret.ts'
import { createExecCredentials, type ExecPlugin } from './exec-credentials.ts'
import type { ClientCertificate, KubeAccess } from './transport.ts'

export interface LoadOptions {
  /** A file, as `--kubeconfig` names it; only this one is read then. */
  readonly kubeconfig?: string
  /** The context's name; the file's `current-context` otherwise. */
  readonly context?: string
  /** Where KUBECONFIG, HOME and KUBERNETES_SERVICE_HOST are looked up. */
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly clock?: Clock
  /** Where a pod's own token and CA are; Kubernetes' well-known folder by default. */
  readonly serviceAccountFolder?: string
}

export interface LoadedKubeAccess extends KubeAccess {
  /** The context's namespace, or a pod's own. */
  readonly namespace?: string
  /** Undefined in a cluster. */
  readonly context?: string
}

const SERVICE_ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount'
/** The kubelet renews tokens at 80 % of their life: a minute late is early enough. */
const TOKEN_FILE_MS = 60_000

const Text = z.string().nullish()
const ClusterSchema = z.object({
  server: Text,
  'certificate-authority': Text,
  'certificate-authority-data': Text,
  'insecure-skip-tls-verify': z.boolean().nullish(),
  'tls-server-name': Text,
  'proxy-url': Text,
})
const ExecSchema = z.object({
  apiVersion: z.string(),
  command: z.string().min(1),
  args: z.array(z.string()).nullish(),
  env: z.array(z.object({ name: z.string(), value: z.string() })).nullish(),
  installHint: Text,
  provideClusterInfo: z.boolean().nullish(),
  interactiveMode: Text,
})
const UserSchema = z.object({
  token: Text,
  tokenFile: Text,
  'client-certificate': Text,
  'client-certificate-data': Text,
  'client-key': Text,
  'client-key-data': Text,
  username: Text,
  as: Text,
  'auth-provider': z.unknown().optional(),
  exec: ExecSchema.nullish(),
})
const ContextSchema = z.object({ cluster: Text, user: Text, namespace: Text })
const FileSchema = z.object({
  'current-context': Text,
  clusters: z.array(z.object({ name: z.string(), cluster: ClusterSchema.nullish() })).nullish(),
  users: z.array(z.object({ name: z.string(), user: UserSchema.nullish() })).nullish(),
  contexts: z.array(z.object({ name: z.string(), context: ContextSchema.nullish() })).nullish(),
})

type KubeconfigFile = z.infer<typeof FileSchema>

/** An entry with the folder of its file, which its relative paths start from. */
type Located<T> = T & { readonly folder: string }
type ClusterEntry = Located<z.infer<typeof ClusterSchema>>
type UserEntry = Located<z.infer<typeof UserSchema>>

interface Merged {
  readonly files: readonly string[]
  readonly currentContext: string | undefined
  readonly clusters: ReadonlyMap<string, ClusterEntry>
  readonly users: ReadonlyMap<string, UserEntry>
  readonly contexts: ReadonlyMap<string, z.infer<typeof ContextSchema>>
}

/**
 * Finds the API server and the credentials as kubectl does: `--kubeconfig`, else the files of
 * KUBECONFIG (the first that names a thing wins), else `~/.kube/config`, else the pod's own service
 * account (Kubernetes documentation, "Organizing Cluster Access Using kubeconfig Files"). The way of a
 * kubeconfig goes through its `proxy-url`, or through the proxy that the environment names; a pod's own
 * goes through none.
 * @throws PodroleError `NoKubeAccess`, `InvalidKubeconfig`, `UnsupportedKubeconfig`,
 * `UnsupportedProxy`
 */
export async function loadKubeAccess(options: LoadOptions): Promise<LoadedKubeAccess> {
  const paths = kubeconfigPaths(options)
  const merged = await readKubeconfigs(paths, options.kubeconfig !== undefined)
  if (merged.files.length > 0) return accessOf(merged, options)
  if (options.environment['KUBERNETES_SERVICE_HOST'] && options.context === undefined) {
    return loadInCluster(options)
  }
  throw new PodroleError(
    'NoKubeAccess',
    `no kubeconfig was found at ${paths.join(', ')}, and this is not a pod of a cluster`,
    { hint: 'Name one with --kubeconfig or KUBECONFIG.' },
  )
}

/**
 * A kubeconfig with one cluster, user and context of the same name, as YAML text. It holds the
 * token: write it with mode 0600.
 */
export function writeKubeconfig(entry: {
  readonly name: string
  readonly server: string
  readonly ca: string
  readonly token: Secret
}): string {
  const { name } = entry
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name,
        cluster: {
          server: entry.server,
          'certificate-authority-data': Buffer.from(entry.ca).toString('base64'),
        },
      },
    ],
    users: [{ name, user: { token: entry.token.reveal() } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    'current-context': name,
  })
}

/** A token that is read from its file again each minute; what was read stays if that fails. */
function tokenFromFile(path: string, clock: Clock = systemClock): () => Promise<Secret> {
  let cached: Secret | undefined
  let readAtMs = 0
  return async () => {
    if (cached !== undefined && clock.now() - readAtMs < TOKEN_FILE_MS) return cached
    const text = await readText(path, 'the token file').catch((error: unknown) => {
      if (cached === undefined) throw error
      return cached.reveal()
    })
    cached = new Secret(text.trim())
    readAtMs = clock.now()
    return cached
  }
}

function kubeconfigPaths(options: LoadOptions): string[] {
  const { KUBECONFIG, HOME } = options.environment
  if (options.kubeconfig !== undefined) return [options.kubeconfig]
  const named = (KUBECONFIG ?? '').split(delimiter).filter((path) => path !== '')
  return named.length > 0 ? named : [join(HOME ?? homedir(), '.kube', 'config')]
}

async function readKubeconfigs(paths: readonly string[], required: boolean): Promise<Merged> {
  const files: string[] = []
  const clusters = new Map<string, ClusterEntry>()
  const users = new Map<string, UserEntry>()
  const contexts = new Map<string, z.infer<typeof ContextSchema>>()
  let currentContext: string | undefined
  for (const path of paths) {
    const text = await readFile(path, 'utf8').catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT' && !required) return undefined
      throw new PodroleError(
        'NoKubeAccess',
        `the kubeconfig ${quote(path)} cannot be read: ${codeOf(error) ?? messageOf(error)}`,
      )
    })
    if (text === undefined) continue
    files.push(path)
    const file = parseKubeconfig(text, path)
    const folder = dirname(resolve(path))
    currentContext ??= file['current-context'] || undefined
    for (const { name, cluster } of file.clusters ?? []) {
      if (cluster && !clusters.has(name)) clusters.set(name, { ...cluster, folder })
    }
    for (const { name, user } of file.users ?? []) {
      if (!users.has(name)) users.set(name, { ...UserSchema.parse(user ?? {}), folder })
    }
    for (const { name, context } of file.contexts ?? []) {
      if (context && !contexts.has(name)) contexts.set(name, context)
    }
  }
  return { files, currentContext, clusters, users, contexts }
}

/** Each cluster of a plan looks into all files. */
const parsed = new Map<string, { readonly text: string; readonly file: KubeconfigFile }>()

function parseKubeconfig(text: string, path: string): KubeconfigFile {
  const before = parsed.get(path)
  if (before?.text === text) return before.file
  const file = readKubeconfig(text, path)
  parsed.set(path, { text, file })
  return file
}

function readKubeconfig(text: string, path: string): KubeconfigFile {
  let value: unknown
  try {
    value = parse(text) ?? {}
  } catch (error) {
    // A YAML error quotes the line it is about, and that line may hold a token.
    const line = /at line (\d+)/.exec(messageOf(error))?.[1]
    throw new PodroleError(
      'InvalidKubeconfig',
      `the kubeconfig ${quote(path)} is not YAML${line === undefined ? '' : ` (line ${line})`}`,
    )
  }
  const result = FileSchema.safeParse(value)
  if (result.success) return result.data
  const faults = result.error.issues.map(({ path: at, message }) => `${at.join('.')}: ${message}`)
  throw new PodroleError(
    'InvalidKubeconfig',
    `the kubeconfig ${quote(path)} is not one: ${faults.join('; ')}`,
  )
}

async function accessOf(merged: Merged, options: LoadOptions): Promise<LoadedKubeAccess> {
  const name = options.context ?? merged.currentContext
  const where = merged.files.join(', ')
  if (name === undefined) {
    throw invalid(`no context is set in ${where}`, 'Name one with --context.')
  }
  const context = merged.contexts.get(name)
  if (context === undefined) {
    const known = [...merged.contexts.keys()].join(', ') || 'none'
    throw invalid(`there is no context ${quote(name)} in ${where}: it has ${known}`)
  }
  const cluster = merged.clusters.get(context.cluster ?? '')
  if (cluster === undefined) {
    throw invalid(`context ${quote(name)} names cluster ${quote(context.cluster)}: there is none`)
  }
  const user = context.user ? merged.users.get(context.user) : undefined
  if (context.user && user === undefined) {
    throw invalid(`context ${quote(name)} names user ${quote(context.user)}: there is none`)
  }
  const reached = await clusterAccess(cluster, context.cluster ?? '', options.environment)
  return {
    context: name,
    ...(context.namespace && { namespace: context.namespace }),
    ...reached,
    ...(user && (await userAccess(user, context.user ?? '', reached, options))),
  }
}

async function clusterAccess(
  cluster: ClusterEntry,
  name: string,
  environment: LoadOptions['environment'],
): Promise<KubeAccess> {
  const server = cluster.server ?? ''
  if (!/^https?:\/\/[^/]/.test(server) || !URL.canParse(server)) {
    throw invalid(`cluster ${quote(name)} has server ${quote(server)}: wanted https://HOST:PORT`)
  }
  const ca = await inlineOrFile(cluster, 'certificate-authority', `cluster ${quote(name)}`)
  const isInsecure = cluster['insecure-skip-tls-verify'] === true
  if (isInsecure && ca !== undefined) {
    throw invalid(
      `cluster ${quote(name)} sets insecure-skip-tls-verify beside a certificate authority`,
      'Remove insecure-skip-tls-verify: the authority is there to be checked.',
    )
  }
  // As client-go: a proxy of the file's own is taken whatever NO_PROXY says.
  const proxy = cluster['proxy-url']
    ? readProxy(cluster['proxy-url'], `proxy-url of cluster ${quote(name)}`)
    : proxyFor(server, environment)
  return {
    server,
    ...(proxy !== undefined && { proxy }),
    ...(isInsecure && { insecureSkipTlsVerify: true }),
    ...(ca !== undefined && { ca }),
    ...(cluster['tls-server-name'] && { serverName: cluster['tls-server-name'] }),
  }
}

async function userAccess(
  user: UserEntry,
  name: string,
  cluster: KubeAccess,
  options: LoadOptions,
): Promise<Pick<KubeAccess, 'token' | 'clientCertificate'>> {
  const who = `user ${quote(name)}`
  if (user['auth-provider']) {
    throw unsupported(`${who} sets auth-provider`, 'Kubernetes 1.26 removed it: use exec.')
  }
  if (user.username) throw unsupported(`${who} sets username`, 'Kubernetes 1.19 removed it.')
  if (user.as) throw unsupported(`${who} sets as`, 'Impersonation is not supported.')
  const clientCertificate = await certificateOf(user, who)
  if (clientCertificate !== undefined || !user.exec) {
    const token = staticToken(user, options.clock)
    return { ...(clientCertificate && { clientCertificate }), ...(token && { token }) }
  }
  return createExecCredentials({
    plugin: execPlugin(user.exec, user.folder),
    cluster,
    environment: options.environment,
    clock: options.clock ?? systemClock,
  })
}

async function certificateOf(user: UserEntry, who: string): Promise<ClientCertificate | undefined> {
  const cert = await inlineOrFile(user, 'client-certificate', who)
  const key = await inlineOrFile(user, 'client-key', who)
  if ((cert === undefined) !== (key === undefined)) {
    throw invalid(`${who} has only one of client-certificate and client-key`)
  }
  return cert === undefined || key === undefined ? undefined : { cert, key: new Secret(key) }
}

/** `tokenFile` takes precedence over `token`, as in client-go. */
function staticToken(user: UserEntry, clock: Clock | undefined): KubeAccess['token'] {
  if (user.tokenFile) return tokenFromFile(resolve(user.folder, user.tokenFile), clock)
  if (!user.token) return undefined
  const token = new Secret(user.token)
  return () => token
}

function execPlugin(exec: z.infer<typeof ExecSchema>, folder: string): ExecPlugin {
  const { command } = exec
  return {
    apiVersion: exec.apiVersion,
    command: !isAbsolute(command) && /[/\\]/.test(command) ? resolve(folder, command) : command,
    args: exec.args ?? [],
    env: exec.env ?? [],
    provideClusterInfo: exec.provideClusterInfo ?? false,
    interactiveMode: exec.interactiveMode ?? 'IfAvailable',
    ...(exec.installHint && { installHint: exec.installHint }),
  }
}

type FileField = 'certificate-authority' | 'client-certificate' | 'client-key'

/** `NAME-data`, base64, takes precedence over the file `NAME`. */
async function inlineOrFile(
  entry: { readonly folder: string } & {
    readonly [name in FileField | `${FileField}-data`]?: string | null | undefined
  },
  field: FileField,
  owner: string,
): Promise<string | undefined> {
  const data = entry[`${field}-data`]
  if (data) return Buffer.from(data, 'base64').toString('utf8')
  const path = entry[field]
  return path ? readText(resolve(entry.folder, path), `${field} of ${owner}`) : undefined
}

async function loadInCluster(options: LoadOptions): Promise<LoadedKubeAccess> {
  const folder = options.serviceAccountFolder ?? SERVICE_ACCOUNT_FOLDER
  const host = options.environment['KUBERNETES_SERVICE_HOST'] ?? ''
  const port = options.environment['KUBERNETES_SERVICE_PORT'] ?? '443'
  const token = tokenFromFile(join(folder, 'token'), options.clock)
  await token()
  const namespace = await readText(join(folder, 'namespace'), 'the namespace file').catch(() => '')
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    ca: await readText(join(folder, 'ca.crt'), "the cluster's CA"),
    token,
    ...(namespace.trim() && { namespace: namespace.trim() }),
  }
}

async function readText(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new PodroleError(
      'NoKubeAccess',
      `${what} ${quote(path)} cannot be read: ${codeOf(error) ?? messageOf(error)}`,
    )
  }
}

const quote = (text: string | null | undefined): string => JSON.stringify(text ?? '')

const invalid = (message: string, hint?: string): PodroleError =>
  new PodroleError('InvalidKubeconfig', message, hint === undefined ? {} : { hint })

const unsupported = (message: string, hint: string): PodroleError =>
  new PodroleError('UnsupportedKubeconfig', `${message}: podrole does not use that`, { hint })

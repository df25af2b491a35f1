/** etcd, kube-apiserver and kube-controller-manager on loopback, in the shape of the sandbox's. */
import { createPublicKey, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jwksOf } from '../../src/issuer/documents.ts'
import { issuerApp } from '../../src/issuer/issuer-app.ts'
import { exportSigningKey, generateSigningKey, type SigningKey } from '../../src/issuer/keys.ts'
import { signToken } from '../../src/issuer/sign.ts'
import { createCertificateAuthority } from '../../src/lib/certificates.ts'
import type { CertificateAuthority } from '../../src/lib/certificates.ts'
import { Secret } from '../../src/lib/secret.ts'
import { type Listening, serveHttp } from '../../src/lib/serve.ts'
import type { ServedCluster } from '../../src/sandbox/cluster/cluster.ts'
import { type ChildProgram, freePorts, startProgram } from './child-program.ts'

export interface RealClusterOptions {
  /** The folder of the programs, from `findKubernetes`. */
  readonly programs: string
  readonly name: string
  /** The `iss` of service account tokens. */
  readonly issuer: string
  /** `https://kubernetes.default.svc` by default. */
  readonly apiAudiences?: readonly string[]
  /** Signs the server's certificate; one of its own by default. */
  readonly authority?: CertificateAuthority
  /** The Unix socket of an ExternalJWTSigner, which then has the keys in place of the cluster. */
  readonly signingEndpoint?: string
  /**
   * kube-apiserver's flags of service account tokens (keys, issuers, audiences, lives), in place of
   * all that these options and the cluster's own key make of them.
   */
  readonly tokenFlags?: readonly string[]
  /** Further flags of kube-apiserver. */
  readonly serverFlags?: readonly string[]
}

const READY_MS = 90_000
const ATTEMPTS = 3
const SERVER_NAMES = ['127.0.0.1', 'localhost', 'kubernetes', 'kubernetes.default.svc']

export interface RealCluster extends ServedCluster {
  /**
   * Compacts etcd at its present revision and starts kube-apiserver anew, at the same port: what
   * its watch cache held of the time before outlives a compaction, and no start.
   * @param tokenFlags in place of those that it had
   */
  restart(tokenFlags?: readonly string[]): Promise<void>
}

/**
 * Starts a cluster and waits until it is ready with its first namespaces' service accounts.
 * @throws Error with the last lines of the program that ended, or that is not ready in 90 s
 */
export async function startRealCluster(options: RealClusterOptions): Promise<RealCluster> {
  for (let attempt = 1; ; attempt += 1) {
    const running: (() => Promise<void>)[] = []
    const stop = async (): Promise<void> => {
      for (const end of running.splice(0).reverse()) await end()
    }
    try {
      return await startOnce(options, running, stop)
    } catch (error) {
      await stop()
      // A port that was free may have been taken since.
      if (attempt === ATTEMPTS || !/address already in use/.test(String(error))) throw error
    }
  }
}

interface Files {
  readonly folder: string
  readonly signingKey: SigningKey
  readonly authority: CertificateAuthority
  /** Signs what nodes serve with, and what the API server shows to them. */
  readonly kubelets: CertificateAuthority
  readonly adminToken: string
}

async function startOnce(
  options: RealClusterOptions,
  running: (() => Promise<void>)[],
  stop: () => Promise<void>,
): Promise<RealCluster> {
  const folder = mkdtempSync(join(tmpdir(), 'podrole-cluster-'))
  running.push(async () => rmSync(folder, { recursive: true, force: true }))
  const users = new UserTokens()
  const reviews = users.serve()
  running.push(() => reviews.stop(200))
  const files = await writeFiles(options, folder, reviews.url)
  const [etcdPort = 0, peerPort = 0, port = 0] = await freePorts(3)
  const start = (program: string, args: readonly string[]): ChildProgram => {
    const at = { logFile: join(folder, `${program}.log`), cwd: folder }
    const child = startProgram(join(options.programs, program), args, at)
    running.push(() => child.stop())
    return child
  }
  const server = `https://127.0.0.1:${port}`
  const ca = files.authority.cert
  const etcd = start('etcd', etcdFlags(folder, etcdPort, peerPort))
  let tokenFlags = tokenFlagsOf(options, files)
  const startApi = (): ChildProgram => {
    const flags = [...serverFlags(files, { etcdPort, port }), ...tokenFlags]
    return start('kube-apiserver', [...flags, ...(options.serverFlags ?? [])])
  }
  let api = startApi()
  const ask = (path: string): Promise<Response> =>
    fetch(server + path, {
      headers: { authorization: `Bearer ${files.adminToken}` },
      tls: { ca },
      proxy: false,
      redirect: 'error',
      signal: AbortSignal.timeout(5000),
    })
  const waitForApi = (): Promise<void> =>
    waitFor([etcd, api], 'kube-apiserver', async () => (await ask('/readyz')).ok)
  await waitForApi()
  const kubeconfig = kubeconfigOf(options.name, server, files, { token: files.adminToken })
  writeFileSync(join(folder, 'kubeconfig'), kubeconfig, { mode: 0o600 })
  const manager = start('kube-controller-manager', managerFlags(folder))
  const account = '/api/v1/namespaces/default/serviceaccounts/default'
  await waitFor(
    [etcd, api, manager],
    'kube-controller-manager',
    async () => (await ask(account)).ok,
  )
  const restart = async (flags = tokenFlags): Promise<void> => {
    tokenFlags = flags
    await api.stop()
    await compactEtcd(etcdPort)
    api = startApi()
    await waitForApi()
  }
  return { ...clusterOf(options, files, { server, kubeconfig, users, stop }), restart }
}

/** Through etcd's JSON gateway: revisions before the present one are forgotten. */
async function compactEtcd(port: number): Promise<void> {
  const ask = async (path: string, body: object): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${port}/v3/${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      proxy: false,
      signal: AbortSignal.timeout(5000),
    })
    if (!response.ok) throw new Error(`etcd answered ${path} with ${await response.text()}`)
    return response.json()
  }
  const { header } = (await ask('maintenance/status', {})) as { header: { revision: string } }
  await ask('kv/compaction', { revision: header.revision, physical: true })
}

function clusterOf(
  options: RealClusterOptions,
  files: Files,
  more: {
    readonly server: string
    readonly kubeconfig: string
    readonly users: UserTokens
    readonly stop: () => Promise<void>
  },
): ServedCluster {
  const jwks = (): ReturnType<typeof jwksOf> => jwksOf([files.signingKey])
  return {
    name: options.name,
    issuer: options.issuer,
    server: more.server,
    certificateAuthority: files.authority.cert,
    adminToken: new Secret(files.adminToken),
    tokenFor: (user, groups) => more.users.add(user, groups),
    kubeconfig: () => more.kubeconfig,
    certificateKubeconfig: async (user, groups) => {
      const { cert, key } = await files.authority.issueClient({
        commonName: user,
        organizations: groups,
        validDays: 1,
      })
      const base64 = (text: string): string => Buffer.from(text).toString('base64')
      return kubeconfigOf(options.name, more.server, files, {
        'client-certificate-data': base64(cert),
        'client-key-data': base64(key),
      })
    },
    jwks,
    issuerApp: issuerApp({ issuer: options.issuer, jwks }),
    signToken: (claims) => signToken(files.signingKey, claims),
    kubeletSecret: () => new Secret(randomBytes(24).toString('hex')),
    kubeletTls: async () => ({
      certificate: await files.kubelets.issue({ names: ['127.0.0.1'] }),
      clientAuthority: files.kubelets.cert,
    }),
    issuedSecrets: () => [],
    decisions: () => [],
    stop: more.stop,
  }
}

/**
 * Static tokens that may be added while the cluster runs: kube-apiserver asks this webhook token
 * authenticator about every token that is neither the administrator's nor a service account's.
 */
class UserTokens {
  readonly #users = new Map<string, { username: string; groups: readonly string[] }>()

  add(username: string, groups: readonly string[]): Secret {
    const token = randomBytes(24).toString('base64url')
    this.#users.set(token, { username, groups })
    return new Secret(token)
  }

  serve(): Listening {
    return serveHttp({
      hostname: '127.0.0.1',
      port: 0,
      handler: async (request) => {
        const review = (await request.json()) as { spec?: { token?: string } }
        const user = this.#users.get(review.spec?.token ?? '')
        return Response.json({
          apiVersion: 'authentication.k8s.io/v1',
          kind: 'TokenReview',
          status: { authenticated: user !== undefined, ...(user !== undefined && { user }) },
        })
      },
    })
  }
}

async function writeFiles(
  options: RealClusterOptions,
  folder: string,
  reviewsUrl: string,
): Promise<Files> {
  mkdirSync(join(folder, 'certs'), { mode: 0o700 })
  const authority =
    options.authority ?? (await createCertificateAuthority({ commonName: 'test cluster' }))
  const serving = await authority.issue({ names: SERVER_NAMES })
  const signingKey = await generateSigningKey('RS256')
  const adminToken = randomBytes(24).toString('base64url')
  const write = (name: string, text: string): void =>
    writeFileSync(join(folder, name), text, { mode: 0o600 })
  write('ca.crt', authority.cert)
  write('tls.crt', serving.cert)
  write('tls.key', serving.key)
  write('sa.key', exportSigningKey(signingKey).reveal())
  const publicKey = createPublicKey(signingKey.privateKey)
  write('sa.pub', publicKey.export({ format: 'pem', type: 'spki' }))
  write('tokens.csv', `${adminToken},kubernetes-admin,1,"system:masters"\n`)
  const kubelets = await createCertificateAuthority({ commonName: 'test kubelets' })
  const client = await kubelets.issueClient({ commonName: 'kube-apiserver-kubelet-client' })
  write('kubelets.crt', kubelets.cert)
  write('kubelet-client.crt', client.cert)
  write('kubelet-client.key', client.key)
  write('token-reviews', kubeconfigWith({ name: 'reviews', server: reviewsUrl }, {}))
  return { folder, signingKey, authority, kubelets, adminToken }
}

const etcdFlags = (folder: string, port: number, peerPort: number): string[] => [
  `--data-dir=${join(folder, 'etcd')}`,
  `--listen-client-urls=http://127.0.0.1:${port}`,
  `--advertise-client-urls=http://127.0.0.1:${port}`,
  `--listen-peer-urls=http://127.0.0.1:${peerPort}`,
  `--initial-advertise-peer-urls=http://127.0.0.1:${peerPort}`,
  `--initial-cluster=default=http://127.0.0.1:${peerPort}`,
  '--unsafe-no-fsync',
]

function tokenFlagsOf(
  { tokenFlags, apiAudiences, signingEndpoint, issuer }: RealClusterOptions,
  { folder }: Files,
): readonly string[] {
  if (tokenFlags !== undefined) return tokenFlags
  const audiences = apiAudiences ?? ['https://kubernetes.default.svc']
  return [
    ...(signingEndpoint === undefined
      ? [
          `--service-account-key-file=${join(folder, 'sa.pub')}`,
          `--service-account-signing-key-file=${join(folder, 'sa.key')}`,
        ]
      : [`--service-account-signing-endpoint=${signingEndpoint}`]),
    `--service-account-issuer=${issuer}`,
    `--api-audiences=${audiences.join(',')}`,
    // Expiry as asked for: the compatibility extension serves nobody here.
    '--service-account-extend-token-expiration=false',
  ]
}

const serverFlags = (
  { folder }: Files,
  ports: { readonly etcdPort: number; readonly port: number },
): string[] => [
  `--etcd-servers=http://127.0.0.1:${ports.etcdPort}`,
  '--bind-address=127.0.0.1',
  `--secure-port=${ports.port}`,
  `--cert-dir=${join(folder, 'certs')}`,
  `--tls-cert-file=${join(folder, 'tls.crt')}`,
  `--tls-private-key-file=${join(folder, 'tls.key')}`,
  `--client-ca-file=${join(folder, 'ca.crt')}`,
  `--token-auth-file=${join(folder, 'tokens.csv')}`,
  `--authentication-token-webhook-config-file=${join(folder, 'token-reviews')}`,
  '--authentication-token-webhook-version=v1',
  '--authorization-mode=Node,RBAC',
  '--enable-admission-plugins=NodeRestriction',
  '--service-cluster-ip-range=10.96.0.0/16',
  `--kubelet-certificate-authority=${join(folder, 'kubelets.crt')}`,
  `--kubelet-client-certificate=${join(folder, 'kubelet-client.crt')}`,
  `--kubelet-client-key=${join(folder, 'kubelet-client.key')}`,
  // Names of nodes are none that a resolver knows.
  '--kubelet-preferred-address-types=InternalIP',
]

const managerFlags = (folder: string): string[] => [
  `--kubeconfig=${join(folder, 'kubeconfig')}`,
  `--service-account-private-key-file=${join(folder, 'sa.key')}`,
  `--root-ca-file=${join(folder, 'ca.crt')}`,
  '--use-service-account-credentials=false',
  '--leader-elect=false',
  '--secure-port=0',
  '--authentication-skip-lookup=true',
  '--kube-api-qps=500',
  '--kube-api-burst=1000',
]

async function waitFor(
  programs: readonly ChildProgram[],
  what: string,
  isReady: () => Promise<boolean>,
): Promise<void> {
  const end = Date.now() + READY_MS
  for (;;) {
    if (await isReady().catch(() => false)) return
    const ended = programs.find((program) => program.exitCode() !== undefined)
    if (ended !== undefined) throw new Error(`a program of the cluster ended: ${ended.lastLines()}`)
    if (Date.now() > end) {
      const said = programs.map((program) => program.lastLines()).join('\n')
      throw new Error(`${what} is not ready after ${READY_MS / 1000} s: ${said}`)
    }
    await Bun.sleep(100)
  }
}

function kubeconfigOf(name: string, server: string, files: Files, user: object): string {
  const authority = Buffer.from(files.authority.cert).toString('base64')
  return kubeconfigWith({ name, server, 'certificate-authority-data': authority }, user)
}

function kubeconfigWith(
  { name, ...cluster }: { readonly name: string; readonly server: string } & Record<string, string>,
  user: object,
): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster }],
    users: [{ name: 'admin', user }],
    contexts: [{ name, context: { cluster: name, user: 'admin', namespace: 'default' } }],
    'current-context': name,
  })
}

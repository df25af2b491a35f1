/**
 * A sandbox in which the cases of `podrole explain` are made: each in an account, a namespace and a
 * bucket of its own, on a shared cluster or, where issuer or webhook misbehave, on one of its own.
 */
import { parse } from 'yaml'
import type { Case, SetUp, Words } from '../../src/doctor/explain/cases.suite.ts'
import { podOf } from '../../src/doctor/explain/cases.suite.ts'
import { DEMO_IMAGE } from '../../src/cli/demo/pods.ts'
import type { WiredSandbox } from '../../src/cli/parts/wired-sandbox.ts'
import { issuerApp } from '../../src/issuer/issuer-app.ts'
import { generateSigningKey } from '../../src/issuer/keys.ts'
import {
  type KubeClient,
  MUTATING_WEBHOOK_CONFIGURATIONS,
  NAMESPACES,
  PODS,
  SECRETS,
} from '../../src/kube/client.ts'
import type { KubeObject, Pod } from '../../src/kube/objects.ts'
import type { Handler } from '../../src/lib/handler.ts'
import { codeOf, messageOf } from '../../src/lib/errors.ts'
import { type ServingCertificate, serveTls, type TlsListening } from '../../src/lib/serve.ts'
import type { RunningCluster } from '../../src/sandbox/sandbox.ts'
import { type ConnectProxy, startConnectProxy } from './connect-proxy.ts'
import { CaseWorld } from './explain-world.ts'
import { type Desk, openDesk, type Ran } from './podrole.ts'
import { imageOf, type PodPrograms } from './pod-programs.ts'
import { startQuietSandbox } from './quiet-sandbox.ts'

export const REGION = 'us-east-1'
/** Of the clusters. */
const HOME = '100000000000'
const OTHER = '199999999999'
const FIRST_CASE = 200_000_000_000

export interface ReadOutcome {
  readonly ok: boolean
  readonly error?: string
  readonly message?: string
}

/** One case, as it stands in the sandbox. */
export interface CasePlace {
  readonly words: Words
  readonly desk: Desk
  /** Makes everything as it says; what is there already is changed to it. */
  establish(setUp: SetUp): Promise<void>
  /** Makes the pod, in place of one that is there, and tells what it got of the object. */
  readByPod(setUp: SetUp): Promise<ReadOutcome>
  /** With what the set-up gives it by options, and further ones. */
  explain(setUp: SetUp, options: string): Promise<Ran>
  end(): Promise<void>
}

export interface ExplainStage {
  place(one: Case): Promise<CasePlace>
  /** Of the sandbox's AWS, over every case. */
  setFaults(faults: readonly string[]): void
  stop(): Promise<void>
}

/** Where an issuer of a case's own is served, and how it behaves. */
interface OwnIssuer {
  set(behaviour: SetUp['issuer']): Promise<void>
  stop(): Promise<void>
}

interface Ground {
  readonly cluster: RunningCluster
  readonly issuer: string
  /** Undefined for the shared one, which behaves. */
  readonly own?: OwnIssuer
}

/** @param images of the programs that the cases' pods run beside the sandbox's own */
export async function startExplainStage(
  cases: readonly Case[],
  images: PodPrograms['images'] = {},
): Promise<ExplainStage> {
  const accountOf = new Map(cases.map(({ id }, at) => [id, String(FIRST_CASE + at)]))
  const wired = await startQuietSandbox({
    images,
    accountIds: [HOME, OTHER, ...accountOf.values()],
    region: REGION,
    clusters: [
      { name: 'edge', region: REGION, kind: 'self-managed', issuer: issuerOf('edge') },
      { name: 'shop', region: REGION, kind: 'eks' },
    ],
  })
  const proxy = await startConnectProxy({})
  const shared = wired.sandbox.clusters.get('edge')
  if (shared === undefined) throw new Error('no cluster')
  const issuer = issuerOf('edge')
  const app = issuerApp({ issuer, jwks: () => shared.cluster.jwks() })
  wired.sandbox.aws.addIssuer('edge', app)
  const shop = wired.sandbox.clusters.get('shop')
  if (shop === undefined) throw new Error('no cluster')
  const ground: Ground = { cluster: shared, issuer }
  const grounds = {
    irsa: ground,
    'pod-identity': { cluster: shop, issuer },
    broker: ground,
  }
  return {
    place: async (one) => {
      const account = accountOf.get(one.id) ?? ''
      if (one.method === 'irsa-on-eks') {
        const own = await eksGround(wired, { account, name: one.id })
        return placeCase(wired, own, { account, name: one.id, proxy })
      }
      const own = one.needsOwnCluster ? await ownGround(wired, one.id) : grounds[one.method]
      // EKS takes roles of the cluster's own account alone.
      const isEks = own.cluster.kind === 'eks'
      const place = { account: isEks ? HOME : account, name: one.id, proxy }
      return placeCase(wired, own, { ...place, isOnBroker: one.method === 'broker' })
    },
    setFaults: (faults) => wired.sandbox.aws.faults.replace(faults),
    stop: async () => {
      proxy.stop()
      await wired.stop()
    },
  }
}

const issuerOf = (name: string): string => `https://${name}.issuer.sandbox/clusters/${name}`

async function ownGround(wired: WiredSandbox, name: string): Promise<Ground> {
  const { sandbox } = wired
  const issuer = issuerOf(name)
  const request = { name, region: REGION, kind: 'self-managed', issuer } as const
  const cluster = await sandbox.startCluster(request)
  return { cluster, issuer, own: await ownIssuer(wired, cluster, issuer) }
}

/** An EKS cluster in the case's own account. */
async function eksGround(
  { sandbox }: WiredSandbox,
  { account, name }: { readonly account: string; readonly name: string },
): Promise<Ground> {
  const request = { name, region: REGION, kind: 'eks', accountId: account } as const
  const cluster = await sandbox.startCluster(request)
  return { cluster, issuer: cluster.cluster.issuer }
}

/** An issuer with a TLS server of its own, which can be ended. */
async function ownIssuer(
  { sandbox }: WiredSandbox,
  cluster: RunningCluster,
  issuer: string,
): Promise<OwnIssuer> {
  const { hostname } = new URL(issuer)
  const state: { behaviour: SetUp['issuer'] } = { behaviour: 'well' }
  const handler = await switchedIssuer(issuer, cluster, state)
  const good = await sandbox.authority.issue({ names: [hostname] })
  const expired = (): Promise<ServingCertificate> =>
    sandbox.authority.issue({ names: [hostname], validDays: -1 })
  const port = await sandbox.keepPort(hostname)
  const serve = (certificate: ServingCertificate): Promise<TlsListening> =>
    serveTls({ hostname: '127.0.0.1', port, handler, certificate })
  let server: TlsListening | undefined = await serve(good)
  sandbox.names.add(`${hostname}=127.0.0.1:${port}`)
  return {
    set: async (behaviour) => {
      state.behaviour = behaviour
      if (behaviour === 'down') {
        await server?.stop(0)
        server = undefined
        return
      }
      const certificate = behaviour === 'expired' ? await expired() : good
      if (server === undefined) server = await serve(certificate)
      else server.reload(certificate)
    },
    stop: async () => server?.stop(0),
  }
}

const SLOW_MS = 6000

/** An issuer that behaves as the switch says. */
async function switchedIssuer(
  issuer: string,
  { cluster }: RunningCluster,
  state: { readonly behaviour: SetUp['issuer'] },
): Promise<Handler> {
  const stranger = await generateSigningKey('ES256')
  const well = issuerApp({ issuer, jwks: () => cluster.jwks() })
  const otherKeys = issuerApp({ issuer, jwks: () => ({ keys: [stranger.publicJwk] }) })
  const otherIssuer: Handler = async (request, client) => {
    const answer = await well(request, client)
    return new Response((await answer.text()).replaceAll(`"${issuer}"`, `"${issuer}/"`), answer)
  }
  return async (request, client) => {
    switch (state.behaviour) {
      case 'slow':
        await Bun.sleep(SLOW_MS)
        return well(request, client)
      case 'forbidden':
        return new Response('<Error><Code>AccessDenied</Code></Error>', { status: 403 })
      case 'redirects':
        return Response.redirect('https://elsewhere.issuer.sandbox/', 301)
      case 'not-json':
        return new Response('<html>')
      case 'other-issuer':
        return otherIssuer(request, client)
      case 'other-keys':
        return otherKeys(request, client)
      default:
        return well(request, client)
    }
  }
}

async function placeCase(
  wired: WiredSandbox,
  { cluster, issuer, own }: Ground,
  at: {
    readonly account: string
    readonly name: string
    readonly proxy: ConnectProxy
    readonly isOnBroker?: boolean
  },
): Promise<CasePlace> {
  const { account, isOnBroker = false, name, proxy } = at
  const { sandbox } = wired
  const words: Words = {
    account,
    'other-account': OTHER,
    issuer,
    namespace: name,
    bucket: `bucket-${name}`,
    fleet: wired.brokers[0]?.issuer ?? '',
    role: `orders-${name}`,
    cluster: cluster.name,
    proxy: proxy.url,
  }
  const { client } = cluster
  for (const node of cluster.nodes) await node.addForward(Number(new URL(proxy.url).port))
  await client.create(NAMESPACES, { metadata: { name } })
  const desk = openDesk(wired, {
    profiles: { shop: account, other: OTHER },
    cluster,
    issuers: [issuer, words.fleet],
  })
  const webhook = webhookSwitch(cluster)
  const isNamed = isOnBroker || cluster.kind === 'eks'
  const place =
    `${isNamed ? `--cluster ${cluster.name} ` : ''}${isOnBroker ? '--broker --ca-file ca.pem' : ''}`.trim()
  const world = await CaseWorld.open({
    sandbox,
    words,
    client,
    region: REGION,
    ...(isOnBroker && { broker: wired.brokers[0] }),
  })
  return {
    words,
    desk,
    establish: async (setUp) => {
      await own?.set(setUp.issuer)
      await world.establish(setUp)
      await webhook.set(setUp.webhook)
      if (setUp.token !== undefined) {
        desk.write('token', await handOverToken(client, name, setUp.token.audiences))
      }
    },
    readByPod: (setUp) => readByPod(cluster, setUp, words),
    explain: (setUp, options) => desk.run(...explainWords(setUp, words, [place, options])),
    end: async () => {
      desk.remove()
      await own?.stop()
    },
  }
}

async function readByPod(
  cluster: RunningCluster,
  setUp: SetUp,
  words: Words,
): Promise<ReadOutcome> {
  const { client } = cluster
  const ref = { namespace: words.namespace, name: 'orders' }
  await client.delete(PODS, ref).catch(ignoreMissing)
  await waitUntilGone(cluster, ref)
  try {
    const how = { image: DEMO_IMAGE, main: imageOf(setUp.pod.program) }
    await client.create<Pod>(PODS, podOf(setUp, words, how) as Pod)
  } catch (error) {
    // As without its service account.
    if (codeOf(error) !== 'Forbidden') throw error
    return { ok: false, error: 'Forbidden', message: messageOf(error) }
  }
  return waitForOutcome(cluster, ref)
}

/** What is typed after `podrole` to ask of the set-up: a line, and words that may hold spaces. */
function explainWords(
  { error, sdk, token }: SetUp,
  { bucket, namespace }: Words,
  more: readonly string[],
): [string, ...string[]] {
  const line = [
    `explain ${namespace}/orders --action s3:GetObject`,
    `--resource arn:aws:s3:::${bucket}/today.txt -o json`,
    sdk === undefined ? '' : `--sdk ${sdk}`,
    token === undefined ? '' : '--token token',
    ...more,
  ]
  const words = error === undefined ? [] : ['--error', error]
  return [line.filter((part) => part !== '').join(' '), ...words]
}

/** What somebody asks the API for and hands to pods by hand: the key `token` of the Secret `token`. */
async function handOverToken(
  client: KubeClient,
  namespace: string,
  audiences: readonly string[],
): Promise<string> {
  const token = await client.createToken({ namespace, name: 'orders' }, { audiences })
  const ref = { namespace, name: 'token' }
  const data = { token: btoa(token) }
  try {
    await client.mergePatch(SECRETS, ref, { data })
  } catch (error) {
    ignoreMissing(error)
    await client.create(SECRETS, { metadata: ref, data } as KubeObject)
  }
  return token
}

/** Takes the webhook's registration away, and puts it back as it was. */
function webhookSwitch({ client }: RunningCluster): {
  set(state: SetUp['webhook']): Promise<void>
} {
  const ref = { name: 'podrole-webhook' }
  let taken: KubeObject | undefined
  return {
    set: async (state) => {
      if (state === 'missing' && taken === undefined) {
        taken = await client.get(MUTATING_WEBHOOK_CONFIGURATIONS, ref)
        await client.delete(MUTATING_WEBHOOK_CONFIGURATIONS, ref)
      } else if (state === 'runs' && taken !== undefined) {
        await client.create(MUTATING_WEBHOOK_CONFIGURATIONS, { ...taken, metadata: ref })
        taken = undefined
      }
    },
  }
}

function ignoreMissing(error: unknown): void {
  if (codeOf(error) !== 'NotFound') throw error
}

interface Ref {
  readonly namespace: string
  readonly name: string
}

const TRIES = 1500
const PAUSE_MS = 40

async function waitUntilGone({ client }: RunningCluster, ref: Ref): Promise<void> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    try {
      await client.get<Pod>(PODS, ref)
    } catch (error) {
      if (codeOf(error) === 'NotFound') return
      throw error
    }
    await Bun.sleep(PAUSE_MS)
  }
  throw new Error(`pod ${ref.namespace}/${ref.name} is still there`)
}

async function waitForOutcome({ client }: RunningCluster, ref: Ref): Promise<ReadOutcome> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const { status } = await client.get<Pod>(PODS, ref)
    if (status?.phase === 'Succeeded' || status?.phase === 'Failed') {
      const path = `/api/v1/namespaces/${ref.namespace}/pods/${ref.name}/log?container=main`
      const text = await (await client.raw('GET', path)).text()
      const line = text.trim().split('\n').at(-1) ?? ''
      if (line.startsWith('{')) return parse(line) as ReadOutcome
      return { ok: false, error: 'NoOutcome', message: text.slice(-500) }
    }
    await Bun.sleep(PAUSE_MS)
  }
  throw new Error(`pod ${ref.namespace}/${ref.name} has not ended`)
}

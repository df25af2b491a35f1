/** Webhooks and agents: there, ready, of this version, with certificates that last. */
import { isEksIssuer } from '../../manage/workload-identity/issuer.ts'
import type {
  AgentAddonFact,
  DoctorCluster,
  DoctorFacts,
  PodFact,
  PodWebhookFact,
  ServiceFact,
} from '../facts/doctor-facts.ts'
import { valueOf } from '../facts/fact.ts'
import { type CheckResult, type NotLookedAt, type RawFinding, someOf } from './finding.ts'

/** Agents by the names of their pods: AWS's and podrole's. */
export const AGENT = /^(?:eks-pod-identity-agent|podrole-agent)/

const DAY_MS = 86_400_000
const NEAR_DAYS = 30
const STARTING_MS = 120_000

export function checkWebhooks(cluster: DoctorCluster, facts: DoctorFacts): CheckResult {
  const { associations, name, serviceAccounts, webhooks } = cluster
  if (!webhooks.known) {
    return { findings: [], notLookedAt: [{ what: `webhooks of ${name}`, why: webhooks.why }] }
  }
  const results = webhooks.value.map((webhook) => judgeWebhook(webhook, cluster, facts))
  const needing = new Set([
    ...(valueOf(serviceAccounts) ?? [])
      .filter(({ roleArn }) => roleArn !== undefined)
      .map((one) => `${one.namespace}/${one.name}`),
    ...(valueOf(associations) ?? []).map((one) => `${one.namespace}/${one.serviceAccount}`),
  ])
  const missing: RawFinding[] =
    webhooks.value.length === 0 && needing.size > 0 && !hasOwnWebhook(cluster)
      ? [
          {
            id: 'webhook-missing',
            subject: `cluster ${name}`,
            what: `${needing.size} service account(s) have a role, and no MutatingWebhookConfiguration is about identity: ${someOf([...needing])}`,
          },
        ]
      : []
  return {
    findings: [...missing, ...results.flatMap(({ findings }) => findings)],
    notLookedAt: results.flatMap(({ notLookedAt }) => notLookedAt),
  }
}

/** EKS' is in its control plane, and may be hidden. */
function hasOwnWebhook({ eks, issuer }: DoctorCluster): boolean {
  const url = valueOf(issuer)
  return valueOf(eks) !== undefined || (url !== undefined && isEksIssuer(url))
}

function judgeWebhook(
  webhook: PodWebhookFact,
  cluster: DoctorCluster,
  facts: DoctorFacts,
): CheckResult {
  const subject = `webhook ${webhook.configuration} of ${cluster.name}`
  const pods = podsBehind(webhook.service, cluster)
  const notLookedAt: NotLookedAt[] = []
  const { authorityEnds, certificateEnds } = webhook
  if (!certificateEnds.known) {
    notLookedAt.push({ what: `the certificate of ${subject}`, why: certificateEnds.why })
  }
  if (pods.why !== undefined) {
    notLookedAt.push({ what: `whether ${subject} runs`, why: pods.why })
  }
  const certificate = valueOf(certificateEnds)
  const findings = [
    ...authorityEnds.flatMap((end) => ending('its caBundle', end, { subject, facts })),
    ...(certificate === undefined
      ? []
      : ending('its certificate', certificate, { subject, facts })),
    ...(pods.found === undefined ? [] : behindFindings(pods.found, { subject, facts })),
  ]
  return { findings, notLookedAt }
}

/** Undefined pods: a webhook that is elsewhere, under a URL. */
function podsBehind(
  service: ServiceFact | undefined,
  { pods }: DoctorCluster,
): { readonly found?: readonly PodFact[]; readonly why?: string } {
  if (service === undefined) return {}
  if (!service.selector.known) return { why: service.selector.why }
  if (!pods.known) return { why: pods.why }
  const selector = service.selector.value
  if (selector === undefined) return { found: [] }
  const wanted = Object.entries(selector)
  // A service without a selector has endpoints of somebody else's making.
  if (wanted.length === 0) return { why: `service ${service.name} selects no pods` }
  return {
    found: pods.value.filter(
      ({ labels, namespace }) =>
        namespace === service.namespace && wanted.every(([key, value]) => labels[key] === value),
    ),
  }
}

interface About {
  readonly subject: string
  readonly facts: DoctorFacts
}

function behindFindings(pods: readonly PodFact[], { facts, subject }: About): RawFinding[] {
  if (!pods.some(({ isReady }) => isReady)) {
    const what = pods.length === 0 ? 'it has no pod' : `none of its ${pods.length} pod(s) is ready`
    return [{ id: 'webhook-down', subject, what }]
  }
  return oldImages(pods, facts).map((image) => ({
    id: 'webhook-old',
    subject,
    what: `it runs ${image}, and this podrole is ${facts.version}`,
  }))
}

function ending(whose: string, end: string, { facts, subject }: About): RawFinding[] {
  const leftMs = Date.parse(end) - facts.nowMs
  if (leftMs > NEAR_DAYS * DAY_MS) return []
  return leftMs <= 0
    ? [{ id: 'certificate-expired', subject, what: `${whose} ended on ${end}` }]
    : [
        {
          id: 'certificate-near-expiry',
          subject,
          what: `${whose} ends on ${end}, in ${Math.floor(leftMs / DAY_MS)} days`,
        },
      ]
}

/** Images of podrole with a version as their tag that is lower; each once. */
function oldImages(pods: readonly PodFact[], { version }: DoctorFacts): readonly string[] {
  const images = new Set(pods.flatMap((pod) => pod.images))
  return [...images].filter((image) => {
    const [, tag] = /(?:^|\/)podrole:v?(\d+\.\d+\.\d+)$/.exec(image) ?? []
    return tag !== undefined && Bun.semver.order(tag, version) < 0
  })
}

export function checkAgents(cluster: DoctorCluster, facts: DoctorFacts): CheckResult {
  const { agentAddon, associations, eks, name, nodes, pods } = cluster
  const subject = `cluster ${name}`
  // Nodes of EKS Auto Mode have it built in.
  if (valueOf(eks)?.isAutoMode === true) return { findings: [], notLookedAt: [] }
  const old = oldAddon(valueOf(agentAddon), subject)
  const notLookedAt = [
    ...(agentAddon.known
      ? []
      : [{ what: `add-on eks-pod-identity-agent of ${name}`, why: agentAddon.why }]),
    ...(nodes.known ? [] : [{ what: `nodes of ${name}`, why: nodes.why }]),
  ]
  if (!pods.known) return { findings: old, notLookedAt }
  const agents = pods.value.filter((pod) => AGENT.test(pod.name))
  const down: RawFinding[] = agents
    .filter((pod) => !pod.isReady && !isStarting(pod, facts))
    .map(({ name: pod, namespace, node }) => ({
      id: 'agent-down',
      subject,
      what: `${namespace}/${pod} on node ${node ?? '(none yet)'} is not ready`,
    }))
  const ownOld = oldImages(agents, facts).map((image): RawFinding => ({
    id: 'agent-old',
    subject,
    what: `agents run ${image}, and this podrole is ${facts.version}`,
  }))
  const needsAgents = (valueOf(associations) ?? []).length > 0
  const missing = needsAgents && nodes.known ? bareNodes(cluster, agents) : []
  return { findings: [...old, ...ownOld, ...down, ...missing], notLookedAt }
}

/** A pod that was made just now may still be starting. */
const isStarting = ({ madeAt }: PodFact, { nowMs }: DoctorFacts): boolean =>
  madeAt !== undefined && nowMs - Date.parse(madeAt) < STARTING_MS

/** Older than what EKS installs by itself, or not offered any more. */
function oldAddon(addon: AgentAddonFact | undefined, subject: string): RawFinding[] {
  if (addon?.usual === undefined) return []
  const { offered, usual, version } = addon
  const at = offered.indexOf(version)
  if (at !== -1 && at <= offered.indexOf(usual)) return []
  const what = `add-on eks-pod-identity-agent is ${version}, and EKS installs ${usual}`
  return [{ id: 'agent-old', subject, what }]
}

/** The agent cannot run on Fargate and Windows, which `explain` and `advise` say. */
function bareNodes({ name, nodes }: DoctorCluster, agents: readonly PodFact[]): RawFinding[] {
  const covered = new Set(agents.map(({ node }) => node))
  const bare = (valueOf(nodes) ?? []).filter(
    (node) => (node.compute === 'linux' || node.compute === 'hybrid') && !covered.has(node.name),
  )
  if (bare.length === 0) return []
  return [
    {
      id: 'agent-missing',
      subject: `cluster ${name}`,
      what: `${bare.length} node(s) have no agent: ${someOf(bare.map((node) => node.name))}`,
    },
  ]
}

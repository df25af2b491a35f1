/** The Pod Identity agent on the pod's node, and what may be between the pod and it. */
import type { WorkloadFacts } from '../../facts/workload-facts.ts'
import { asksProxies } from '../../facts/sdk.ts'
import { envOf, type Way } from '../../facts/way.ts'
import { desiredOnEks } from '../desired.ts'
import { outside } from '../fix.ts'
import { broken, type LinkVerdict, notApplicable, notKnown, ok } from '../verdict.ts'

const PROXIES = ['HTTP_PROXY', 'http_proxy', 'ALL_PROXY', 'all_proxy']
const NO_PROXY = ['NO_PROXY', 'no_proxy']

export function agentLink(facts: WorkloadFacts, way: Way): LinkVerdict {
  if (way.method !== 'pod-identity') return notApplicable('agent', 'no agent is asked')
  const proxy = proxyFault(facts, way)
  if (proxy?.status === 'broken') return proxy
  const found = agentState(facts, way)
  return found.status === 'ok' ? (proxy ?? found) : found
}

function agentState(facts: WorkloadFacts, way: Way): LinkVerdict {
  const node = way.pod?.spec.nodeName
  if (node === undefined) return notKnown('agent', 'the pod is on no node yet')
  if (!facts.agent.known) return notKnown('agent', `agents cannot be read: ${facts.agent.why}`)
  const agent = facts.agent.value
  if (agent?.kind === 'built-in')
    return ok('agent', 'nodes of EKS Auto Mode have the agent built in')
  if (agent === undefined) {
    return broken('agent', 'agent-missing', {
      text: `no Pod Identity agent runs on node ${node}`,
      found: 'no pod eks-pod-identity-agent or podrole-agent',
      wanted: 'one on every node',
      fix:
        desiredOnEks(facts, 'install the add-on', {
          addons: [{ name: 'eks-pod-identity-agent' }],
        }) ??
        outside(
          `run the agent on node ${node} (podrole agent manifests), and see that its DaemonSet tolerates the node`,
        ),
    })
  }
  if (agent.ready) return ok('agent', `${agent.name} is ready on node ${node}`)
  return broken('agent', 'agent-not-ready', {
    text: `the agent ${agent.name} on node ${node} is not ready`,
    found: 'Ready is not True',
    wanted: 'a ready agent',
    fix: outside(`mend the agent ${agent.name}: its log says what it lacks`),
  })
}

/**
 * A proxy from the environment would be asked for a link-local address, which is another one there:
 * by SDKs that ask proxies. Of one that is not named it is open.
 */
function proxyFault(
  { error, sdk = error?.sdk }: WorkloadFacts,
  { container }: Way,
): LinkVerdict | undefined {
  const asks = asksProxies(sdk)
  if (container === undefined || asks === false) return undefined
  const uri = envOf(container, 'AWS_CONTAINER_CREDENTIALS_FULL_URI') ?? ''
  const host = URL.canParse(uri) ? new URL(uri).hostname : ''
  const proxy = PROXIES.find((name) => envOf(container, name) !== undefined)
  const exempt = NO_PROXY.flatMap((name) => (envOf(container, name) ?? '').split(','))
  const isExempt = exempt.some((text) => {
    const entry = text.trim().replace(/^\*?\./, '')
    return entry === '*' || (entry !== '' && (host === entry || isInRange(host, entry)))
  })
  if (proxy === undefined || host === '' || isExempt) return undefined
  const text = `container ${container.name} has ${proxy}, and NO_PROXY does not leave out ${host}`
  if (asks === undefined) {
    return notKnown(
      'agent',
      `${text}: Go's SDK would ask the proxy for it, those for Python and JavaScript 3 ask none (--sdk tells which it is; NO_PROXY with ${host} does for all)`,
    )
  }
  return broken('agent', 'proxy-in-the-way', {
    text,
    found: `${proxy} ${envOf(container, proxy)}`,
    wanted: `NO_PROXY with ${host}`,
    fix: outside(
      `add ${host} to NO_PROXY (and no_proxy) of container ${container.name}, and make the pod again`,
    ),
  })
}

/** IPv4 in CIDR notation, which Go and Python take in NO_PROXY. */
function isInRange(host: string, entry: string): boolean {
  const [, base = '', bits = ''] = /^(\d+(?:\.\d+){3})\/(\d+)$/.exec(entry) ?? []
  const [one, other] = [numberOf(host), numberOf(base)]
  if (one === undefined || other === undefined) return false
  const size = 2 ** (32 - Number(bits))
  return Math.floor(one / size) === Math.floor(other / size)
}

function numberOf(address: string): number | undefined {
  const parts = address.split('.').map(Number)
  const isGood = parts.length === 4 && parts.every((part) => part >= 0 && part <= 255)
  return isGood ? parts.reduce((sum, part) => sum * 256 + part, 0) : undefined
}

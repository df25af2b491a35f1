/** Joins the links: facts → verdicts in order, the cause, and one fix. Pure. */
import { formatServiceAccountName } from '../../iam/service-account-name.ts'
import { unknown } from '../facts/fact.ts'
import type { TokenFact, WorkloadFacts } from '../facts/workload-facts.ts'
import { agentLink } from './links/agent.ts'
import { associationLink } from './links/association.ts'
import { issuerLink } from './links/issuer.ts'
import { networkLink } from './links/network.ts'
import { permissionsLink } from './links/permissions.ts'
import { podLink } from './links/pod.ts'
import { providerLink } from './links/provider.ts'
import { sdkChainLink } from './links/sdk-chain.ts'
import { sessionLink } from './links/session.ts'
import { targetRoleLink } from './links/target-role.ts'
import { tokenLink } from './links/token.ts'
import { trustLink } from './links/trust.ts'
import { type LinkName, LINKS } from './link-names.ts'
import type { Broken, LinkVerdict } from './verdict.ts'
import { type Way, wayOf } from '../facts/way.ts'

export interface Explanation {
  /** `NAMESPACE/NAME` */
  readonly serviceAccount: string
  readonly pod?: string
  readonly method: Way['method']
  readonly roleArn?: string
  /** `broken`: there is a cause. `open`: none was found, and something could not be looked at. */
  readonly verdict: 'ok' | 'broken' | 'open'
  readonly links: readonly LinkVerdict[]
  /** The first broken link. */
  readonly cause?: Broken
  /** One sentence. */
  readonly sentence: string
}

type Link = (facts: WorkloadFacts, way: Way) => LinkVerdict

const JUDGES: Readonly<Record<LinkName, Link>> = {
  pod: podLink,
  token: tokenLink,
  issuer: issuerLink,
  provider: providerLink,
  association: associationLink,
  agent: agentLink,
  network: networkLink,
  trust: trustLink,
  session: sessionLink,
  'target-role': targetRoleLink,
  permissions: permissionsLink,
  'sdk-chain': sdkChainLink,
}

export function explain(facts: WorkloadFacts): Explanation {
  const way = wayOf(facts)
  const links = LINKS.map((name) => JUDGES[name](facts, way))
  const cause = links.find((link) => link.status === 'broken')
  const open = links.filter(({ status }) => status === 'unknown')
  const { name, namespace } = way.pod?.metadata ?? {}
  const serviceAccount = formatServiceAccountName(facts.subject)
  return {
    serviceAccount,
    ...(name !== undefined && { pod: `${namespace}/${name}` }),
    method: way.method,
    ...(way.roleArn !== undefined && { roleArn: way.roleArn }),
    verdict: cause !== undefined ? 'broken' : open.length > 0 ? 'open' : 'ok',
    links,
    ...(cause !== undefined && { cause }),
    sentence: sentenceOf({ serviceAccount, way, cause, open }),
  }
}

/** What can be said of a token by itself, without asking anybody. */
export function explainToken(token: TokenFact, nowMs: number): Explanation {
  const [, namespace = '', name = ''] = SUBJECT.exec(token.subject) ?? []
  const offline = unknown('nothing but the token was looked at')
  const facts: WorkloadFacts = {
    nowMs,
    subject: { namespace, name },
    account: { accountId: '', partition: '', region: '' },
    cluster: { kind: 'not-named', isAutoMode: false, issuer: offline, keys: offline },
    serviceAccount: offline,
    pod: offline,
    webhooks: offline,
    token,
    outside: offline,
    role: offline,
    provider: offline,
    providerArns: offline,
    association: offline,
    targetRole: offline,
    agent: offline,
    networkPolicies: offline,
    policyEnforcer: offline,
  }
  const way: Way = { ...wayOf(facts), method: 'irsa', asksSts: true }
  const links = [tokenLink(facts, way), issuerLink(facts, way)]
  const cause = links.find((link) => link.status === 'broken')
  const who = name === '' ? 'the token' : `${namespace}/${name}`
  return {
    serviceAccount: `${namespace}/${name}`,
    method: 'irsa',
    verdict: cause === undefined ? 'open' : 'broken',
    links,
    ...(cause !== undefined && { cause }),
    sentence:
      cause === undefined
        ? `Nothing is wrong with the token of ${who} by itself; its signature, its issuer and what trusts it were not looked at.`
        : `STS does not take the token because ${cause.text}.`,
  }
}

const SUBJECT = /^system:serviceaccount:([^:]+):([^:]+)$/

function sentenceOf(about: {
  readonly serviceAccount: string
  readonly way: Way
  readonly cause: Broken | undefined
  readonly open: readonly LinkVerdict[]
}): string {
  const { cause, open, serviceAccount, way } = about
  if (cause !== undefined) return `${serviceAccount} does not get its access because ${cause.text}.`
  if (open.length > 0) {
    return `Nothing is found that is wrong with ${serviceAccount}, but ${open.map(({ text }) => text).join('; ')}.`
  }
  return `${serviceAccount} gets ${way.roleArn ?? 'its role'}: every link holds, as far as account policies go.`
}

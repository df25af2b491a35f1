/** Runs cases of the contract suite against one cluster. */
import type { ContractCase, Step } from './contract-cases.ts'
import type { ContractTarget } from './contract-targets.ts'
import {
  type ContractWebhooks,
  startContractWebhooks,
  type WebhookAnswer,
} from './contract-webhook.ts'

/** A step that was not answered as the case says. */
export class ContractFault extends Error {}

/** Who may act in a case, with the groups that their token gives them. */
const USERS: Readonly<Record<string, readonly string[]>> = {
  nobody: [],
  alice: ['developers'],
  'system:node:node-a': ['system:nodes'],
  'system:node:node-b': ['system:nodes'],
}

/** A cluster that the suite runs against. */
export interface ContractCluster {
  run(one: ContractCase): Promise<void>
  stop(): Promise<void>
}

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: unknown
}

interface Context {
  readonly target: ContractTarget
  readonly webhooks: ContractWebhooks
  tokens: Readonly<Record<string, string>>
}

/** A case under way. */
interface Run {
  readonly context: Context
  readonly namespace: string
  readonly saved: Map<string, string>
}

const AT_ONCE = 25
const UNTIL_MS = 30_000
const ANSWER_MS = 20_000

/** Makes the namespaces of all cases and waits until controllers have filled them. */
export async function prepareContract(
  target: ContractTarget,
  cases: readonly ContractCase[],
): Promise<ContractCluster> {
  const webhooks = await startContractWebhooks()
  const context: Context = { target, webhooks, tokens: tokensOf(target) }
  const runOf = (namespace: string): Run => ({ context, namespace, saved: new Map() })
  for (const step of new Set(cases.flatMap(({ before }) => before))) {
    await runStep(runOf('default'), step)
  }
  const prepare = async (one: ContractCase): Promise<void> => {
    const run = runOf(one.namespace)
    const body = { metadata: { name: one.namespace } }
    await runStep(run, { do: 'POST namespaces', body, is: 201 })
    for (const path of ['serviceaccounts/default', 'configmaps/kube-root-ca.crt']) {
      await runStep(run, { do: `GET ${path}`, is: 200, until: true })
    }
  }
  for (let at = 0; at < cases.length; at += AT_ONCE) {
    await Promise.all(cases.slice(at, at + AT_ONCE).map(prepare))
  }
  return {
    run: async (one) => {
      const run = runOf(one.namespace)
      for (const [index, step] of one.steps.entries()) {
        try {
          await runStep(run, step)
        } catch (error) {
          if (!(error instanceof ContractFault)) throw error
          throw new ContractFault(`step ${index + 1}, ${step.do}: ${error.message}`)
        }
      }
    },
    stop: () => webhooks.stop(),
  }
}

function tokensOf(target: ContractTarget): Record<string, string> {
  const users = Object.entries(USERS).map(([user, groups]) => [
    user,
    target.tokenFor(user, groups).reveal(),
  ])
  return { ...(Object.fromEntries(users) as object), admin: target.adminToken.reveal() }
}

async function runStep(run: Run, written: Step): Promise<void> {
  const step = fill(run, written) as Step
  const end = Date.now() + UNTIL_MS
  for (;;) {
    const answer = await perform(run, step)
    const fault = faultOf(step, answer)
    if (fault === undefined) {
      for (const [name, path] of Object.entries(step.save ?? {})) {
        run.saved.set(name, String(valueAt(answer.body, path)))
      }
      return
    }
    if (step.until !== true || Date.now() > end) {
      throw new ContractFault(`${fault}; it was ${show(answer)}`)
    }
    await Bun.sleep(50)
  }
}

const done = (body: unknown): Answer => ({ status: 200, headers: new Headers(), body })

async function perform(run: Run, step: Step): Promise<Answer> {
  const { context } = run
  const [method = '', path = ''] = step.do.split(' ')
  const hook = `/${run.namespace}/${path}`
  switch (method) {
    case 'RESTART':
      await context.target.restart()
      context.tokens = tokensOf(context.target)
      return done({})
    case 'HOOK':
      context.webhooks.answerWith(hook, step.body as WebhookAnswer)
      return done({})
    case 'ASKED':
      return done({ requests: context.webhooks.askedAt(hook) })
    default:
      return ask(run, step)
  }
}

/** `$NS`, `$HOOK`, `$CA` and `${NAME}` in every text of a step. */
function fill(run: Run, value: unknown): unknown {
  if (typeof value === 'string') {
    const { namespace, saved } = run
    const { url, certificateAuthority } = run.context.webhooks
    return value
      .replaceAll('$NS', namespace)
      .replaceAll('$HOOK', `${url}/${namespace}`)
      .replaceAll('$CA', Buffer.from(certificateAuthority).toString('base64'))
      .replaceAll(/\$\{(\w+)\}/g, (whole, name: string) => saved.get(name) ?? whole)
  }
  if (Array.isArray(value)) return value.map((one) => fill(run, one))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [fill(run, key), fill(run, one)]),
  )
}

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  yaml: 'application/yaml',
  apply: 'application/apply-patch+yaml',
}

async function ask(run: Run, step: Step): Promise<Answer> {
  const { target, tokens } = run.context
  const [method = '', path = ''] = step.do.split(' ')
  const isWatch = method === 'WATCH'
  const url = target.server + pathOf(path, run.namespace) + (isWatch ? watchQuery(path) : '')
  const { body } = step
  const given = step.as ?? 'admin'
  const token = given.startsWith('Bearer ') ? given.slice(7) : tokens[given]
  if (token === undefined && given !== 'anonymous') throw new ContractFault(`no user ${given}`)
  const response = await fetch(url, {
    method: isWatch ? 'GET' : method,
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...((body !== undefined || step.type !== undefined) && {
        'content-type': CONTENT_TYPES[step.type ?? ''] ?? step.type ?? 'application/json',
      }),
      ...(step.accept !== undefined && { accept: step.accept }),
      ...(step.agent !== undefined && { 'user-agent': step.agent }),
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    tls: { ca: target.certificateAuthority },
    proxy: false,
    redirect: 'error',
    signal: AbortSignal.timeout(ANSWER_MS),
  })
  const { status, headers } = response
  if (isWatch && status === 200) {
    if (step.meanwhile !== undefined) await runStep(run, step.meanwhile)
    return { status, headers, body: { events: await readEvents(response, step.events ?? 1) } }
  }
  const text = await response.text()
  const isJson = (headers.get('content-type') ?? '').includes('json') && text !== ''
  return { status, headers, body: isJson ? (JSON.parse(text) as unknown) : text }
}

const watchQuery = (path: string): string => `${path.includes('?') ? '&' : '?'}watch=true`

async function readEvents(response: Response, count: number): Promise<unknown[]> {
  const decoder = new TextDecoder()
  let text = ''
  if (response.body === null) return []
  for await (const chunk of response.body) {
    text += decoder.decode(chunk, { stream: true })
    if (count > 0 && text.split('\n').length > count) break
  }
  const lines = text.split('\n').filter((line) => line !== '')
  return lines.slice(0, count > 0 ? count : undefined).map((line) => JSON.parse(line) as unknown)
}

const GROUPS: Readonly<Record<string, string>> = {
  '': '/api/v1',
  apps: '/apis/apps/v1',
  autoscaling: '/apis/autoscaling/v2',
  batch: '/apis/batch/v1',
  policy: '/apis/policy/v1',
  'contract.example.test': '/apis/contract.example.test/v1',
  'coordination.k8s.io': '/apis/coordination.k8s.io/v1',
  'discovery.k8s.io': '/apis/discovery.k8s.io/v1',
  'events.k8s.io': '/apis/events.k8s.io/v1',
  'networking.k8s.io': '/apis/networking.k8s.io/v1',
  'apiextensions.k8s.io': '/apis/apiextensions.k8s.io/v1',
  'admissionregistration.k8s.io': '/apis/admissionregistration.k8s.io/v1',
  'scheduling.k8s.io': '/apis/scheduling.k8s.io/v1',
  'storage.k8s.io': '/apis/storage.k8s.io/v1',
  'rbac.authorization.k8s.io': '/apis/rbac.authorization.k8s.io/v1',
  'authentication.k8s.io': '/apis/authentication.k8s.io/v1',
  'authorization.k8s.io': '/apis/authorization.k8s.io/v1',
}
const OF_CLUSTER = new Set(
  `namespaces nodes persistentvolumes mutatingwebhookconfigurations tokenreviews
  validatingwebhookconfigurations clusterroles clusterrolebindings customresourcedefinitions
  selfsubjectreviews subjectaccessreviews selfsubjectaccessreviews selfsubjectrulesreviews
  priorityclasses storageclasses ingressclasses`.split(/\s+/),
)

function pathOf(path: string, namespace: string): string {
  if (path.startsWith('/')) return path
  const [, resource = '', rest = ''] = /^([^/?]+)(.*)$/.exec(path) ?? []
  const dot = resource.indexOf('.')
  const plural = dot === -1 ? resource : resource.slice(0, dot)
  const root = GROUPS[dot === -1 ? '' : resource.slice(dot + 1)]
  if (root === undefined) throw new ContractFault(`no group of ${resource} is known`)
  return OF_CLUSTER.has(plural)
    ? `${root}/${plural}${rest}`
    : `${root}/namespaces/${namespace}/${plural}${rest}`
}

function faultOf(step: Step, { status, headers, body }: Answer): string | undefined {
  const [code = '200', reason] = String(step.is ?? 200).split(' ')
  if (String(status) !== code) return `wanted status ${code}`
  if (reason !== undefined && valueAt(body, 'reason') !== reason) return `wanted reason ${reason}`
  const message = String(valueAt(body, 'message') ?? body)
  if (step.says !== undefined && !message.includes(step.says)) {
    return `wanted the message to hold ${JSON.stringify(step.says)}`
  }
  if (step.warns !== undefined && !(headers.get('warning') ?? '').includes(step.warns)) {
    return `wanted a warning with ${JSON.stringify(step.warns)}, it was ${headers.get('warning')}`
  }
  const held = step.lacks?.find((path) => valueAt(body, path) !== undefined)
  if (held !== undefined) return `wanted no ${held}`
  return step.has === undefined ? undefined : differenceOf(step.has, body, '')
}

/** The first place where a value does not hold what is wanted. Lists have the same length. */
function differenceOf(wanted: unknown, value: unknown, at: string): string | undefined {
  if (typeof wanted === 'string' && wanted.startsWith('~')) {
    if (typeof value === 'string' && new RegExp(wanted.slice(1)).test(value)) return undefined
  } else if (Array.isArray(wanted)) {
    if (Array.isArray(value) && value.length === wanted.length) {
      return firstOf(wanted.entries(), ([index, one]) =>
        differenceOf(one, value[index], `${at}[${index}]`),
      )
    }
  } else if (typeof wanted === 'object' && wanted !== null) {
    if (typeof value === 'object' && value !== null) {
      return firstOf(Object.entries(wanted), ([key, one]) =>
        differenceOf(one, (value as Record<string, unknown>)[key], `${at}.${key}`),
      )
    }
  } else if (Object.is(wanted, value)) return undefined
  return `wanted ${at === '' ? 'the answer' : at.slice(1)} to be ${JSON.stringify(wanted)}, not ${JSON.stringify(value)}`
}

function firstOf<T>(
  values: Iterable<T>,
  find: (value: T) => string | undefined,
): string | undefined {
  for (const value of values) {
    const found = find(value)
    if (found !== undefined) return found
  }
  return undefined
}

/** `spec.containers.0.name`; `\.` is a dot in a key. */
function valueAt(value: unknown, path: string): unknown {
  const keys = path.split(/(?<!\\)\./).map((key) => key.replaceAll('\\.', '.'))
  return keys.reduce<unknown>(
    (inner, key) =>
      typeof inner === 'object' && inner !== null
        ? (inner as Record<string, unknown>)[key]
        : undefined,
    value,
  )
}

const show = ({ status, body }: Answer): string => {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return `${status} ${text.slice(0, 1500)}`
}

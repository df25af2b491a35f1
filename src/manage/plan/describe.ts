/** A step as a person reads it. */
import { parseJsonDocument } from '../../iam/json-document.ts'
import { formatJsonDocument } from '../../iam/json-text.ts'
import { formatServiceAccountName } from '../../iam/service-account-name.ts'
import type { Tags } from '../../iam/tags.ts'
import { diffLines, formatDiff } from '../../lib/line-diff.ts'
import type { AccessPolicy } from '../desired/desired-state.ts'
import type { AddonSettings, AssociationSettings } from './observed-state.ts'
import type { ClusterAction, KeyValues, KubernetesAction, PlanAction, RoleAction } from './plan.ts'

export interface Described {
  readonly sign: '+' | '-' | '~'
  readonly title: string
  /** What is inside of it, or changes: lines with signs of their own. */
  readonly lines: readonly string[]
}

export function describeAction(action: PlanAction): Described {
  return 'cluster' in action ? describeInCluster(action) : describeInIam(action)
}

const added = (title: string, lines: readonly string[] = []): Described => ({
  sign: '+',
  title,
  lines,
})
const gone = (title: string, lines: readonly string[] = []): Described => ({
  sign: '-',
  title,
  lines,
})
const changed = (title: string, lines: readonly string[]): Described => ({
  sign: '~',
  title,
  lines,
})

function describeInIam(action: RoleAction): Described {
  switch (action.do) {
    case 'create-provider':
      return added(`OIDC provider ${action.provider.arn}`, tagLines({}, action.provider.tags))
    case 'delete-provider':
      return gone(`OIDC provider ${action.provider.arn}`)
    case 'add-client-id':
      return added(`client id ${action.clientId} of ${action.arn}`)
    case 'remove-client-id':
      return gone(`client id ${action.clientId} of ${action.arn}`)
    case 'create-role': {
      const { boundaryArn, name, tags, trustPolicy } = action.role
      return added(`role ${name}`, [
        ...valueLines({ 'permissions boundary': [undefined, boundaryArn] }),
        ...policyLines('trust policy', undefined, trustPolicy),
        ...tagLines({}, tags),
      ])
    }
    case 'delete-role':
      return gone(`role ${action.role.name}`)
    case 'put-trust': {
      const when = action.phase === 'trim' ? ', once nobody has it by what goes' : ''
      const lines = policyLines('trust policy', action.before, action.after)
      return changed(`role ${action.role}${when}`, lines)
    }
    case 'attach-policy':
      return added(`policy ${action.policyArn} of role ${action.role}`)
    case 'detach-policy':
      return gone(`policy ${action.policyArn} of role ${action.role}`)
    default:
      return describeSetting(action)
  }
}

type Setting = Exclude<
  RoleAction,
  {
    readonly do:
      | `${string}-provider`
      | `${string}-client-id`
      | 'create-role'
      | 'delete-role'
      | 'put-trust'
      | 'attach-policy'
      | 'detach-policy'
  }
>

function describeSetting(action: Setting): Described {
  const { role } = action
  switch (action.do) {
    case 'put-inline-policy': {
      const { after, before, name } = action
      const title = `inline policy ${name} of role ${role}`
      const lines = policyLines('policy', before, after)
      return before === undefined ? added(title, lines) : changed(title, lines)
    }
    case 'delete-inline-policy': {
      const title = `inline policy ${action.name} of role ${role}`
      return gone(title, policyLines('policy', action.before, undefined))
    }
    case 'put-boundary':
      return changed(
        `role ${role}`,
        valueLines({ 'permissions boundary': [action.before, action.after] }),
      )
    case 'delete-boundary':
      return changed(
        `role ${role}`,
        valueLines({ 'permissions boundary': [action.before, undefined] }),
      )
    case 'tag-role':
      return changed(`tags of role ${role}`, tagLines(action.before, action.after))
    case 'untag-role':
      return changed(`tags of role ${role}`, tagLines(action.before, {}))
    default:
      return action satisfies never
  }
}

function describeInCluster(action: ClusterAction | KubernetesAction): Described {
  switch (action.do) {
    case 'create-association': {
      const { serviceAccount, settings, tags } = action.association
      const lines = [...settingLines(undefined, settings), ...tagLines({}, tags)]
      return added(`association ${formatServiceAccountName(serviceAccount)}`, lines)
    }
    case 'update-association': {
      const title = `association ${formatServiceAccountName(action.serviceAccount)}`
      return changed(title, settingLines(action.before, action.after))
    }
    case 'delete-association': {
      const { serviceAccount, settings } = action.association
      return gone(
        `association ${formatServiceAccountName(serviceAccount)}`,
        settingLines(settings, undefined),
      )
    }
    case 'create-addon': {
      const { name, settings, tags } = action.addon
      return added(`add-on ${name}`, [...addonLines(undefined, settings), ...tagLines({}, tags)])
    }
    case 'update-addon':
      return changed(`add-on ${action.name}`, addonLines(action.before, action.after))
    case 'delete-addon':
      return gone(`add-on ${action.addon.name}`, addonLines(action.addon.settings, undefined))
    case 'tag-resource':
      return changed(`tags of ${action.what}`, tagLines(action.before, action.after))
    case 'untag-resource':
      return changed(`tags of ${action.what}`, tagLines(action.before, {}))
    case 'update-authentication-mode':
      return changed('authentication mode', valueLines({ mode: [action.before, action.after] }))
    case 'enable-workload-identity':
      return added('awsWorkloadIdentity', [
        ...valueLines({
          issuer: [undefined, action.issuer],
          webhook: [undefined, action.webhook && WEBHOOKS[action.webhook]],
        }),
      ])
    case 'disable-workload-identity':
      return gone(
        'awsWorkloadIdentity',
        action.losesAccess.map((one) => `- ${one}`),
      )
    default:
      return describeAccess(action)
  }
}

const WEBHOOKS = {
  podrole: "podrole's, to be installed",
  found: 'the one that is there',
  eks: "EKS's own",
} as const

type Access = Exclude<
  ClusterAction | KubernetesAction,
  {
    readonly do:
      | `${string}-association`
      | `${string}-addon`
      | `${string}-resource`
      | `${string}-mode`
      | `${string}-workload-identity`
  }
>

function describeAccess(action: Access): Described {
  switch (action.do) {
    case 'create-access-entry': {
      const { groups, principalArn, tags, type, username } = action.entry
      return added(`access entry ${principalArn}`, [
        ...valueLines({
          type: [undefined, type],
          groups: [undefined, groups?.join(', ')],
          username: [undefined, username],
        }),
        ...tagLines({}, tags),
      ])
    }
    case 'delete-access-entry':
      return gone(`access entry ${action.entry.principalArn}`)
    case 'update-access-entry': {
      const { after, before, principalArn } = action
      const lines = valueLines({
        groups: [before.groups.join(', '), after.groups.join(', ')],
        username: [before.username, after.username],
      })
      return changed(`access entry ${principalArn}`, lines)
    }
    case 'associate-access-policy': {
      const { after, before, principalArn } = action
      const title = `access policy ${after.policyArn} of ${principalArn}`
      const lines = valueLines({ scope: [scopeOf(before), scopeOf(after)] })
      return before === undefined ? added(title, lines) : changed(title, lines)
    }
    case 'disassociate-access-policy': {
      const { before, principalArn } = action
      const lines = valueLines({ scope: [scopeOf(before), undefined] })
      return gone(`access policy ${before.policyArn} of ${principalArn}`, lines)
    }
    default:
      return describeInKubernetes(action)
  }
}

function describeInKubernetes(action: KubernetesAction): Described {
  switch (action.do) {
    case 'create-namespace':
      return added(`namespace ${action.namespace}`)
    case 'delete-namespace':
      return gone(`namespace ${action.namespace}`)
    case 'create-service-account': {
      const { annotations, labels, serviceAccount } = action.object
      const lines = keyLines({ labels: {}, annotations: {} }, { labels, annotations })
      return added(`service account ${formatServiceAccountName(serviceAccount)}`, lines)
    }
    case 'delete-service-account':
      return gone(`service account ${formatServiceAccountName(action.object.serviceAccount)}`)
    case 'patch-service-account': {
      const title = `service account ${formatServiceAccountName(action.serviceAccount)}`
      return changed(title, keyLines(action.before, action.after))
    }
    default:
      return action satisfies never
  }
}

const scopeOf = (policy: AccessPolicy | undefined): string | undefined =>
  policy === undefined ? undefined : (policy.namespaces?.join(', ') ?? 'the whole cluster')

type Values = Readonly<
  Record<string, readonly [before: string | undefined, after: string | undefined]>
>

/** One line for a value that is new or gone, both for one that changes. */
function valueLines(values: Values): readonly string[] {
  return Object.entries(values).flatMap(([key, [before, after]]) => {
    if (before === after) return []
    return [
      ...(before === undefined ? [] : [`- ${key}: ${before || 'none'}`]),
      ...(after === undefined ? [] : [`+ ${key}: ${after || 'none'}`]),
    ]
  })
}

const tagLines = (before: Tags, after: Tags): readonly string[] =>
  valueLines(
    Object.fromEntries(
      [...new Set([...Object.keys(before), ...Object.keys(after)])].map(
        (key) => [`tag ${key}`, [before[key], after[key]]] as const,
      ),
    ),
  )

function keyLines(before: KeyValues, after: KeyValues): readonly string[] {
  return (['labels', 'annotations'] as const).flatMap((kind) =>
    valueLines(
      Object.fromEntries(
        Object.keys(after[kind]).map((key) => {
          const values = [before[kind][key] ?? undefined, after[kind][key] ?? undefined] as const
          return [`${kind.slice(0, -1)} ${key}`, values] as const
        }),
      ),
    ),
  )
}

function settingLines(
  before: AssociationSettings | undefined,
  after: AssociationSettings | undefined,
): readonly string[] {
  const flag = (settings: AssociationSettings | undefined): string | undefined =>
    settings?.disableSessionTags === true ? 'off' : undefined
  return [
    ...valueLines({
      role: [before?.roleArn, after?.roleArn],
      'target role': [before?.targetRoleArn, after?.targetRoleArn],
      'session tags': [flag(before), flag(after)],
    }),
    ...policyLines('session policy', before?.policy, after?.policy),
  ]
}

function addonLines(
  before: AddonSettings | undefined,
  after: AddonSettings | undefined,
): readonly string[] {
  const lines = (settings: AddonSettings | undefined): readonly string[] =>
    (settings?.associations ?? []).map(
      ({ roleArn, serviceAccount }) => `${serviceAccount}: ${roleArn}`,
    )
  const [old, now] = [lines(before), lines(after)]
  return [
    ...valueLines({
      version: [before?.version, after?.version],
      'role by IRSA': [before?.serviceAccountRoleArn, after?.serviceAccountRoleArn],
    }),
    ...old.filter((line) => !now.includes(line)).map((line) => `- ${line}`),
    ...now.filter((line) => !old.includes(line)).map((line) => `+ ${line}`),
  ]
}

/** A policy's JSON over lines, as a diff. */
function policyLines(
  what: string,
  before: string | undefined,
  after: string | undefined,
): readonly string[] {
  if (before === after) return []
  const sign = (text: string | undefined, mark: string): readonly string[] =>
    text === undefined
      ? []
      : pretty(text)
          .split('\n')
          .map((line) => `${mark} ${line}`)
  if (before === undefined || after === undefined) {
    return [`${what}:`, ...sign(before, '-'), ...sign(after, '+')]
  }
  const diff = formatDiff(diffLines(pretty(before), pretty(after)))
  return [`${what}:`, ...diff.trimEnd().split('\n')]
}

function pretty(text: string): string {
  try {
    return formatJsonDocument(parseJsonDocument(text), 2)
  } catch {
    return text
  }
}

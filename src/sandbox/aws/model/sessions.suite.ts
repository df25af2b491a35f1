/** The two ways to credentials, as the model says: with a web identity, and for a pod. */
import { type Members, type Outcome, textOf } from './operations.suite.ts'
import type { Step } from './roles.suite.ts'
import { checkArn, checkNumber } from './shapes.suite.ts'
import { externalIdOf } from './associations.suite.ts'
import { mayBecome } from './trust.suite.ts'
import {
  Faults,
  type PodAssociation,
  refused,
  type Role,
  roleByArn,
  type World,
} from './world.suite.ts'

/** What a token of the test says, and how it is wrong. */
export interface TokenInput {
  readonly issuer: string
  readonly audience: string
  readonly subject: string
  /** `https://aws.amazon.com/tags`, transitive. */
  readonly tags?: Readonly<Record<string, string>>
  /** `https://aws.amazon.com/roles` */
  readonly roles?: readonly string[]
  readonly fault?: 'signature' | 'expired'
}

const WEB_IDENTITY = 'sts:AssumeRoleWithWebIdentity'

export function tokenOf(input: Members): TokenInput {
  return input['token'] as unknown as TokenInput
}

function tokenRefusal(world: World, token: TokenInput, account: string): Outcome | undefined {
  const url = token.issuer.slice('https://'.length)
  const provider = world.accounts
    .get(account)
    ?.providers.get(`arn:aws:iam::${account}:oidc-provider/${url}`)
  const faults = new Faults()
  faults.add(provider?.clientIds.includes(token.audience) !== true, 'InvalidIdentityToken')
  faults.add(token.fault === 'signature', 'InvalidIdentityToken')
  faults.add(token.fault === 'expired', 'ExpiredTokenException')
  return faults.refusal
}

const withWebIdentity: Step = (world, { input }) => {
  const shapes = new Faults()
  const arn = checkArn(shapes, input, 'RoleArn')
  const sessionName = textOf(input, 'RoleSessionName')
  shapes.shape(!/^[\w+=,.@-]{2,64}$/.test(sessionName))
  const seconds = checkNumber(shapes, input, 'DurationSeconds', [900, 43_200]) ?? 3600
  if (shapes.refusal !== undefined) return shapes.refusal
  const [, account = ''] = /^arn:aws:iam::(\d{12}):role\//.exec(arn) ?? []
  const token = tokenOf(input)
  const wrongToken = tokenRefusal(world, token, account)
  if (wrongToken !== undefined) return wrongToken
  if (token.roles?.includes(arn) === false) return refused('InvalidIdentityToken')
  const url = token.issuer.slice('https://'.length)
  const provider = `arn:aws:iam::${account}:oidc-provider/${url}`
  const tags = Object.entries(token.tags ?? {})
  const role = roleByArn(world, arn)
  const isAllowed =
    role !== undefined &&
    mayBecome(
      role,
      { kind: 'Federated', provider },
      {
        actions: [WEB_IDENTITY, ...(tags.length > 0 ? ['sts:TagSession'] : [])],
        context: contextOf([
          [`${url}:aud`, token.audience],
          [`${url}:sub`, token.subject],
          ['sts:RoleAuthorizedByIdp', String(token.roles !== undefined)],
          ...requestTags(tags),
        ]),
      },
    )
  if (!isAllowed) return refused('AccessDenied')
  if (seconds > role.maxSeconds) return refused('ValidationError')
  return {
    members: {
      SubjectFromWebIdentityToken: token.subject,
      Audience: token.audience,
      Provider: token.issuer,
      AssumedRoleUser: {
        AssumedRoleId: `${role.id}:${sessionName}`,
        Arn: `arn:aws:sts::${account}:assumed-role/${role.name}/${sessionName}`,
      },
      Expiration: Math.floor(world.nowMs / 1000) + seconds,
      SessionTags: { ...token.tags },
    },
  }
}

const contextOf = (keys: readonly (readonly [string, string])[]): ReadonlyMap<string, string> =>
  new Map(keys.map(([key, value]) => [key.toLowerCase(), value]))

const requestTags = (
  tags: readonly (readonly [string, string])[],
): readonly (readonly [string, string])[] =>
  tags.map(([key, value]) => [`aws:RequestTag/${key}`, value])

/** The pod of every token: its own names are of no weight. */
export const POD = { name: 'web-5f6d8c-x2x7q', uid: '6f1a-uid' }

function podTags(world: World, one: PodAssociation): readonly (readonly [string, string])[] {
  if (one.disableSessionTags) return []
  return [
    ['eks-cluster-arn', clusterArn(world, one)],
    ['eks-cluster-name', one.clusterName],
    ['kubernetes-namespace', one.namespace],
    ['kubernetes-service-account', one.serviceAccount],
    ['kubernetes-pod-name', POD.name],
    ['kubernetes-pod-uid', POD.uid],
  ]
}

const clusterArn = (world: World, one: PodAssociation): string =>
  `arn:aws:eks:${world.region}:${world.clusterAccount}:cluster/${one.clusterName}`

const forPod: Step = (world, { input }) => {
  const clusterName = textOf(input, 'clusterName')
  if (!world.clusters.has(clusterName)) return refused('ResourceNotFoundException')
  const { fault, audience, subject } = tokenOf(input)
  const tokens = new Faults()
  tokens.add(
    fault === 'signature' || audience !== 'pods.eks.amazonaws.com',
    'InvalidTokenException',
  )
  tokens.add(fault === 'expired', 'ExpiredTokenException')
  if (tokens.refusal !== undefined) return tokens.refusal
  const [, , namespace, serviceAccount] = subject.split(':')
  const one = [...world.associations.values()].find(
    (association) =>
      association.clusterName === clusterName &&
      association.namespace === namespace &&
      association.serviceAccount === serviceAccount,
  )
  if (one === undefined) return refused('ResourceNotFoundException')
  const role = roleOfPod(world, one)
  if (role === undefined) return refused('AccessDeniedException')
  const seconds = one.targetRoleArn === undefined ? 21_600 : 59 * 60
  return {
    members: {
      subject: { namespace: one.namespace, serviceAccount: one.serviceAccount },
      audience,
      podIdentityAssociation: { associationArn: one.arn, associationId: one.id },
      // The name of the session is EKS's own: the client answers its form alone.
      assumedRoleUser: {
        arn: `arn:aws:sts::${role.accountId}:assumed-role/${role.name}/SESSION`,
        assumeRoleId: `${role.id}:SESSION`,
      },
      Expiration: Math.floor(world.nowMs / 1000) + seconds,
      SessionTags: Object.fromEntries(podTags(world, one)),
    },
  }
}

/** The role that the pod becomes, the target where there is one; undefined where it may not. */
function roleOfPod(world: World, one: PodAssociation): Role | undefined {
  const tags = podTags(world, one)
  const actions = ['sts:AssumeRole', ...(tags.length > 0 ? ['sts:TagSession'] : [])]
  const keys = requestTags(tags)
  const base = roleByArn(world, one.roleArn)
  const context = contextOf([...keys, ['aws:SourceAccount', world.clusterAccount]])
  const service = { kind: 'Service', service: 'pods.eks.amazonaws.com' } as const
  if (base === undefined || !mayBecome(base, service, { actions, context })) return undefined
  if (one.targetRoleArn === undefined) return base
  const target = roleByArn(world, one.targetRoleArn)
  const externalId = externalIdOf(world, one)
  const chained = contextOf([
    ...keys,
    ...(externalId === undefined ? [] : [['sts:ExternalId', externalId] as const]),
  ])
  const asking = { kind: 'AWS', base } as const
  if (target === undefined || !mayBecome(target, asking, { actions, context: chained })) {
    return undefined
  }
  return target
}

export const SESSION_STEPS: Readonly<Record<string, Step>> = {
  AssumeRoleWithWebIdentity: withWebIdentity,
  AssumeRoleForPodIdentity: forPod,
}

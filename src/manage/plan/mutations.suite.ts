/** What people do by hand to what a plan made, one thing at a time; for tests. */
import { formatServiceAccountName } from '../../iam/service-account-name.ts'
import { isOwned, type Tags } from '../../iam/tags.ts'
import { AGENT_ADDON } from '../desired/checks/addons.ts'
import { ROLE_ANNOTATION } from '../roles/annotate.ts'
import type { ObservedCluster, ObservedState, PlanAddon } from './observed-state.ts'
import { ANNOTATED_KEY } from './ownership.ts'
import type { PlanAction } from './plan.ts'

export interface Mutation {
  readonly name: string
  /** As `subjectOf` names it. */
  readonly subject: string
  readonly state: ObservedState
}

/** What an action is about: the object, with its cluster. */
export function subjectOf(action: PlanAction): string {
  if (!('cluster' in action)) {
    if ('provider' in action) return `provider ${action.provider.arn}`
    if ('arn' in action) return `provider ${action.arn}`
    return `role ${typeof action.role === 'string' ? action.role : action.role.name}`
  }
  const { cluster } = action
  if ('association' in action) return `${cluster} association ${keyOf(action.association)}`
  if (action.do === 'update-association') return `${cluster} association ${keyOf(action)}`
  if ('entry' in action) return `${cluster} access entry ${action.entry.principalArn}`
  if ('principalArn' in action) return `${cluster} access entry ${action.principalArn}`
  if ('addon' in action) return `${cluster} add-on ${action.addon.name}`
  if (action.do === 'update-addon') return `${cluster} add-on ${action.name}`
  if ('what' in action) return `${cluster} ${action.what}`
  if ('object' in action) return `${cluster} service account ${keyOf(action.object)}`
  if (action.do === 'patch-service-account') return `${cluster} service account ${keyOf(action)}`
  return `${cluster} ${action.do}`
}

const keyOf = ({
  serviceAccount,
}: {
  readonly serviceAccount: { readonly namespace: string; readonly name: string }
}): string => formatServiceAccountName(serviceAccount)

/** An inline policy or session policy that no file asks for. */
const HAND_POLICY =
  '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:Get*","Resource":"*"}]}'

const drop = <T>(record: Readonly<Record<string, T>>, key: string): Record<string, T> =>
  Object.fromEntries(Object.entries(record).filter(([name]) => name !== key))

/** Every one that can be done to what podrole made. */
export function mutationsOf(state: ObservedState): readonly Mutation[] {
  return [
    ...roleMutations(state),
    ...providerMutations(state),
    ...state.clusters.flatMap((cluster) => clusterMutations(state, cluster)),
  ]
}

type Change<T> = readonly [name: string, changed: T | undefined]

function roleMutations(state: ObservedState): readonly Mutation[] {
  return state.roles
    .filter(({ tags }) => isOwned(tags))
    .flatMap((role) => {
      const [policyArn] = role.policyArns
      const [policy] = Object.keys(role.inline)
      const { boundaryArn, ...unbound } = role
      const statement = JSON.parse(role.trustPolicy) as { Statement: Record<string, unknown>[] }
      const [first] = statement.Statement
      const trust = (Statement: readonly unknown[]): typeof role => ({
        ...role,
        trustPolicy: JSON.stringify({ ...statement, Statement }),
      })
      const other = { Effect: 'Allow', Principal: { AWS: '*' }, Action: 'sts:AssumeRole' }
      const others = statement.Statement.slice(1)
      const changes: readonly Change<typeof role>[] = [
        ['delete', undefined],
        [
          'attach',
          {
            ...role,
            policyArns: [...role.policyArns, 'arn:aws:iam::aws:policy/IAMReadOnlyAccess'],
          },
        ],
        ...when(policyArn, (): Change<typeof role> => [
          'detach',
          { ...role, policyArns: role.policyArns.slice(1) },
        ]),
        ['inline', { ...role, inline: { ...role.inline, hand: HAND_POLICY } }],
        ...when(policy, (key): Change<typeof role> => [
          'inline changed',
          { ...role, inline: { ...role.inline, [key]: HAND_POLICY } },
        ]),
        ...when(policy, (key): Change<typeof role> => [
          'inline gone',
          { ...role, inline: drop(role.inline, key) },
        ]),
        ['boundary', { ...unbound, boundaryArn: 'arn:aws:iam::aws:policy/IAMReadOnlyAccess' }],
        ...when(boundaryArn, (): Change<typeof role> => ['boundary gone', unbound]),
        ['trust emptied', trust([other])],
        ['trust widened', trust([{ ...first, Condition: {} }, ...others])],
        ['trust to another', trust([{ ...first, Principal: { AWS: '*' } }, ...others])],
        ...tagChanges(role),
      ]
      return changes.map(([name, changed]): Mutation => ({
        name: `role ${name}`,
        subject: `role ${role.name}`,
        state: { ...state, roles: replace(state.roles, role, changed) },
      }))
    })
}

function tagChanges<T extends { readonly tags: Tags }>(one: T): readonly Change<T>[] {
  const [key] = Object.keys(one.tags).filter((name) => !name.startsWith('podrole.dev/'))
  return [
    ['tag', { ...one, tags: { ...one.tags, hand: 'x' } }],
    ...when(key, (name): Change<T> => ['tag gone', { ...one, tags: drop(one.tags, name) }]),
    ...when(key, (name): Change<T> => [
      'tag changed',
      { ...one, tags: { ...one.tags, [name]: 'z' } },
    ]),
  ]
}

const when = <T, R>(value: T | undefined, make: (value: T) => R): readonly R[] =>
  value === undefined ? [] : [make(value)]

const replace = <T>(list: readonly T[], one: T, other: T | undefined): readonly T[] =>
  list.flatMap((each) => (each === one ? when(other, (it) => it) : [each]))

function providerMutations(state: ObservedState): readonly Mutation[] {
  return state.providers.flatMap((provider) =>
    [undefined, { ...provider, clientIds: [] }].map((changed): Mutation => ({
      name: changed === undefined ? 'provider delete' : 'client id',
      subject: `provider ${provider.arn}`,
      state: { ...state, providers: replace(state.providers, provider, changed) },
    })),
  )
}

function clusterMutations(state: ObservedState, cluster: ObservedCluster): readonly Mutation[] {
  const mutation = (
    name: string,
    subject: string,
    changed: Partial<ObservedCluster>,
  ): Mutation => ({
    name,
    subject: `${cluster.arn} ${subject}`,
    state: { ...state, clusters: replace(state.clusters, cluster, { ...cluster, ...changed }) },
  })
  const associations = cluster.associations
    .filter(({ tags }) => isOwned(tags))
    .flatMap((one) => {
      const { settings } = one
      const changes: readonly Change<typeof one>[] = [
        ['delete', undefined],
        [
          'role',
          {
            ...one,
            settings: { ...settings, roleArn: settings.roleArn.replace(/:role\/.*/, ':role/hand') },
          },
        ],
        [
          'target role',
          {
            ...one,
            settings: { ...settings, targetRoleArn: 'arn:aws:iam::444455556666:role/hand' },
          },
        ],
        // EKS takes a session policy only where there are no session tags.
        ...(settings.policy === undefined
          ? ([
              [
                'session tags',
                {
                  ...one,
                  settings: { ...settings, disableSessionTags: !settings.disableSessionTags },
                },
              ],
            ] as const)
          : []),
        [
          'policy',
          { ...one, settings: { ...settings, disableSessionTags: true, policy: HAND_POLICY } },
        ],
        ...tagChanges(one),
      ]
      return changes.map(([name, changed]) =>
        mutation(`association ${name}`, `association ${keyOf(one)}`, {
          associations: replace(cluster.associations, one, changed),
        }),
      )
    })
  return [
    ...associations,
    ...entryMutations(cluster, mutation),
    ...objectMutations(cluster, mutation),
  ]
}

type Mutate = (name: string, subject: string, changed: Partial<ObservedCluster>) => Mutation

function entryMutations(cluster: ObservedCluster, mutation: Mutate): readonly Mutation[] {
  const owned = cluster.accessEntries.filter(({ tags }) => isOwned(tags))
  const entries = owned.flatMap((one) => {
    const policy = {
      policyArn: 'arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy',
    }
    const [first] = one.policies
    const changes: readonly Change<typeof one>[] = [
      ['delete', undefined],
      ['policy', { ...one, policies: [...one.policies, policy] }],
      ...when(first, (): Change<typeof one> => [
        'policy gone',
        { ...one, policies: one.policies.slice(1) },
      ]),
      ...when(first, (it): Change<typeof one> => [
        'scope',
        { ...one, policies: [{ ...it, namespaces: ['hand'] }, ...one.policies.slice(1)] },
      ]),
      // What EKS sets for nodes is its own.
      ...(one.type === 'STANDARD'
        ? ([
            ['groups', { ...one, groups: [...one.groups, 'hand'] }],
            ['username', { ...one, username: 'hand' }],
          ] as const)
        : []),
      ...tagChanges(one),
    ]
    return changes.map(([name, changed]) =>
      mutation(`entry ${name}`, `access entry ${one.principalArn}`, {
        accessEntries: replace(cluster.accessEntries, one, changed),
      }),
    )
  })
  const addons = cluster.addons.flatMap((one) => {
    const changes: readonly Change<typeof one>[] = [
      ['delete', undefined],
      // Of the other one no file names a version.
      ...(one.name === AGENT_ADDON
        ? ([
            ['version', { ...one, settings: { ...one.settings, version: otherVersion(one) } }],
          ] as const)
        : []),
      ...tagChanges(one),
    ]
    return changes.map(([name, changed]) =>
      mutation(`addon ${name}`, `add-on ${one.name}`, {
        addons: replace(cluster.addons, one, changed),
      }),
    )
  })
  return [...entries, ...addons]
}

const otherVersion = ({ settings }: PlanAddon): string =>
  settings.version.startsWith('v1.3.8') ? 'v1.3.9-eksbuild.3' : 'v1.3.8-eksbuild.2'

function objectMutations(cluster: ObservedCluster, mutation: Mutate): readonly Mutation[] {
  const ours = cluster.serviceAccounts.filter(
    ({ annotations }) => isOwned(annotations) || annotations[ANNOTATED_KEY] !== undefined,
  )
  return ours.flatMap((one) => {
    const [label] = Object.keys(one.labels)
    const annotations = one.annotations
    const changes: readonly Change<typeof one>[] = [
      ['delete', undefined],
      ...when(annotations[ROLE_ANNOTATION], (): Change<typeof one> => [
        'annotation gone',
        { ...one, annotations: drop(annotations, ROLE_ANNOTATION) },
      ]),
      ...when(annotations[ROLE_ANNOTATION], (): Change<typeof one> => [
        'annotation',
        { ...one, annotations: { ...annotations, [ROLE_ANNOTATION]: 'arn:aws:iam::1:role/hand' } },
      ]),
      ...when(label, (key): Change<typeof one> => [
        'label',
        { ...one, labels: { ...one.labels, [key]: 'hand' } },
      ]),
    ]
    return changes.map(([name, changed]) =>
      mutation(`service account ${name}`, `service account ${keyOf(one)}`, {
        serviceAccounts: replace(cluster.serviceAccounts, one, changed),
      }),
    )
  })
}

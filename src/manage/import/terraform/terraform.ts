/** What exists → Terraform: for each object one resource and one `import` block. */
import { tryParseArn } from '../../../iam/arn.ts'
import type { Tags } from '../../../iam/tags.ts'
import type { FoundCluster, FoundObjects, FoundPolicy, FoundRole } from '../found.ts'
import { commentsOf, type Imported, type LeftOut, lineOf } from '../imported.ts'
import { nameFrom } from '../names.ts'
import { attributes, HclExpression, hclText, hclValue, type HclValue } from './hcl.ts'

interface Resource {
  readonly type: string
  readonly name: string
  /** As `terraform import` takes it. */
  readonly id: string
  readonly attributes: readonly (readonly [string, HclValue])[]
  readonly blocks?: readonly { readonly name: string; readonly values: HclValues }[]
}

type HclValues = Readonly<Record<string, HclValue | undefined>>

/** The first versions of the provider that know an association's arguments (its change log). */
const NEWER = {
  policy: { version: '6.57.1', argument: 'policy' },
  others: { version: '6.0', argument: 'target_role_arn and disable_session_tags' },
} as const

/**
 * Resources of HashiCorp's AWS provider, 5.100 or newer, for Terraform 1.5 or newer. Text that AWS
 * compares as JSON is written with jsonencode.
 * https://registry.terraform.io/providers/hashicorp/aws/latest/docs (arguments and import ids)
 */
export function importTerraform(found: FoundObjects): Imported {
  const roles = new Map(found.roles.map((role) => [role.arn, ownName(role)]))
  const policies = new Map(found.policies.map((policy) => [policy.arn, ownName(policy)]))
  const resources = [
    ...found.providers.map(providerResource),
    ...found.policies.map(policyResource),
    ...found.roles.flatMap((role) => roleResources(role, policies)),
    ...found.clusters.flatMap((cluster) => [
      ...associationResources(cluster, roles),
      ...accessResources(cluster),
      ...addonResources(cluster, roles),
    ]),
  ]
  const leftOut = [...found.leftOut]
  const regions = new Set(found.clusters.map(({ region }) => region))
  const notes: LeftOut[] = [...newerArguments(found), ...regionNote(regions)]
  const head = [
    '# terraform plan imports all of it and changes nothing; the provider is yours to configure.',
    ...notes.map((one) => `# ${lineOf(one)}`),
    ...commentsOf(leftOut),
  ]
  return { text: `${head.join('\n')}\n${resources.map(textOf).join('')}`, leftOut }
}

function newerArguments({ clusters }: FoundObjects): readonly LeftOut[] {
  const settings = clusters.flatMap(({ associations }) => associations.map((one) => one.settings))
  const hasPolicy = settings.some(({ policy }) => policy !== undefined)
  const hasOthers = settings.some(
    (one) => one.disableSessionTags || one.targetRoleArn !== undefined,
  )
  if (!hasPolicy && !hasOthers) return []
  const { argument, version } = hasPolicy ? NEWER.policy : NEWER.others
  return [{ what: 'Wants', why: `AWS provider ${version} or newer, for ${argument}` }]
}

const regionNote = (regions: ReadonlySet<string>): readonly LeftOut[] =>
  regions.size === 0 ? [] : [{ what: 'Region', why: [...regions].sort().join(', ') }]

function textOf({ attributes: own, blocks = [], id, name, type }: Resource): string {
  const inner = blocks.map(
    (block) => `\n  ${block.name} {\n${attributes(present(block.values), '    ')}  }\n`,
  )
  return [
    `\nimport {\n${attributes(
      [
        ['to', new HclExpression(`${type}.${name}`)],
        ['id', id],
      ],
      '  ',
    )}}\n`,
    `\nresource ${hclText(type)} ${hclText(name)} {\n${attributes(own, '  ')}${inner.join('')}}\n`,
  ].join('')
}

const present = (values: HclValues): readonly (readonly [string, HclValue])[] =>
  Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  )

/** The provider leaves AWS's own tags alone, and refuses to be told of them. */
function tagsOf(tags: Tags): { readonly [key: string]: string } | undefined {
  const own = Object.entries(tags)
    .filter(([key]) => !/^aws:/i.test(key))
    .sort(([one], [other]) => (one < other ? -1 : 1))
  return own.length === 0 ? undefined : Object.fromEntries(own)
}

/** As the provider compares it: by what it says. */
function jsonOf(text: string): HclValue {
  try {
    return new HclJson(JSON.parse(text) as HclValue)
  } catch {
    return text
  }
}

class HclJson extends HclExpression {
  constructor(value: HclValue) {
    super(`jsonencode(${hclValue(value, '  ')})`)
  }
}

const terraformName = (parts: readonly string[], identity: string, isAmbiguous = false): string =>
  nameFrom(parts, { style: 'terraform', identity, isAmbiguous })

/** Names of roles, and those of policies, are told apart in an account without regard to case. */
const ownName = ({ name }: Pick<FoundRole, 'name'>): string => terraformName([name], name)

function providerResource({
  arn,
  clientIds,
  tags,
  thumbprints,
  url,
}: FoundObjects['providers'][number]): Resource {
  return {
    type: 'aws_iam_openid_connect_provider',
    name: terraformName([url.slice('https://'.length)], arn),
    id: arn,
    attributes: present({
      url,
      client_id_list: [...clientIds].sort(),
      // Without one AWS trusts by its own authorities, and the provider reads what it has set.
      thumbprint_list: thumbprints.length > 0 ? [...thumbprints] : undefined,
      tags: tagsOf(tags),
    }),
  }
}

const policyResource = (policy: FoundPolicy): Resource => ({
  type: 'aws_iam_policy',
  name: ownName(policy),
  id: policy.arn,
  attributes: present({
    name: policy.name,
    path: policy.path === '/' ? undefined : policy.path,
    description: policy.description === '' ? undefined : policy.description,
    policy: jsonOf(policy.document),
    tags: tagsOf(policy.tags),
  }),
})

/** @param policies names of those that are imported too, by ARN */
function roleResources(
  role: FoundRole,
  policies: ReadonlyMap<string, string>,
): readonly Resource[] {
  const { boundaryArn, description, inline, maxSessionSeconds, name, path, policyArns } = role
  const own = ownName(role)
  const reference = new HclExpression(`aws_iam_role.${own}.name`)
  return [
    {
      type: 'aws_iam_role',
      name: own,
      id: name,
      attributes: present({
        name,
        path: path === '/' ? undefined : path,
        description: description === '' ? undefined : description,
        max_session_duration: maxSessionSeconds === 3600 ? undefined : maxSessionSeconds,
        permissions_boundary:
          boundaryArn === undefined
            ? undefined
            : addressOr('aws_iam_policy', boundaryArn, policies),
        assume_role_policy: jsonOf(role.trustPolicy),
        tags: tagsOf(role.tags),
      }),
    },
    ...policyArns.toSorted().map((policyArn): Resource => {
      const tail = policyArn.split('/').at(-1) ?? ''
      const isAwsOwn = policyArn.endsWith(`:iam::aws:policy/${tail}`)
      return {
        type: 'aws_iam_role_policy_attachment',
        name: terraformName([name, tail], `${name}/${policyArn}`, !isAwsOwn),
        id: `${name}/${policyArn}`,
        attributes: [
          ['role', reference],
          ['policy_arn', addressOr('aws_iam_policy', policyArn, policies)],
        ],
      }
    }),
    ...Object.entries(inline)
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([policy, text]): Resource => ({
        type: 'aws_iam_role_policy',
        name: terraformName([name, policy], `${name}:${policy}`),
        id: `${name}:${policy}`,
        attributes: [
          ['name', policy],
          ['role', reference],
          ['policy', jsonOf(text)],
        ],
      })),
  ]
}

/** What is imported too by its address, any other by its ARN. */
const addressOr = (
  type: 'aws_iam_policy' | 'aws_iam_role',
  arn: string,
  names: ReadonlyMap<string, string>,
): HclValue => {
  const name = names.get(arn)
  return name === undefined ? arn : new HclExpression(`${type}.${name}.arn`)
}

const roleArn = (arn: string, roles: ReadonlyMap<string, string>): HclValue =>
  addressOr('aws_iam_role', arn, roles)

const associationResources = (
  cluster: FoundCluster,
  roles: ReadonlyMap<string, string>,
): readonly Resource[] =>
  cluster.associations.map(({ associationId, serviceAccount, settings, tags }) => {
    const { name, namespace } = serviceAccount
    const { disableSessionTags, policy, targetRoleArn } = settings
    return {
      type: 'aws_eks_pod_identity_association',
      name: clusterName(cluster, [namespace, name]),
      id: `${cluster.name},${associationId}`,
      attributes: present({
        cluster_name: cluster.name,
        namespace,
        service_account: name,
        role_arn: roleArn(settings.roleArn, roles),
        target_role_arn: targetRoleArn === undefined ? undefined : roleArn(targetRoleArn, roles),
        disable_session_tags: disableSessionTags ? true : undefined,
        policy: policy === undefined ? undefined : jsonOf(policy),
        tags: tagsOf(tags),
      }),
    }
  })

/** Clusters of one name in two regions are told apart by the hash. */
const clusterName = ({ name, region }: FoundCluster, parts: readonly string[]): string =>
  terraformName([name, ...parts], JSON.stringify([region, name, ...parts]))

const accessResources = (cluster: FoundCluster): readonly Resource[] =>
  cluster.accessEntries.flatMap(({ groups, policies, principalArn, tags, type, username }) => {
    const principal = tryParseArn(principalArn)?.resource.split('/').at(-1) ?? principalArn
    const isStandard = type === 'STANDARD'
    const identity = JSON.stringify([cluster.region, cluster.name, principalArn])
    const name = terraformName([cluster.name, principal], identity, true)
    const reference = new HclExpression(`aws_eks_access_entry.${name}.principal_arn`)
    return [
      {
        type: 'aws_eks_access_entry',
        name,
        id: `${cluster.name}:${principalArn}`,
        attributes: present({
          cluster_name: cluster.name,
          principal_arn: principalArn,
          type: isStandard ? undefined : type,
          kubernetes_groups: isStandard && groups.length > 0 ? groups.toSorted() : undefined,
          user_name: isStandard ? username : undefined,
          tags: tagsOf(tags),
        }),
      },
      ...policies
        .toSorted((one, other) => (one.policyArn < other.policyArn ? -1 : 1))
        .map(({ namespaces, policyArn }): Resource => ({
          type: 'aws_eks_access_policy_association',
          name: terraformName(
            [cluster.name, principal, policyArn.split('/').at(-1) ?? ''],
            `${identity} ${policyArn}`,
            true,
          ),
          id: `${cluster.name}#${principalArn}#${policyArn}`,
          attributes: [
            ['cluster_name', cluster.name],
            ['principal_arn', reference],
            ['policy_arn', policyArn],
          ],
          blocks: [
            {
              name: 'access_scope',
              values: {
                type: namespaces === undefined ? 'cluster' : 'namespace',
                namespaces: namespaces?.toSorted(),
              },
            },
          ],
        })),
    ]
  })

const addonResources = (
  cluster: FoundCluster,
  roles: ReadonlyMap<string, string>,
): readonly Resource[] =>
  cluster.addons.map(({ name, settings, tags }) => {
    const { associations, serviceAccountRoleArn: irsa, version } = settings
    return {
      type: 'aws_eks_addon',
      name: clusterName(cluster, [name]),
      id: `${cluster.name}:${name}`,
      attributes: present({
        cluster_name: cluster.name,
        addon_name: name,
        addon_version: version,
        service_account_role_arn: irsa === undefined ? undefined : roleArn(irsa, roles),
        tags: tagsOf(tags),
      }),
      blocks: associations
        .toSorted((one, other) => (one.serviceAccount < other.serviceAccount ? -1 : 1))
        .map((one) => ({
          name: 'pod_identity_association',
          values: {
            service_account: one.serviceAccount,
            role_arn: roleArn(one.roleArn, roles),
          },
        })),
    }
  })

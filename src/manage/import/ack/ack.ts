/** What exists → custom resources of AWS Controllers for Kubernetes, which adopt it. */
import { Document } from 'yaml'
import { tryParseArn } from '../../../iam/arn.ts'
import { type Tags, tagList } from '../../../iam/tags.ts'
import { spellAccessPolicies } from '../access-policies.ts'
import type { FoundCluster, FoundObjects, FoundPolicy, FoundProvider, FoundRole } from '../found.ts'
import { commentsOf, type Imported, type LeftOut } from '../imported.ts'
import { nameFrom } from '../names.ts'

interface AckResource {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly annotations: Readonly<Record<string, string>>
  }
  readonly spec: Readonly<Record<string, unknown>>
}

/**
 * Resources that are adopted as they are: ACK reads them by their adoption fields, and makes and
 * changes nothing. Deleted from Kubernetes they stay in AWS, until that annotation is taken off.
 * https://aws-controllers-k8s.github.io/docs/guides/adoption
 */
export function importAck(found: FoundObjects): Imported {
  const leftOut: LeftOut[] = [...found.leftOut]
  const resources = [
    ...found.providers.map(providerOf),
    ...found.policies.map(policyOf),
    ...found.roles.map(roleOf),
    ...found.clusters.flatMap((cluster) => [
      ...associationsOf(cluster, leftOut),
      ...accessOf(cluster),
      ...addonsOf(cluster),
    ]),
  ]
  const head = [
    '# ACK adopts all of it as it is: kubectl apply -n NAMESPACE -f this file.',
    ...commentsOf(leftOut),
  ]
  const documents = resources.map((resource) =>
    new Document(resource, { version: '1.1', aliasDuplicateObjects: false }).toString({
      lineWidth: 0,
      directives: false,
    }),
  )
  return { text: `${head.join('\n')}\n${documents.join('---\n')}`, leftOut }
}

interface ResourceInput {
  readonly service: 'eks' | 'iam'
  readonly kind: string
  readonly name: string
  readonly region?: string
  /** By what the controller finds it. */
  readonly fields: Readonly<Record<string, string>>
  readonly spec: Readonly<Record<string, unknown>>
}

function resourceOf({ fields, kind, name, region, service, spec }: ResourceInput): AckResource {
  const known = Object.entries(spec).filter(([, value]) => value !== undefined)
  return {
    apiVersion: `${service}.services.k8s.aws/v1alpha1`,
    kind,
    metadata: {
      name,
      annotations: {
        'services.k8s.aws/adoption-policy': 'adopt',
        'services.k8s.aws/adoption-fields': JSON.stringify(fields),
        'services.k8s.aws/deletion-policy': 'retain',
        ...(region !== undefined && { 'services.k8s.aws/region': region }),
      },
    },
    spec: Object.fromEntries(known),
  }
}

/** AWS's own tags and the controllers' are not for people to set. */
const ownTags = (tags: Tags): Tags =>
  Object.fromEntries(
    Object.entries(tags)
      .filter(([key]) => !/^(?:aws:|services\.k8s\.aws\/)/i.test(key))
      .sort(([one], [other]) => (one < other ? -1 : 1)),
  )

const orNothing = <T extends object>(value: T): T | undefined =>
  Object.keys(value).length === 0 ? undefined : value

const iamTags = (tags: Tags): readonly object[] | undefined =>
  orNothing(tagList(ownTags(tags)).map(({ Key: key, Value: value }) => ({ key, value })))

const kubernetesName = (parts: readonly string[], identity: string, isAmbiguous = false): string =>
  nameFrom(parts, { style: 'kubernetes', identity, isAmbiguous })

const providerOf = ({ arn, clientIds, tags, thumbprints, url }: FoundProvider): AckResource =>
  resourceOf({
    service: 'iam',
    kind: 'OpenIDConnectProvider',
    name: kubernetesName([url.slice('https://'.length)], arn),
    fields: { arn },
    spec: {
      url,
      clientIDs: [...clientIds].sort(),
      thumbprints: [...thumbprints],
      tags: iamTags(tags),
    },
  })

const policyOf = (policy: FoundPolicy): AckResource =>
  resourceOf({
    service: 'iam',
    kind: 'Policy',
    name: kubernetesName([policy.name], policy.name),
    fields: { arn: policy.arn },
    spec: {
      name: policy.name,
      path: policy.path,
      description: policy.description,
      policyDocument: policy.document,
      tags: iamTags(policy.tags),
    },
  })

/** Its policies are named by ARN: ACK takes either those or references, and AWS's own have none. */
const roleOf = (role: FoundRole): AckResource =>
  resourceOf({
    service: 'iam',
    kind: 'Role',
    name: kubernetesName([role.name], role.name),
    fields: { name: role.name },
    spec: {
      name: role.name,
      path: role.path,
      description: role.description,
      maxSessionDuration: role.maxSessionSeconds,
      permissionsBoundary: role.boundaryArn,
      assumeRolePolicyDocument: role.trustPolicy,
      policies: orNothing(role.policyArns.toSorted()),
      inlinePolicies: orNothing(role.inline),
      tags: iamTags(role.tags),
    },
  })

function associationsOf(cluster: FoundCluster, leftOut: LeftOut[]): readonly AckResource[] {
  const { name: clusterName, region } = cluster
  return cluster.associations.flatMap(({ associationId, serviceAccount, settings, tags }) => {
    const { name, namespace } = serviceAccount
    if (settings.policy !== undefined) {
      const what = `association of ${namespace}/${name}`
      // Adopted without it, it could be made again with more than it has.
      leftOut.push({ what, why: 'ACK has no field for its session policy' })
      return []
    }
    return [
      resourceOf({
        service: 'eks',
        kind: 'PodIdentityAssociation',
        name: nameIn(cluster, [namespace, name]),
        region,
        fields: { clusterName, associationID: associationId },
        spec: {
          clusterName,
          namespace,
          serviceAccount: name,
          roleARN: settings.roleArn,
          targetRoleARN: settings.targetRoleArn,
          disableSessionTags: settings.disableSessionTags ? true : undefined,
          tags: orNothing(ownTags(tags)),
        },
      }),
    ]
  })
}

const nameIn = (
  { name, region }: FoundCluster,
  parts: readonly string[],
  isAmbiguous = false,
): string => kubernetesName([name, ...parts], JSON.stringify([region, name, ...parts]), isAmbiguous)

const accessOf = (cluster: FoundCluster): readonly AckResource[] =>
  cluster.accessEntries.map(({ groups, policies, principalArn, tags, type, username }) => {
    const principal = tryParseArn(principalArn)?.resource.split('/').at(-1) ?? ''
    const isStandard = type === 'STANDARD'
    const identity = JSON.stringify([cluster.region, cluster.name, principalArn])
    return resourceOf({
      service: 'eks',
      kind: 'AccessEntry',
      name: kubernetesName([cluster.name, principal], identity, true),
      region: cluster.region,
      fields: { clusterName: cluster.name, principalARN: principalArn },
      spec: {
        clusterName: cluster.name,
        principalARN: principalArn,
        type,
        kubernetesGroups: isStandard ? orNothing(groups.toSorted()) : undefined,
        username: isStandard ? username : undefined,
        accessPolicies: orNothing(spellAccessPolicies(policies)),
        tags: orNothing(ownTags(tags)),
      },
    })
  })

const addonsOf = (cluster: FoundCluster): readonly AckResource[] =>
  cluster.addons.map(({ name, settings, tags }) =>
    resourceOf({
      service: 'eks',
      kind: 'Addon',
      name: nameIn(cluster, [name]),
      region: cluster.region,
      fields: { name, clusterName: cluster.name },
      spec: {
        name,
        clusterName: cluster.name,
        addonVersion: settings.version,
        serviceAccountRoleARN: settings.serviceAccountRoleArn,
        podIdentityAssociations: orNothing(
          settings.associations.map(({ roleArn, serviceAccount }) => ({
            serviceAccount,
            roleARN: roleArn,
          })),
        ),
        tags: orNothing(ownTags(tags)),
      },
    }),
  )

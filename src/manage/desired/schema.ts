/**
 * The documents that podrole reads, as they are written. Field names and meanings are those of
 * eksctl.io/v1alpha5; what a value may be beyond its type is `checks/`'s to say.
 */
import { z } from 'zod'
import {
  ADDON_FIELDS,
  CLUSTER_CONFIG_FIELDS,
  CLUSTER_METADATA_FIELDS,
  IAM_FIELDS,
  MK8S_ADDON_FIELDS,
  MK8S_FIELDS,
  MK8S_SPEC_FIELDS,
} from './fields.ts'
import { WELL_KNOWN_POLICIES } from './well-known-policies.ts'

/** A field of others: taken as it is, and told once. */
const leftAlone = z
  .unknown()
  .optional()
  .describe('Left alone: podrole reads the identity blocks only.')

/** Whether a field's schema says that podrole leaves it alone. */
export const isLeftAlone = (schema: unknown): boolean => schema === leftAlone

type LeftAlone<Name extends string> = Record<Name, typeof leftAlone>
const leave = <const Names extends readonly string[]>(names: Names): LeftAlone<Names[number]> =>
  Object.fromEntries(names.map((name) => [name, leftAlone])) as LeftAlone<Names[number]>

const text = z.string().min(1)
// Patterns are for editors: `checks/` refuses the same and says more.
const roleArn = text.meta({
  description: 'The ARN of an IAM role.',
  pattern: '^arn:[a-z-]+:iam::[0-9]{12}:role/.+$',
  examples: ['arn:aws:iam::111122223333:role/orders'],
})
const policyArn = text.meta({
  description: 'The ARN of a managed policy.',
  pattern: '^arn:[a-z-]+:iam::([0-9]{12}|aws):policy/.+$',
  examples: ['arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess'],
})
const policyArns = z.array(policyArn)
const roleName = text.meta({
  description: 'The name of the role that podrole makes; default: it names it.',
  pattern: '^[A-Za-z0-9_+=,.@-]{1,64}$',
})
const tags = z.record(text, z.string()).describe('Tags of what podrole makes.')
const inlinePolicy = z.union([z.record(z.string(), z.unknown()), text]).meta({
  id: 'InlinePolicy',
  description: 'A permission policy: the document itself, or its JSON text.',
})
const trustConditions = z
  .record(text, z.record(text, z.unknown()))
  .describe(
    'Further conditions of the trust policy: operator, key, value; all must hold beside those that podrole writes.',
  )
const wellKnownPolicies = z
  .strictObject(
    Object.fromEntries(
      Object.keys(WELL_KNOWN_POLICIES).map((name) => [name, z.boolean().optional()]),
    ),
  )
  .meta({ id: 'WellKnownPolicies', description: 'Permissions of well-known workloads.' })

export const podIdentityAssociation = z
  .strictObject({
    namespace: text,
    serviceAccountName: text,
    roleARN: roleArn.optional(),
    createServiceAccount: z
      .boolean()
      .optional()
      .describe('Makes the service account, and its namespace, where they are missing.'),
    roleName: roleName.optional(),
    permissionPolicy: inlinePolicy.optional(),
    permissionPolicyName: text.optional().describe('The name of the inline policy.'),
    permissionPolicyARNs: policyArns.optional(),
    permissionsBoundaryARN: policyArn
      .optional()
      .describe('The managed policy that bounds the role.'),
    wellKnownPolicies: wellKnownPolicies.optional(),
    tags: tags.optional(),
    targetRoleARN: roleArn.optional().describe('A role of any account that the first role takes.'),
    disableSessionTags: z.boolean().optional(),
    policy: text.optional().describe('A session policy, JSON text; needs disableSessionTags.'),
    trustConditions: trustConditions.optional(),
  })
  .meta({
    id: 'PodIdentityAssociation',
    description: 'An EKS Pod Identity association: service account, role.',
  })

export const serviceAccount = z
  .strictObject({
    metadata: z.strictObject({
      name: text,
      namespace: text.optional().describe('Default: default.'),
      labels: z.record(text, z.string()).optional(),
      annotations: z.record(text, z.string()).optional(),
    }),
    attachPolicyARNs: policyArns.optional(),
    attachPolicy: inlinePolicy.optional(),
    attachRoleARN: roleArn.optional(),
    wellKnownPolicies: wellKnownPolicies.optional(),
    permissionsBoundary: policyArn.optional().describe('The managed policy that bounds the role.'),
    roleName: roleName.optional(),
    roleOnly: z
      .boolean()
      .optional()
      .describe('Makes the role and leaves the service account alone.'),
    tags: tags.optional(),
    subjectPattern: text
      .optional()
      .describe('Trusts every service account of the namespace whose name matches; "*" is wild.'),
    trustConditions: trustConditions.optional(),
    status: leftAlone,
  })
  .meta({ id: 'ServiceAccount', description: 'A service account with a role by IRSA.' })

const iam = z
  .strictObject({
    withOIDC: z
      .boolean()
      .optional()
      .describe("Makes the IAM OIDC provider of the cluster's issuer."),
    serviceAccounts: z.array(serviceAccount).optional(),
    podIdentityAssociations: z.array(podIdentityAssociation).optional(),
    ...leave(IAM_FIELDS),
  })
  .meta({
    id: 'Iam',
    description: 'Roles of service accounts. A list that is left out leaves what is there alone.',
  })

export const AUTHENTICATION_MODES = ['CONFIG_MAP', 'API_AND_CONFIG_MAP', 'API'] as const

/** https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateAccessEntry.html */
export const ACCESS_ENTRY_TYPES = [
  'STANDARD',
  'EC2',
  'EC2_LINUX',
  'EC2_WINDOWS',
  'FARGATE_LINUX',
  'HYBRID_LINUX',
  'HYPERPOD_LINUX',
] as const

export const accessEntry = z
  .strictObject({
    principalARN: text.describe('The ARN of an IAM role or user.'),
    type: z.enum(['', ...ACCESS_ENTRY_TYPES]).optional(),
    kubernetesGroups: z.array(text).optional(),
    kubernetesUsername: text.optional(),
    accessPolicies: z
      .array(
        z.strictObject({
          policyARN: text.meta({
            examples: ['arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy'],
          }),
          accessScope: z.strictObject({
            type: z.enum(['cluster', 'namespace']),
            namespaces: z.array(text).optional(),
          }),
        }),
      )
      .optional(),
    tags: tags.optional(),
  })
  .meta({
    id: 'AccessEntry',
    description: "An IAM principal's access to the Kubernetes API of an EKS cluster.",
  })

export const accessConfig = z.strictObject({
  authenticationMode: z.enum(AUTHENTICATION_MODES).optional(),
  accessEntries: z.array(accessEntry).optional(),
  bootstrapClusterCreatorAdminPermissions: leftAlone,
})

export const addon = z
  .strictObject({
    name: text,
    version: text.optional().describe('A version, latest or default; left out: as it is.'),
    podIdentityAssociations: z.array(podIdentityAssociation).optional(),
    useDefaultPodIdentityAssociations: z
      .boolean()
      .optional()
      .describe('Makes the roles that EKS recommends for the add-on.'),
    serviceAccountRoleARN: roleArn.optional(),
    attachPolicyARNs: policyArns.optional(),
    attachPolicy: inlinePolicy.optional(),
    wellKnownPolicies: wellKnownPolicies.optional(),
    permissionsBoundary: policyArn.optional().describe('The managed policy that bounds the role.'),
    tags: tags.optional(),
    configurationValues: z.string().optional().describe('Given when the add-on is made.'),
    resolveConflicts: z
      .enum(['none', 'overwrite', 'preserve', 'NONE', 'OVERWRITE', 'PRESERVE'])
      .optional(),
    namespaceConfig: z
      .strictObject({ namespace: text })
      .optional()
      .describe('Given when the add-on is made.'),
    ...leave(ADDON_FIELDS),
  })
  .meta({ id: 'Addon', description: 'An EKS add-on, as far as its identity goes.' })

const addonsConfig = z.strictObject({
  autoApplyPodIdentityAssociations: z.boolean().optional(),
  disableDefaultAddons: leftAlone,
})

/** What every document about a cluster may hold. */
const blocks = {
  iam: iam.optional(),
  accessConfig: accessConfig.optional(),
  addons: z.array(addon).optional(),
  addonsConfig: addonsConfig.optional(),
}

const metadata = {
  name: text.describe("The cluster's name."),
  region: text.meta({ examples: ['eu-central-1'] }),
  accountID: text.optional().describe('12 digits; checked against the account that is reached.'),
  tags: tags.optional().describe('Tags of everything that podrole makes for the cluster.'),
}

const clusterConfig = (apiVersion: string) =>
  z
    .strictObject({
      apiVersion: z.literal(apiVersion),
      kind: z.literal('ClusterConfig'),
      metadata: z.strictObject({ ...metadata, ...leave(CLUSTER_METADATA_FIELDS) }),
      ...blocks,
      ...leave(CLUSTER_CONFIG_FIELDS),
    })
    .describe('An EKS cluster.')

/** The kinds of documents that podrole reads. */
export const DOCUMENT_SCHEMAS = {
  eksctl: clusterConfig('eksctl.io/v1alpha5'),
  rafay: clusterConfig('rafay.io/v1alpha5'),
  podrole: z
    .strictObject({
      apiVersion: z.literal('podrole.dev/v1alpha1'),
      kind: z.literal('Cluster'),
      metadata: z.strictObject(metadata),
      issuer: z
        .strictObject({ url: text.meta({ examples: ['https://issuer.example.com/edge'] }) })
        .optional()
        .describe("The cluster's own issuer, for IRSA."),
      broker: z
        .strictObject({ url: text.meta({ examples: ['https://broker.example.com'] }) })
        .optional()
        .describe('The broker that has the cluster, for Pod Identity.'),
      ...blocks,
    })
    .describe('A cluster that is not EKS.'),
  mk8s: z
    .strictObject({
      kind: z.literal('mk8s'),
      name: text,
      spec: z
        .strictObject({
          addOns: z
            .strictObject({
              awsWorkloadIdentity: z.union([z.strictObject({}), z.null()]).optional(),
              ...leave(MK8S_ADDON_FIELDS),
            })
            .optional(),
          ...leave(MK8S_SPEC_FIELDS),
        })
        .optional(),
      ...leave(MK8S_FIELDS),
    })
    .describe('A Kubernetes cluster that Control Plane manages.'),
  fragment: z.strictObject(blocks).describe('Blocks alone; the cluster is named beside them.'),
} as const

export type DocumentKind = keyof typeof DOCUMENT_SCHEMAS

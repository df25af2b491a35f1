/** What people leave behind who give pods roles by hand: IRSA, associations, add-ons, access entries. */
import {
  AssociateAccessPolicyCommand,
  CreateAccessEntryCommand,
  CreateAddonCommand,
  CreatePodIdentityAssociationCommand,
  DescribeClusterCommand,
  waitUntilAddonActive,
} from '@aws-sdk/client-eks'
import {
  AttachRolePolicyCommand,
  CreateOpenIDConnectProviderCommand,
  CreatePolicyCommand,
  CreatePolicyVersionCommand,
  CreateRoleCommand,
  PutRolePolicyCommand,
} from '@aws-sdk/client-iam'
import { NAMESPACES, SERVICE_ACCOUNTS } from '../../src/kube/client.ts'
import type { ServiceAccount } from '../../src/kube/objects.ts'
import type { EksSandbox } from './eks-sandbox.ts'
import { podsTrust } from './shop-journey.ts'

type Here = Pick<EksSandbox, 'cluster' | 'eks' | 'iam'>

interface RoleWish {
  readonly path?: string
  readonly trust: string
  readonly description?: string
  readonly seconds?: number
  readonly tags?: Readonly<Record<string, string>>
  readonly policyArns?: readonly string[]
  readonly inline?: Readonly<Record<string, object>>
  readonly boundaryArn?: string
}

export const MESS_ACCOUNT = '111122223333'
const ARN = `arn:aws:iam::${MESS_ACCOUNT}`
const READ_ONLY = 'arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess'

/** With what templates evaluate, quotes and a line's end. */
export const HOSTILE = 'a "quoted" \\ ${aws:username} %{if true} #'

const policy = (Resource: string): object => ({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: ['s3:GetObject'], Resource }],
})

/** Makes it in a cluster that has nothing yet. */
export async function makeMess(here: Here, clusterName: string): Promise<void> {
  const { cluster } = await here.eks.send(new DescribeClusterCommand({ name: clusterName }))
  const issuer = cluster?.identity?.oidc?.issuer ?? ''
  await here.iam.send(
    new CreateOpenIDConnectProviderCommand({
      Url: issuer,
      ClientIDList: ['sts.amazonaws.com', 'another'],
      ThumbprintList: ['9e99a48a9960b14926bb7f3b02e22da2b0ab7280'],
      Tags: [{ Key: 'made', Value: 'by hand' }],
    }),
  )
  await makeRoles(here, issuer)
  await makeServiceAccounts(here)
  await makeAssociations(here, clusterName)
  await makeAddons(here, clusterName)
  await makeEntries(here, clusterName)
}

/** As people write it, with conditions of their own. */
function irsaTrust(
  issuer: string,
  subject: { readonly operator: string; readonly value: string | readonly string[] },
  more: Readonly<Record<string, object>> = {},
): string {
  const host = issuer.replace('https://', '')
  const Condition = {
    ...more,
    StringEquals: { [`${host}:aud`]: 'sts.amazonaws.com', ...more['StringEquals'] },
    [subject.operator]: {
      ...(subject.operator === 'StringEquals' && { [`${host}:aud`]: 'sts.amazonaws.com' }),
      [`${host}:sub`]: subject.value,
    },
  }
  const Principal = { Federated: `${ARN}:oidc-provider/${host}` }
  const Action = 'sts:AssumeRoleWithWebIdentity'
  return JSON.stringify({
    Version: '2012-10-17',
    Id: 'theirs',
    Statement: [{ Effect: 'Allow', Principal, Action, Condition }],
  })
}

async function makeRoles(here: Here, issuer: string): Promise<void> {
  const { Policy } = await here.iam.send(
    new CreatePolicyCommand({
      PolicyName: 'Boundary',
      Path: '/teams/',
      PolicyDocument: JSON.stringify(policy('*')),
    }),
  )
  const { Policy: second } = await here.iam.send(
    new CreatePolicyCommand({
      PolicyName: 'team.reads+',
      Description: 'Reads "all" of ${team}',
      PolicyDocument: JSON.stringify(policy('arn:aws:s3:::first/*')),
      Tags: [{ Key: 'team', Value: 'data + more' }],
    }),
  )
  await here.iam.send(
    new CreatePolicyVersionCommand({
      PolicyArn: second?.Arn,
      PolicyDocument: JSON.stringify(policy(`arn:aws:s3:::${HOSTILE}/*`), undefined, 2),
      SetAsDefault: true,
    }),
  )
  const subject = (operator: string, ...names: readonly string[]) => ({
    operator,
    value: names.map((name) => `system:serviceaccount:${name}`),
  })
  const wishes: Readonly<Record<string, RoleWish>> = {
    'irsa.reports': {
      path: '/teams/data/',
      trust: irsaTrust(issuer, subject('StringEquals', 'shop/reports'.replace('/', ':')), {
        IpAddress: { 'aws:SourceIp': ['10.0.0.0/8', '192.0.2.0/24'] },
      }),
      description: HOSTILE.replaceAll(/["\\]/g, ''),
      seconds: 7200,
      tags: { team: 'data', Owner: '' },
      policyArns: [READ_ONLY, Policy?.Arn ?? '', second?.Arn ?? ''],
      inline: { reports: policy(`arn:aws:s3:::${HOSTILE}/*`), more: policy('*') },
      ...(Policy?.Arn !== undefined && { boundaryArn: Policy.Arn }),
    },
    // One for a whole namespace.
    'irsa-shop': { trust: irsaTrust(issuer, subject('StringLike', 'shop:*')) },
    'ebs-driver': { trust: podsTrust(), policyArns: [READ_ONLY] },
    'vpc-cni': { trust: irsaTrust(issuer, subject('StringEquals', 'kube-system:aws-node')) },
    shared: {
      path: '/teams/',
      trust: podsTrust({ StringLike: { 'aws:PrincipalTag/team': 'shop-*' } }),
      tags: { made: 'by hand' },
    },
    orders_writer: { trust: podsTrust(), inline: { write: policy('*') } },
    viewer: { trust: podsTrust() },
    nodes: { trust: podsTrust() },
  }
  for (const [name, wish] of Object.entries(wishes)) await makeRole(here, name, wish)
}

async function makeRole({ iam }: Here, RoleName: string, wish: RoleWish): Promise<void> {
  const { boundaryArn, description, inline = {}, path, policyArns = [], seconds, tags = {} } = wish
  await iam.send(
    new CreateRoleCommand({
      RoleName,
      AssumeRolePolicyDocument: wish.trust,
      Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
      ...(path !== undefined && { Path: path }),
      ...(description !== undefined && { Description: description }),
      ...(seconds !== undefined && { MaxSessionDuration: seconds }),
      ...(boundaryArn !== undefined && { PermissionsBoundary: boundaryArn }),
    }),
  )
  for (const PolicyArn of policyArns) {
    await iam.send(new AttachRolePolicyCommand({ RoleName, PolicyArn }))
  }
  for (const [PolicyName, document] of Object.entries(inline)) {
    const PolicyDocument = JSON.stringify(document)
    await iam.send(new PutRolePolicyCommand({ RoleName, PolicyName, PolicyDocument }))
  }
}

/** Two share a role by a pattern, one has a role that is gone, one a role of another account. */
async function makeServiceAccounts({ cluster: { client } }: Here): Promise<void> {
  await client.create(NAMESPACES, { metadata: { name: 'shop' } })
  const roles = {
    reports: `${ARN}:role/teams/data/irsa.reports`,
    'web.api': `${ARN}:role/irsa-shop`,
    web: `${ARN}:role/irsa-shop`,
    lost: `${ARN}:role/gone`,
    far: 'arn:aws:iam::444455556666:role/far',
  }
  for (const [name, role] of Object.entries(roles)) {
    const annotations = {
      'eks.amazonaws.com/role-arn': role,
      'eks.amazonaws.com/sts-regional-endpoints': 'true',
    }
    await client.create<ServiceAccount>(SERVICE_ACCOUNTS, {
      metadata: { namespace: 'shop', name, annotations, labels: { app: name } },
    })
  }
}

async function makeAssociations({ eks }: Here, clusterName: string): Promise<void> {
  const made = {
    'shop/orders': 'orders_writer',
    'shop/cart': 'teams/shared',
    'ops/cart': 'teams/shared',
  }
  for (const [label, role] of Object.entries(made)) {
    const [namespace = '', serviceAccount = ''] = label.split('/')
    await eks.send(
      new CreatePodIdentityAssociationCommand({
        clusterName,
        namespace,
        serviceAccount,
        roleArn: `${ARN}:role/${role}`,
        tags: { note: label },
      }),
    )
  }
}

async function makeAddons({ eks }: Here, clusterName: string): Promise<void> {
  const addons = [
    { addonName: 'eks-pod-identity-agent' },
    {
      addonName: 'aws-ebs-csi-driver',
      podIdentityAssociations: [
        { serviceAccount: 'ebs-csi-controller-sa', roleArn: `${ARN}:role/ebs-driver` },
      ],
      tags: { made: 'by hand' },
    },
    { addonName: 'vpc-cni', serviceAccountRoleArn: `${ARN}:role/vpc-cni` },
    { addonName: 'coredns' },
  ]
  for (const addon of addons) {
    await eks.send(new CreateAddonCommand({ clusterName, ...addon }))
    const waiting = { client: eks, maxWaitTime: 60, minDelay: 1, maxDelay: 1 }
    await waitUntilAddonActive(waiting, { clusterName, addonName: addon.addonName })
  }
}

async function makeEntries({ eks }: Here, clusterName: string): Promise<void> {
  const principalArn = `${ARN}:role/viewer`
  await eks.send(
    new CreateAccessEntryCommand({
      clusterName,
      principalArn,
      kubernetesGroups: ['readers', 'auditors'],
      username: 'viewer:{{SessionName}}',
      tags: { made: 'by hand' },
    }),
  )
  for (const [name, namespaces] of [
    ['AmazonEKSViewPolicy', undefined],
    ['AmazonEKSEditPolicy', ['shop', 'ops-*']],
  ] as const) {
    await eks.send(
      new AssociateAccessPolicyCommand({
        clusterName,
        principalArn,
        policyArn: `arn:aws:eks::aws:cluster-access-policy/${name}`,
        accessScope:
          namespaces === undefined
            ? { type: 'cluster' }
            : { type: 'namespace', namespaces: [...namespaces] },
      }),
    )
  }
  const nodes = { clusterName, principalArn: `${ARN}:role/nodes`, type: 'EC2_LINUX' }
  await eks.send(new CreateAccessEntryCommand(nodes))
}

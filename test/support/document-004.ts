/** The account of document 004 before podrole: its cluster, a role and a policy, an add-on's IRSA role. */
import { DescribeClusterCommand } from '@aws-sdk/client-eks'
import { CreatePolicyCommand, CreateRoleCommand } from '@aws-sdk/client-iam'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type EksSandbox, startEksSandbox } from './eks-sandbox.ts'
import { podsTrust } from './shop-journey.ts'

const TESTDATA = join(import.meta.dir, '../../src/manage/desired/testdata/read')
const ACCOUNT_ID = '679196758854'
export const DOCUMENT_CLUSTER = 'demo-eks-cluster'
/** Others made it; it trusts the cluster's own issuer. */
export const IMPORTED_ROLE = 'eksctl-demo-imported-clus46-addon-vpc-cni-Role1-badgX6yB68vw'

export const readDocument = (file: string): string => readFileSync(join(TESTDATA, file), 'utf8')

/** IAM and EKS are 200 ms late in it; `cluster.yaml` is the document's config as it stands. */
export async function startDocument004(): Promise<EksSandbox> {
  const here = await startEksSandbox({
    accountId: ACCOUNT_ID,
    clusterName: DOCUMENT_CLUSTER,
    region: 'us-west-2',
  })
  here.sandbox.aws.faults.replace(['iam:*=eventual:200ms', 'eks:*=eventual:200ms'])
  here.desk.write('cluster.yaml', readDocument('document-004-rctl.yaml'))
  const { cluster } = await here.eks.send(new DescribeClusterCommand({ name: DOCUMENT_CLUSTER }))
  const host = (cluster?.identity?.oidc?.issuer ?? '').replace('https://', '')
  const irsa = {
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: { Federated: `arn:aws:iam::${ACCOUNT_ID}:oidc-provider/${host}` },
        Action: 'sts:AssumeRoleWithWebIdentity',
        Condition: {
          StringEquals: {
            [`${host}:aud`]: 'sts.amazonaws.com',
            [`${host}:sub`]: 'system:serviceaccount:rafay-demo:demo-test',
          },
        },
      },
    ],
  }
  const roles = { 'demo-eks-full': podsTrust(), [IMPORTED_ROLE]: JSON.stringify(irsa) }
  for (const [RoleName, AssumeRolePolicyDocument] of Object.entries(roles)) {
    await here.iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument }))
  }
  const PolicyDocument = JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: 's3:GetObject', Resource: '*' }],
  })
  await here.iam.send(new CreatePolicyCommand({ PolicyName: 'demo-eks-full', PolicyDocument }))
  return here
}

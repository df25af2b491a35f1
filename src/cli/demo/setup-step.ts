import {
  CreateRoleCommand,
  PutRolePolicyCommand,
  UpdateAssumeRolePolicyCommand,
} from '@aws-sdk/client-iam'
import { CreateBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { partitionOfRegion } from '../../iam/partitions.ts'
import { podIdentityTrust, type TrustPolicyDocument } from '../../iam/trust.ts'
import {
  ALLOWED_KEY,
  BUCKET,
  CONTENT,
  FORBIDDEN_KEY,
  NAMESPACE,
  REGION,
  ROLE_NAME,
  SERVICE_ACCOUNT,
  type Stage,
  type Step,
} from './stage.ts'

export const setupStep: Step = {
  name: 'role and bucket',
  run: async (stage) => {
    await stage.s3.send(new CreateBucketCommand({ Bucket: BUCKET }))
    for (const [key, body] of [
      [ALLOWED_KEY, CONTENT],
      [FORBIDDEN_KEY, 'not for pods'],
    ] as const) {
      await stage.s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: key, Body: body }))
    }
    stage.trust.push(...eksTrust(stage).Statement)
    const created = await stage.iam.send(
      new CreateRoleCommand({
        RoleName: ROLE_NAME,
        AssumeRolePolicyDocument: trustText(stage),
        Description: 'Reads the orders of the demo',
      }),
    )
    await stage.iam.send(
      new PutRolePolicyCommand({
        RoleName: ROLE_NAME,
        PolicyName: 'read-orders',
        PolicyDocument: JSON.stringify(permissionPolicy(stage)),
      }),
    )
    return `made by the AWS SDK: ${created.Role?.Arn ?? ''} may read s3://${BUCKET}/orders/*`
  },
}

/** Adds statements to the role's trust policy, as another way is set up. */
export async function addTrust(stage: Stage, document: TrustPolicyDocument): Promise<void> {
  stage.trust.push(...document.Statement)
  await stage.iam.send(
    new UpdateAssumeRolePolicyCommand({
      RoleName: ROLE_NAME,
      PolicyDocument: trustText(stage),
    }),
  )
}

export function roleArnOf(stage: Stage): string {
  return `arn:${partitionOfRegion(REGION).id}:iam::${stage.sandbox.accountId}:role/${ROLE_NAME}`
}

/** The service account that the trust policy names: `--break trust` names another one. */
export function trustedServiceAccount(stage: Stage): { namespace: string; name: string } {
  return { namespace: NAMESPACE, name: stage.broken === 'trust' ? 'payments' : SERVICE_ACCOUNT }
}

function eksTrust(stage: Stage): TrustPolicyDocument {
  const partition = partitionOfRegion(REGION).id
  return podIdentityTrust({
    clusterArn: `arn:${partition}:eks:${REGION}:${stage.sandbox.accountId}:cluster/${stage.eks.name}`,
    accountId: stage.sandbox.accountId,
    serviceAccount: { namespace: NAMESPACE, name: SERVICE_ACCOUNT },
  })
}

const trustText = (stage: Stage): string =>
  JSON.stringify({ Version: '2012-10-17', Statement: stage.trust })

function permissionPolicy(stage: Stage): object {
  const partition = partitionOfRegion(REGION).id
  const action = stage.broken === 'permission' ? 's3:PutObject' : 's3:GetObject'
  return {
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Action: action, Resource: `arn:${partition}:s3:::${BUCKET}/orders/*` },
    ],
  }
}

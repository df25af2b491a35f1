import { CreateOpenIDConnectProviderCommand } from '@aws-sdk/client-iam'
import {
  CreateBucketCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  PutPublicAccessBlockCommand,
} from '@aws-sdk/client-s3'
import { partitionOfRegion } from '../../iam/partitions.ts'
import { irsaTrust } from '../../iam/trust.ts'
import { DISCOVERY_PATH, discoveryDocument } from '../../issuer/documents.ts'
import { generateSigningKey } from '../../issuer/keys.ts'
import { jwksOf } from '../../issuer/documents.ts'
import type { Jwks } from '../../token/jwks.ts'
import { mustBeMutated, mustHaveRead } from './expect.ts'
import { ensureServiceAccount, runPod } from './pods.ts'
import { addTrust, roleArnOf, trustedServiceAccount } from './setup-step.ts'
import {
  ALLOWED_KEY,
  BUCKET,
  ISSUER_BUCKET,
  NAMESPACE,
  REGION,
  SERVICE_ACCOUNT,
  type Stage,
  type Step,
} from './stage.ts'

export const irsaStep: Step = {
  name: 'IRSA',
  run: async (stage) => {
    await publishIssuer(stage)
    await stage.iam.send(
      new CreateOpenIDConnectProviderCommand({
        Url: stage.edge.cluster.issuer,
        ClientIDList: ['sts.amazonaws.com'],
      }),
    )
    await addTrust(
      stage,
      irsaTrust({
        partition: partitionOfRegion(REGION).id,
        accountId: stage.sandbox.accountId,
        issuer: stage.edge.cluster.issuer,
        subjects: [trustedServiceAccount(stage)],
      }),
    )
    await ensureServiceAccount(
      stage.edge.client,
      { namespace: NAMESPACE, name: SERVICE_ACCOUNT },
      { 'eks.amazonaws.com/role-arn': roleArnOf(stage) },
    )
    if (stage.broken === 'webhook') await stage.stopPart(stage.edge.name, 'webhook')
    const outcome = await runPod(stage.edge.client, {
      name: 'irsa',
      namespace: NAMESPACE,
      serviceAccount: SERVICE_ACCOUNT,
      args: ['check', BUCKET, ALLOWED_KEY],
    })
    mustBeMutated(outcome, 'AWS_WEB_IDENTITY_TOKEN_FILE')
    const { sentence } = mustHaveRead(outcome)
    return `issuer ${stage.edge.cluster.issuer} → OIDC provider → webhook → SDK → STS: ${sentence}`
  },
}

/** Discovery document and keys into a bucket that anyone may read, keys first. */
async function publishIssuer(stage: Stage): Promise<void> {
  const { s3 } = stage
  await s3.send(new CreateBucketCommand({ Bucket: ISSUER_BUCKET }))
  await s3.send(
    new PutPublicAccessBlockCommand({
      Bucket: ISSUER_BUCKET,
      PublicAccessBlockConfiguration: { BlockPublicPolicy: false, RestrictPublicBuckets: false },
    }),
  )
  await s3.send(
    new PutBucketPolicyCommand({ Bucket: ISSUER_BUCKET, Policy: JSON.stringify(publicRead()) }),
  )
  const document = discoveryDocument(stage.edge.cluster.issuer, { algorithms: ['RS256'] })
  for (const [key, value] of [
    ['keys.json', await publishedKeys(stage)],
    [DISCOVERY_PATH.slice(1), document],
  ] as const) {
    await s3.send(
      new PutObjectCommand({
        Bucket: ISSUER_BUCKET,
        Key: key,
        Body: JSON.stringify(value),
        ContentType: 'application/json',
      }),
    )
  }
}

/** `--break issuer` publishes the keys of some other cluster. */
async function publishedKeys(stage: Stage): Promise<Jwks> {
  if (stage.broken !== 'issuer') return stage.edge.cluster.jwks()
  return jwksOf([await generateSigningKey('RS256')])
}

const publicRead = (): object => ({
  Version: '2012-10-17',
  Statement: [
    {
      Sid: 'IssuerIsPublic',
      Effect: 'Allow',
      Principal: '*',
      Action: 's3:GetObject',
      Resource: `arn:${partitionOfRegion(REGION).id}:s3:::${ISSUER_BUCKET}/*`,
    },
  ],
})

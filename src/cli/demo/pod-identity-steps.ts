import { CreateOpenIDConnectProviderCommand } from '@aws-sdk/client-iam'
import { partitionOfRegion } from '../../iam/partitions.ts'
import { fleetTrust } from '../../iam/trust.ts'
import { SESSION_TAG_KEYS } from '../../iam/trust-grant.ts'
import { createAssociation } from '../parts/associations.ts'
import { mustBeMutated, mustHaveRead, mustHold } from './expect.ts'
import { ensureServiceAccount, runPod } from './pods.ts'
import { addTrust, roleArnOf } from './setup-step.ts'
import {
  ALLOWED_KEY,
  BUCKET,
  NAMESPACE,
  REGION,
  SERVICE_ACCOUNT,
  type Stage,
  type Step,
} from './stage.ts'

/** The service account that uses Pod Identity anywhere: `orders` there is IRSA's. */
export const FLEET_SERVICE_ACCOUNT = 'orders-fleet'

export const eksPodIdentityStep: Step = {
  name: 'Pod Identity on EKS',
  run: async (stage) => {
    await ensureServiceAccount(stage.eks.client, { namespace: NAMESPACE, name: SERVICE_ACCOUNT })
    const associated = stage.broken === 'association' ? 'somebody-else' : SERVICE_ACCOUNT
    const id = await createAssociation(eksEndpoint(stage), {
      clusterName: stage.eks.name,
      namespace: NAMESPACE,
      serviceAccount: associated,
      roleArn: roleArnOf(stage),
    })
    if (stage.broken === 'agent') await stage.stopPart(stage.eks.name, 'agent')
    const outcome = await runPod(stage.eks.client, {
      name: 'pod-identity',
      namespace: NAMESPACE,
      serviceAccount: SERVICE_ACCOUNT,
      args: ['check', BUCKET, ALLOWED_KEY],
    })
    mustBeMutated(outcome, 'AWS_CONTAINER_CREDENTIALS_FULL_URI')
    const { sentence } = mustHaveRead(outcome)
    return `association ${id} → webhook → agent, signing as the node's role → EKS Auth: ${sentence}`
  },
}

export const fleetStep: Step = {
  name: 'Pod Identity anywhere',
  run: async (stage) => {
    const { broker, edge } = stage
    await stage.iam.send(
      new CreateOpenIDConnectProviderCommand({
        Url: broker.issuer,
        ClientIDList: ['sts.amazonaws.com'],
      }),
    )
    await addTrust(
      stage,
      fleetTrust({
        partition: partitionOfRegion(REGION).id,
        accountId: stage.sandbox.accountId,
        issuer: broker.issuer,
        clusters: [edge.name],
        serviceAccount: { namespace: NAMESPACE, name: FLEET_SERVICE_ACCOUNT },
      }),
    )
    await ensureServiceAccount(edge.client, { namespace: NAMESPACE, name: FLEET_SERVICE_ACCOUNT })
    await createAssociation(broker.endpoint, {
      clusterName: edge.name,
      namespace: NAMESPACE,
      serviceAccount: FLEET_SERVICE_ACCOUNT,
      roleArn: roleArnOf(stage),
    })
    const outcome = await runPod(edge.client, {
      name: 'anywhere',
      namespace: NAMESPACE,
      serviceAccount: FLEET_SERVICE_ACCOUNT,
      args: ['check', BUCKET, ALLOWED_KEY],
    })
    mustBeMutated(outcome, 'AWS_CONTAINER_CREDENTIALS_FULL_URI')
    const { arn, sentence } = mustHaveRead(outcome)
    const tags = mustHaveSixTags(stage, arn)
    mustHoldNoAwsKey(stage)
    return `webhook → agent → broker without an AWS key → STS: ${sentence}; session tags ${tags}`
  },
}

export function eksEndpoint(stage: Stage): Parameters<typeof createAssociation>[0] {
  const { accessKeyId, secretAccessKey } = stage.sandbox.aws.adminCredentials()
  return {
    url: stage.sandbox.endpoint,
    region: REGION,
    credentials: { accessKeyId, secretAccessKey },
  }
}

/** The tags that STS recorded for the session, as `key=value` pairs. */
function mustHaveSixTags(stage: Stage, arn: string): string {
  const tags = stage.sandbox.aws.sessionTags(arn)
  const missing = SESSION_TAG_KEYS.filter((key) => tags[key] === undefined)
  mustHold(missing.length === 0, `the session lacks the tags ${missing.join(', ')}`)
  return SESSION_TAG_KEYS.map((key) => `${key}=${tags[key]}`).join(' ')
}

/** No key that AWS gave out stands in the broker's environment, settings or database. */
function mustHoldNoAwsKey(stage: Stage): void {
  const possessions = stage.broker.possessions()
  mustHold(possessions.includes(stage.broker.issuer), 'the broker could not be looked into')
  const isFound =
    /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/.test(possessions) ||
    stage.sandbox.aws.issuedSecrets().some((secret) => possessions.includes(secret))
  mustHold(!isFound, 'the broker holds an AWS key')
}

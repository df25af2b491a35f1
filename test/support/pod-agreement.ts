/** What `explain` says of a pod and its role's trust policy, and what the sandbox does for the pod. */
import { CreatePodIdentityAssociationCommand } from '@aws-sdk/client-eks'
import { CreateOpenIDConnectProviderCommand, CreateRoleCommand } from '@aws-sdk/client-iam'
import type { Association } from '../../src/associations/association.ts'
import { fleetClaims } from '../../src/broker/fleet-token.ts'
import { associationFact } from '../../src/doctor/facts/association-fact.ts'
import { known } from '../../src/doctor/facts/fact.ts'
import type { ClusterFact, WorkloadFacts } from '../../src/doctor/facts/workload-facts.ts'
import { jwksOf } from '../../src/issuer/documents.ts'
import { issuerApp } from '../../src/issuer/issuer-app.ts'
import type { Pod } from '../../src/kube/objects.ts'
import {
  type AwsFixture,
  runtimeOf,
  startAwsFixture,
  trustOf,
} from '../../src/sandbox/aws/aws-fixture.suite.ts'
import type { Answer } from '../oracle/calls.ts'
import type { JsonPolicy } from '../oracle/oracle.ts'
import type { AskingPod, PodWay } from '../oracle/pod-calls.ts'
import {
  CLUSTERS,
  FLEET_HOST,
  PODS_SERVICE,
  SERVICE_ACCOUNTS,
  STRANGE_FLEET_HOST,
} from '../oracle/pod-pools.ts'
import { ACCOUNT_ID, providerArn, ROLE_ARN, ROLE_NAME, STS } from '../oracle/web-identity-pools.ts'
import { assume, foresee, putTrust, roleFacts } from './agreement.ts'

export interface PodAgreementStage {
  readonly nowSeconds: number
  /** What each pod gets of the role under that policy, over the wire. */
  askAws(way: PodWay, trust: JsonPolicy, pods: readonly AskingPod[]): Promise<readonly Answer[]>
  /** What is told of each before it asks. */
  askExplain(
    way: PodWay,
    trust: JsonPolicy,
    pods: readonly AskingPod[],
  ): readonly (Answer | 'maybe')[]
  stop(): Promise<void>
}

/** A sandbox with the role, the clusters and their associations, and the fleet's issuer. */
export async function startPodAgreementStage(): Promise<PodAgreementStage> {
  const fixture = await startAwsFixture()
  const { iam } = fixture.clients(fixture.admin)
  await iam.send(
    new CreateRoleCommand({
      RoleName: ROLE_NAME,
      AssumeRolePolicyDocument: trustOf({ Service: PODS_SERVICE }, [
        'sts:AssumeRole',
        'sts:TagSession',
      ]),
    }),
  )
  const jwks = (): ReturnType<typeof jwksOf> => jwksOf([fixture.key])
  for (const host of [FLEET_HOST, STRANGE_FLEET_HOST]) {
    fixture.aws.addIssuer(host, issuerApp({ issuer: `https://${host}`, jwks }))
  }
  const Url = `https://${FLEET_HOST}`
  await iam.send(new CreateOpenIDConnectProviderCommand({ Url, ClientIDList: [STS] }))
  await associate(fixture)
  const ask = { 'pod-identity': askEksAuth, fleet: askFleet } as const
  return {
    nowSeconds: Math.floor(fixture.clock.now() / 1000),
    askAws: async (way, trust, pods) => {
      if (!(await putTrust(iam, trust))) return pods.map(() => 'refused')
      return Promise.all(pods.map((pod) => ask[way](fixture, pod)))
    },
    askExplain: (way, trust, pods) =>
      pods.map((pod) => foresee(factsOf(way, pod, JSON.stringify(trust), fixture.clock.now()))),
    stop: () => fixture.stop(),
  }
}

const eksIssuer = (name: string, region: string): string =>
  `https://oidc.eks.${region}.amazonaws.com/id/${name}`

/** Every cluster, and in it an association of every service account with the role. */
async function associate(fixture: AwsFixture): Promise<void> {
  const unique = new Map(CLUSTERS.map((one) => [`${one.region}/${one.name}`, one]))
  for (const { disableSessionTags, name, region } of unique.values()) {
    const runtime = runtimeOf(eksIssuer(name, region), fixture.eksKey)
    fixture.aws.addCluster({ name, region, accountId: ACCOUNT_ID }, runtime)
    const { eks } = fixture.clients(fixture.admin, region)
    for (const text of new Set(SERVICE_ACCOUNTS.map((one) => one.join('/')))) {
      const [namespace, serviceAccount] = text.split('/')
      await eks.send(
        new CreatePodIdentityAssociationCommand({
          clusterName: name,
          namespace,
          serviceAccount,
          roleArn: ROLE_ARN,
          disableSessionTags,
        }),
      )
    }
  }
}

/** The node's call, with the pod's own token. */
async function askEksAuth(fixture: AwsFixture, pod: AskingPod): Promise<Answer> {
  const { clusterName, namespace, region, serviceAccount: name } = pod
  const token = await fixture.podToken({
    iss: eksIssuer(clusterName, region),
    sub: `system:serviceaccount:${namespace}:${name}`,
    'kubernetes.io': {
      namespace,
      pod: { name: pod.podName, uid: pod.podUid },
      serviceaccount: { name, uid: 'sa-uid' },
      node: { name: 'node-1', uid: 'node-uid' },
    },
  })
  const response = await fixture.call({
    keys: fixture.admin,
    service: 'eks-auth',
    path: `/clusters/${clusterName}/assume-role-for-pod-identity`,
    body: JSON.stringify({ token }),
    region,
  })
  const text = await response.text()
  if (response.ok && text.includes('"secretAccessKey"')) return 'yes'
  if (/does not have permissions to assume the associated role/.test(text)) return 'no'
  throw new Error(`EKS Auth answered ${response.status} ${text}`)
}

/** The broker's call, with what its fleet issuer signs. */
async function askFleet(fixture: AwsFixture, pod: AskingPod): Promise<Answer> {
  const { clusterArn, clusterName, namespace, podName, podUid, serviceAccount } = pod
  const claims = fleetClaims({
    issuer: `https://${pod.fleetHost}`,
    clusterName,
    clusterArn,
    pod: { namespace, serviceAccount, podName, podUid },
    association: associationOf(pod),
    nowSeconds: Math.floor(fixture.clock.now() / 1000),
    tokenId: 'token-1',
  })
  return assume(fixture.endpoint, await fixture.token(claims))
}

const associationOf = (pod: AskingPod): Association => ({
  associationId: 'a-1',
  associationArn: `${pod.clusterArn.replace(':cluster/', ':podidentityassociation/')}/a-1`,
  clusterName: pod.clusterName,
  namespace: pod.namespace,
  serviceAccount: pod.serviceAccount,
  roleArn: ROLE_ARN,
  disableSessionTags: pod.disableSessionTags,
  tags: {},
  createdAtMs: 0,
  modifiedAtMs: 0,
})

/** The pod with its association, as far as the question lets them be seen. */
function factsOf(way: PodWay, pod: AskingPod, trustPolicy: string, nowMs: number): WorkloadFacts {
  const { fleetHost, isThere, namespace, serviceAccount: name } = pod
  const hasProvider = way === 'fleet' && fleetHost === FLEET_HOST
  const provider = { arn: providerArn(FLEET_HOST), clientIds: [STS], thumbprints: [] }
  return {
    ...roleFacts(trustPolicy, nowMs),
    subject: { namespace, name },
    cluster: clusterOf(way, pod),
    pod: known(isThere ? admitted(pod) : undefined),
    association: known(associationFact(associationOf(pod))),
    provider: known(hasProvider ? provider : undefined),
  }
}

const clusterOf = (way: PodWay, pod: AskingPod): ClusterFact => ({
  kind: way === 'fleet' ? 'broker' : 'eks',
  name: pod.clusterName,
  ...(pod.isClusterKnown && { arn: pod.clusterArn }),
  ...(way === 'fleet' && { fleetIssuer: `https://${pod.fleetHost}` }),
  issuer: known(eksIssuer(pod.clusterName, pod.region)),
  keys: known(undefined),
  isAutoMode: false,
})

/** As the webhook makes it. */
function admitted({ namespace, podName: name, podUid: uid, serviceAccount }: AskingPod): Pod {
  const value = 'http://169.254.170.23/v1/credentials'
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name, uid },
    spec: {
      serviceAccountName: serviceAccount,
      containers: [{ name: 'main', env: [{ name: 'AWS_CONTAINER_CREDENTIALS_FULL_URI', value }] }],
    },
  }
}

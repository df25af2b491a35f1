import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openAccount } from '../../aws/account.ts'
import { OWNER_TAG } from '../../iam/tags.ts'
import { createCertificateAuthority } from '../../lib/certificates.ts'
import { systemClock } from '../../lib/clock.ts'
import { codeOf } from '../../lib/errors.ts'
import { silentLog } from '../../lib/log.ts'
import { NAMESPACES, SERVICE_ACCOUNTS } from '../../kube/client.ts'
import type { KubeClient } from '../../kube/client.ts'
import type { ServiceAccount } from '../../kube/objects.ts'
import { createKubeClient } from '../../kube/transport.ts'
import {
  ACCOUNT,
  type AwsFixture,
  CLUSTER,
  REGION,
  startAwsFixture,
  trustOf,
} from '../../sandbox/aws/aws-fixture.suite.ts'
import { type ServedCluster, startCluster } from '../../sandbox/cluster/cluster.ts'
import { State } from '../../sandbox/state.ts'
import { openEks } from '../eks/eks-client.ts'
import { inverseOf } from '../plan/inverse.ts'
import type { PlanAction } from '../plan/plan.ts'
import { keepPriorTrust } from '../roles/prior-trust.ts'
import { type ActionPort, carryOut, type Pace } from './act.ts'
import { actionPort } from './action-port.ts'
import { clusterPort } from './cluster-port.ts'
import { eksPlaces } from './eks-places.ts'
import { iamPort } from './iam-port.ts'
import { kubePort } from './kube-port.ts'

let fixture: AwsFixture
let served: ServedCluster
let kube: KubeClient
let port: ActionPort
let folder: string
let ticking: Timer
const ARN = `arn:aws:eks:${REGION}:${ACCOUNT}:cluster/${CLUSTER}`
const PACE: Pace = { patienceMs: 8000, firstDelayMs: 20, maxDelayMs: 300 }
const IMPATIENT: Pace = { patienceMs: 600, firstDelayMs: 20, maxDelayMs: 100 }

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'podrole-apply-'))
  fixture = await startAwsFixture()
  // Its clock goes as the real one does, so that what is seen late is seen at all.
  let last = performance.now()
  ticking = setInterval(() => {
    const now = performance.now()
    fixture.clock.advance(Math.round(now - last))
    last = now
  }, 5)
  fixture.aws.faults.replace(['iam:*=eventual:200ms', 'eks:*=eventual:200ms'])
  const { admin: credentials, endpoint } = fixture
  const account = await openAccount({ endpoint, region: REGION, credentials })
  const eks = await openEks(account)
  const authority = await createCertificateAuthority({ commonName: 'test', clock: systemClock })
  served = await startCluster({
    name: CLUSTER,
    issuer: 'https://blue.issuer.sandbox',
    state: new State(),
    clock: systemClock,
    log: silentLog,
    authority,
  })
  kube = createKubeClient({
    server: served.server,
    ca: served.certificateAuthority,
    token: () => served.adminToken,
  })
  const iam = await iamPort(account, keepPriorTrust(folder, systemClock))
  const wait = { timeoutMs: 20_000, firstDelayMs: 50, onProgress: () => undefined }
  const cluster = clusterPort(eksPlaces(eks, CLUSTER, wait))
  const forKube = kubePort(kube)
  port = actionPort({
    iam: async () => iam,
    cluster: async () => cluster,
    kube: async () => forKube,
    // `workload-identity/enable.test.ts` has it.
    workloadIdentity: () => Promise.reject(new Error('not asked for here')),
  })
})
afterAll(async () => {
  clearInterval(ticking)
  await served.stop()
  await fixture.stop()
  rmSync(folder, { recursive: true })
})

const trust = (service: string): string => trustOf({ Service: service }, 'sts:AssumeRole')
const READ = 'arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess'
const role = {
  name: 'podrole-blue-orders',
  arn: `arn:aws:iam::${ACCOUNT}:role/team/podrole-blue-orders`,
  trustPolicy: JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: { Service: 'pods.eks.amazonaws.com' },
        Action: ['sts:AssumeRole', 'sts:TagSession'],
      },
    ],
  }),
  tags: { ...OWNER_TAG, team: 'shop' },
}
const INLINE = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: 's3:GetObject', Resource: '*' }],
})
const serviceAccount = { namespace: 'shop', name: 'orders' }
const settings = { roleArn: role.arn, disableSessionTags: false }
const ADDON = 'eks-pod-identity-agent'
const VIEW = 'arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy'
const principalArn = role.arn

/** One after the other, each as it would be planned. */
const ACTIONS: readonly PlanAction[] = [
  {
    do: 'create-provider',
    provider: {
      arn: `arn:aws:iam::${ACCOUNT}:oidc-provider/green.issuer.sandbox/clusters/green`,
      clientIds: ['sts.amazonaws.com'],
      tags: OWNER_TAG,
    },
  },
  {
    do: 'add-client-id',
    arn: `arn:aws:iam::${ACCOUNT}:oidc-provider/green.issuer.sandbox/clusters/green`,
    clientId: 'other',
  },
  { do: 'create-role', role },
  { do: 'attach-policy', role: role.name, policyArn: READ },
  { do: 'put-inline-policy', role: role.name, name: 'podrole', after: INLINE },
  { do: 'put-boundary', role: role.name, after: READ },
  { do: 'tag-role', role: role.name, before: { team: 'shop' }, after: { team: 'bank', env: 'x' } },
  { do: 'untag-role', role: role.name, before: { env: 'x' } },
  { cluster: ARN, do: 'create-namespace', namespace: 'shop' },
  {
    cluster: ARN,
    do: 'create-service-account',
    object: { serviceAccount, labels: { app: 'orders' }, annotations: OWNER_TAG },
  },
  {
    cluster: ARN,
    do: 'patch-service-account',
    serviceAccount,
    before: { labels: { app: 'orders', tier: null }, annotations: { note: null } },
    after: { labels: { app: null, tier: 'web' }, annotations: { note: 'x' } },
  },
  {
    cluster: ARN,
    do: 'create-association',
    association: { serviceAccount, settings, tags: OWNER_TAG },
  },
  {
    cluster: ARN,
    do: 'create-access-entry',
    entry: { principalArn, type: 'STANDARD', groups: ['viewers'], tags: OWNER_TAG },
  },
  {
    cluster: ARN,
    do: 'update-access-entry',
    principalArn,
    before: {
      groups: ['viewers'],
      username: `arn:aws:sts::${ACCOUNT}:assumed-role/podrole-blue-orders/{{SessionName}}`,
    },
    after: { groups: ['readers', 'viewers'], username: 'orders' },
  },
  {
    cluster: ARN,
    do: 'associate-access-policy',
    principalArn,
    after: { policyArn: VIEW, namespaces: ['shop'] },
  },
]

describe('every action on the sandbox, whose IAM and EKS are 200 ms late', () => {
  test('is done once, is done when it is done, and is undone', async () => {
    for (const action of ACTIONS) {
      expect([action.do, await carryOut(port, action, PACE)]).toEqual([action.do, 'done'])
      expect([action.do, await carryOut(port, action, PACE)]).toEqual([action.do, 'there'])
    }
    const undone = ACTIONS.toReversed().flatMap((action) => inverseOf(action))
    for (const action of undone) {
      expect([action.do, await carryOut(port, action, PACE)]).toEqual([action.do, 'done'])
      expect([action.do, await carryOut(port, action, PACE)]).toEqual([action.do, 'there'])
    }
    expect(await kube.get(NAMESPACES, { name: 'shop' }).catch(codeOf)).toBe('NotFound')
  }, 90_000)
})

test('a provider that is deleted comes back with its thumbprints', async () => {
  const arn = `arn:aws:iam::${ACCOUNT}:oidc-provider/red.issuer.sandbox/clusters/red`
  const thumbprints = ['b'.repeat(40), 'a'.repeat(40)]
  const made = { arn, clientIds: ['sts.amazonaws.com'], tags: OWNER_TAG, thumbprints }
  await carryOut(port, { do: 'create-provider', provider: made }, PACE)
  const { provider } = (await port.look({ do: 'create-provider', provider: made })).found
  if (provider === undefined) throw new Error('no provider')
  const remove = { do: 'delete-provider', provider } as const
  expect(await carryOut(port, remove, PACE)).toBe('done')
  for (const action of inverseOf(remove)) expect(await carryOut(port, action, PACE)).toBe('done')
  const { found } = await port.look(remove)
  expect(found.provider?.thumbprints?.toSorted()).toEqual(thumbprints.toSorted())
  await carryOut(port, remove, PACE)
}, 30_000)

test('add-ons are waited for, and associations, trust and tags changed', async () => {
  const arn = 'arn:aws:iam::111122223333:role/changed'
  const made = { ...role, name: 'changed', arn, tags: OWNER_TAG }
  await carryOut(port, { do: 'create-role', role: made }, PACE)
  const after = role.trustPolicy.replace('}]', ',"Sid":"Pods"}]')
  const change = { do: 'put-trust', role: 'changed', phase: 'admit' } as const
  expect(await carryOut(port, { ...change, before: role.trustPolicy, after }, PACE)).toBe('done')
  const version = 'v1.3.8-eksbuild.2'
  const addon = { name: ADDON, settings: { version, associations: [] }, tags: OWNER_TAG }
  const create = { cluster: ARN, do: 'create-addon', addon } as const
  expect(await carryOut(port, create, PACE)).toBe('done')
  expect(await carryOut(port, create, PACE)).toBe('there')
  const association = {
    serviceAccount: { namespace: 'default', name: 'one' },
    settings: { ...settings, roleArn: arn },
    tags: {},
  }
  await carryOut(port, { cluster: ARN, do: 'create-association', association }, PACE)
  const seen = await port.look({ cluster: ARN, do: 'delete-association', association })
  const found = seen.found.association
  expect(found?.arn).toStartWith('arn:aws:eks:')
  const update = {
    cluster: ARN,
    do: 'update-association',
    serviceAccount: association.serviceAccount,
    associationId: found?.associationId ?? '',
    before: association.settings,
    after: { ...association.settings, disableSessionTags: true },
  } as const
  expect(await carryOut(port, update, PACE)).toBe('done')
  const tag = {
    cluster: ARN,
    do: 'tag-resource',
    arn: found?.arn ?? '',
    what: 'association',
    before: {},
    after: { team: 'shop' },
  } as const
  expect(await carryOut(port, tag, PACE)).toBe('done')
  expect(await carryOut(port, tag, PACE)).toBe('there')
  expect(await carryOut(port, { ...create, do: 'delete-addon' }, PACE)).toBe('done')
}, 60_000)

test('an entry of nodes gets other groups under the name that EKS gave it', async () => {
  const arn = `arn:aws:iam::${ACCOUNT}:role/nodes`
  const made = { ...role, name: 'nodes', arn, tags: {} }
  await carryOut(port, { do: 'create-role', role: made }, PACE)
  const entry = { principalArn: arn, type: 'EC2', tags: {}, groups: ['a'] }
  const create = { cluster: ARN, do: 'create-access-entry', entry } as const
  expect(await carryOut(port, create, PACE)).toBe('done')
  const { found } = await port.look(create)
  const before = { groups: ['a'], username: found.entry?.username ?? '' }
  expect(before.username).toStartWith('system:node:')
  const change = { cluster: ARN, do: 'update-access-entry', principalArn: arn, before } as const
  const after = { ...before, groups: ['b'] }
  expect(await carryOut(port, { ...change, after }, PACE)).toBe('done')
}, 60_000)

test('what somebody changed meanwhile is refused; the rest of a service account stays', async () => {
  const metadata = { namespace: 'default', name: 'theirs', labels: { theirs: '1' } }
  await kube.create(SERVICE_ACCOUNTS, {
    metadata,
    imagePullSecrets: [{ name: 'registry' }],
    secrets: [{ name: 'old' }],
    automountServiceAccountToken: false,
  } as ServiceAccount)
  const patch = {
    cluster: ARN,
    do: 'patch-service-account',
    serviceAccount: { namespace: 'default', name: 'theirs' },
    before: { labels: {}, annotations: { note: null } },
    after: { labels: {}, annotations: { note: 'x' } },
  } as const
  const stale = await port.look(patch)
  expect(await carryOut(port, patch, PACE)).toBe('done')
  expect(await kube.get(SERVICE_ACCOUNTS, patch.serviceAccount)).toMatchObject({
    metadata: { labels: { theirs: '1' }, annotations: { note: 'x' } },
    imagePullSecrets: [{ name: 'registry' }],
    secrets: [{ name: 'old' }],
    automountServiceAccountToken: false,
  })
  expect(await port.act(patch, stale).catch(codeOf)).toBe('Conflict')
  const other = { ...patch, after: { labels: {}, annotations: { note: 'y' } } }
  expect(await carryOut(port, other, IMPATIENT).catch(codeOf)).toBe('ChangedMeanwhile')
  const theirs = { ...role, name: 'theirs', arn: `arn:aws:iam::${ACCOUNT}:role/theirs`, tags: {} }
  await carryOut(port, { do: 'create-role', role: theirs }, PACE)
  const mine = { ...theirs, tags: OWNER_TAG }
  expect(await carryOut(port, { do: 'create-role', role: mine }, IMPATIENT).catch(codeOf)).toBe(
    'ChangedMeanwhile',
  )
  const before = trust('lambda.amazonaws.com')
  const put = { do: 'put-trust', role: 'theirs', phase: 'trim', before, after: before } as const
  const after = trust('ec2.amazonaws.com')
  expect(await carryOut(port, { ...put, after }, IMPATIENT).catch(codeOf)).toBe('ChangedMeanwhile')
}, 60_000)

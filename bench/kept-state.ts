/** A state of some size on disk: roles, and clusters with service accounts, all made by their APIs. */
import { signRequest } from '../src/aws/sign.ts'
import { SERVICE_ACCOUNTS } from '../src/kube/client.ts'
import { systemClock } from '../src/lib/clock.ts'
import { type Sandbox, startSandbox } from '../src/sandbox/sandbox.ts'
import { ACCOUNT, REGION } from './fixtures.ts'
import { droppingLog } from './measure.ts'

export interface KeptSize {
  readonly roles: number
  readonly clusters: number
  /** Of all clusters together. */
  readonly serviceAccounts: number
}

/** Makes it in a folder that is not there yet; some seconds. */
export async function makeKeptState(folder: string, size: KeptSize): Promise<void> {
  const clusters = Array.from({ length: size.clusters }, (_, number) => `cluster-${number}`)
  const sandbox = await startSandbox({
    port: 0,
    accountIds: [ACCOUNT],
    region: REGION,
    clusters: clusters.map((name) => ({ name, region: REGION, kind: 'eks', nodes: 1 })),
    stateFolder: folder,
    resolve: [],
    trustCas: [],
    images: { find: () => ({ missing: 'no pod runs here' }) },
    network: 'loopback',
    clock: systemClock,
    log: droppingLog,
  })
  try {
    sandbox.aws.setQuota({ name: 'roles', accountId: '*', value: 10_000 })
    for (let number = 0; number < size.roles; number += 1) await makeRole(sandbox, number)
    for (let number = 0; number < size.serviceAccounts; number += 1) {
      const { client } = sandbox.clusters.get(clusters[number % clusters.length] ?? '') ?? {}
      const name = `worker-${number}`
      const role = `arn:aws:iam::${ACCOUNT}:role/role-${number % size.roles}`
      const annotations = { 'eks.amazonaws.com/role-arn': role }
      await client?.create(SERVICE_ACCOUNTS, {
        metadata: { namespace: 'default', name, annotations },
      })
    }
  } finally {
    await sandbox.stop()
  }
}

const TRUST = JSON.stringify({
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Principal: { Service: 'pods.eks.amazonaws.com' },
      Action: ['sts:AssumeRole', 'sts:TagSession'],
    },
  ],
})

async function makeRole(sandbox: Sandbox, number: number): Promise<void> {
  const body = new URLSearchParams({
    Action: 'CreateRole',
    Version: '2010-05-08',
    RoleName: `role-${number}`,
    AssumeRolePolicyDocument: TRUST,
    'Tags.member.1.Key': 'team',
    'Tags.member.1.Value': `team-${number % 50}`,
  }).toString()
  const url = `${sandbox.endpoint}/`
  const headers = await signRequest(
    {
      method: 'POST',
      url,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body,
    },
    sandbox.aws.adminCredentials(),
    { service: 'iam', region: REGION, clock: systemClock },
  )
  const response = await fetch(url, { method: 'POST', headers, body, proxy: false })
  const text = await response.text()
  if (!response.ok) throw new Error(`CreateRole: ${response.status} ${text.slice(0, 500)}`)
}

import { CreateRoleCommand } from '@aws-sdk/client-iam'
import { createAssociationCalls } from '../../aws/association-calls.ts'
import { openAccount } from '../../aws/account.ts'
import {
  admin,
  clock,
  handle,
  resetBroker,
  REGION as BROKER_REGION,
  role,
} from '../../broker/broker.suite.ts'
import { serveHttp } from '../../lib/serve.ts'
import {
  ACCOUNT,
  CLUSTER,
  REGION,
  startAwsFixture,
  trustOf,
} from '../../sandbox/aws/aws-fixture.suite.ts'
import { describeAssociationPort } from './association-port.suite.ts'
import { brokerAssociations } from './broker-associations.ts'
import { eksAssociations } from './eks-associations.ts'
import { openEks } from './eks-client.ts'

const elsewhere = 'arn:aws:iam::444455556666:role/target'

describeAssociationPort('EKS', async () => {
  const fixture = await startAwsFixture()
  const { admin: credentials, endpoint } = fixture
  const { iam } = fixture.clients(credentials)
  for (const RoleName of ['one', 'other']) {
    const trust = trustOf({ Service: 'pods.eks.amazonaws.com' }, [
      'sts:AssumeRole',
      'sts:TagSession',
    ])
    await iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: trust }))
  }
  const eks = await openEks(await openAccount({ endpoint, region: REGION, credentials }))
  return {
    port: eksAssociations(eks, CLUSTER),
    nowhere: eksAssociations(eks, 'nobody'),
    roles: [`arn:aws:iam::${ACCOUNT}:role/one`, `arn:aws:iam::${ACCOUNT}:role/other`],
    elsewhere,
    stop: () => fixture.stop(),
  }
})

describeAssociationPort('a broker', async () => {
  await resetBroker()
  const server = serveHttp({ hostname: '127.0.0.1', port: 0, handler: handle })
  const calls = createAssociationCalls({
    endpoint: server.url,
    region: BROKER_REGION,
    credentials: () => Promise.resolve(admin),
    clock,
  })
  const broker = server.url
  return {
    port: brokerAssociations(calls, { clusterName: 'edge', broker }),
    nowhere: brokerAssociations(calls, { clusterName: 'nobody', broker }),
    roles: [role, 'arn:aws:iam::111122223333:role/other'],
    elsewhere,
    stop: () => server.stop(100),
  }
})

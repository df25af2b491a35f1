import { describe, expect, test } from 'bun:test'
import type { DesiredCluster } from '../desired/desired-state.ts'
import { readDesired } from '../desired/read-desired.ts'
import { ACCOUNT, emptyState } from './in-memory.suite.ts'
import { makePlan } from './make-plan.ts'
import type { ObservedState, PlanAssociation } from './observed-state.ts'

const ARN = `arn:aws:iam::${ACCOUNT}:role/orders`
const read = (tags = ''): readonly DesiredCluster[] =>
  readDesired(
    [
      {
        name: 'cluster.yaml',
        text: `iam: { podIdentityAssociations: [{ namespace: shop, serviceAccountName: orders, roleARN: "${ARN}"${tags} }] }`,
      },
    ],
    { cluster: 'shop', region: 'eu-central-1' },
  ).clusters

/** An association of a role that trusts EKS Pod Identity under that condition. */
function stateOf(condition: object, tags: PlanAssociation['tags']): ObservedState {
  const empty = emptyState('shop')
  const trust = {
    Effect: 'Allow',
    Principal: { Service: 'pods.eks.amazonaws.com' },
    Action: ['sts:AssumeRole', 'sts:TagSession'],
    Condition: condition,
  }
  const association = {
    serviceAccount: { namespace: 'shop', name: 'orders' },
    associationId: 'a-1',
    arn: 'arn:aws:eks:eu-central-1:111122223333:podidentityassociation/shop/a-1',
    settings: { roleArn: ARN, disableSessionTags: false },
    tags,
  }
  const role = {
    name: 'orders',
    arn: ARN,
    trustPolicy: JSON.stringify({ Version: '2012-10-17', Statement: [trust] }),
    tags: {},
    policyArns: [],
    inline: {},
  }
  const clusters = empty.clusters.map((one) => ({ ...one, associations: [association] }))
  return { ...empty, roles: [role], clusters }
}

const ADOPT = { adopt: true, force: false }
const ADDRESS = { IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } }

describe("a condition of a role's maker that AWS alone can judge", () => {
  test('is left as it is, and told', () => {
    const plan = makePlan(read(), stateOf(ADDRESS, {}))
    expect(plan).toMatchObject({ steps: [], refusals: [] })
    const told = plan.remarks.find(({ code }) => code === 'trust')?.text
    expect(told).toContain('lets in shop/orders where its conditions on aws:SourceIp hold')
  })

  test('is not gone around by a statement beside it', () => {
    const { steps } = makePlan(read(), stateOf(ADDRESS, {}), ADOPT)
    expect(steps.filter(({ action }) => action.do === 'put-trust')).toEqual([])
  })

  test('is another thing than one that keeps the service account out', () => {
    const other = { StringEquals: { 'aws:RequestTag/kubernetes-namespace': 'ops' } }
    const { refusals } = makePlan(read(), stateOf(other, {}))
    expect(refusals.map(({ code }) => code)).toEqual(['RoleNotTrusting'])
  })
})

describe('what a single command made', () => {
  const made = { 'podrole.dev/managed-by': 'podrole', team: 'a' }
  const does = (tags: string, options?: typeof ADOPT): readonly string[] =>
    makePlan(read(tags), stateOf({}, made), options).steps.map(({ action }) => action.do)

  test('stays without a mark where a file names it as it is', () => {
    expect(does(', tags: { team: a }')).toEqual([])
  })

  test("is the file's where the file changes or adopts it", () => {
    expect(does(', tags: { team: b }')).toEqual(['tag-resource'])
    expect(does(', tags: { team: a }', ADOPT)).toEqual(['tag-resource'])
  })
})

import { describe, expect, test } from 'bun:test'
import type { Association } from '../associations/association.ts'
import type { ServiceAccountIdentity } from '../token/claims.ts'
import { type Agent, decideFleetToken } from './decision.ts'
import { durationSecondsOf, fleetClaims, sessionNameOf } from './fleet-token.ts'
import type { KeyScope } from './store.ts'
import data from './testdata/decisions.json'

const association: Association = {
  associationId: 'a-00000000000000001',
  associationArn: 'arn:aws:podrole:eu-west-1:111122223333:podidentityassociation/edge/a-1',
  clusterName: 'edge',
  namespace: 'shop',
  serviceAccount: 'worker',
  roleArn: 'arn:aws:iam::111122223333:role/worker',
  disableSessionTags: false,
  tags: {},
  createdAtMs: 0,
  modifiedAtMs: 0,
}

interface Case {
  readonly name: string
  readonly pod?: object | null
  readonly agentToken?: object
  readonly key?: KeyScope
  readonly association?: object | null
  readonly outcome: string
  readonly words?: readonly string[]
}

/** The base with the case's changes; a null takes a member away. */
function changed<T extends object>(base: T, change: object | null | undefined): T | undefined {
  if (change === null) return undefined
  const entries = Object.entries({ ...base, ...change }).filter(([, value]) => value !== null)
  return Object.fromEntries(entries) as T
}

describe('who gets a fleet token', () => {
  for (const one of data.cases as readonly Case[]) {
    test(one.name, () => {
      const identity = changed<ServiceAccountIdentity>(data.agentToken, one.agentToken)!
      const agent: Agent =
        one.key === undefined
          ? { kind: 'token', identity }
          : { kind: 'key', accessKeyId: 'PRBKX', scope: one.key }
      const verdict = decideFleetToken({
        clusterName: 'edge',
        agent,
        pod: changed<ServiceAccountIdentity>(data.pod, one.pod),
        association: changed(association, one.association),
      })
      if (verdict.granted) {
        expect(one.outcome).toBe('granted')
        expect(verdict.pod).toMatchObject({ namespace: 'shop', serviceAccount: 'worker' })
        return
      }
      expect(verdict.code).toBe(one.outcome as typeof verdict.code)
      for (const words of one.words ?? []) expect(verdict.message).toContain(words)
    })
  }
})

describe('the fleet token', () => {
  const input = {
    issuer: 'https://fleet.example',
    clusterName: 'edge',
    clusterArn: 'arn:aws:podrole:eu-west-1:111122223333:cluster/edge',
    pod: { namespace: 'shop', serviceAccount: 'worker', podName: 'worker-1', podUid: 'pod-1' },
    association,
    nowSeconds: 1000,
    tokenId: 'id-1',
  }

  test('holds exactly what STS needs', () => {
    expect(fleetClaims(input)).toEqual({
      iss: 'https://fleet.example',
      aud: 'sts.amazonaws.com',
      sub: 'cluster:edge:system:serviceaccount:shop:worker',
      iat: 1000,
      nbf: 1000,
      exp: 1060,
      jti: 'id-1',
      'https://aws.amazon.com/roles': ['arn:aws:iam::111122223333:role/worker'],
      'https://aws.amazon.com/tags': {
        principal_tags: {
          'eks-cluster-arn': ['arn:aws:podrole:eu-west-1:111122223333:cluster/edge'],
          'eks-cluster-name': ['edge'],
          'kubernetes-namespace': ['shop'],
          'kubernetes-service-account': ['worker'],
          'kubernetes-pod-name': ['worker-1'],
          'kubernetes-pod-uid': ['pod-1'],
        },
        transitive_tag_keys: [
          'eks-cluster-arn',
          'eks-cluster-name',
          'kubernetes-namespace',
          'kubernetes-service-account',
          'kubernetes-pod-name',
          'kubernetes-pod-uid',
        ],
      },
    })
  })

  test('has no tags where the association turns them off, and still one role', () => {
    const claims = fleetClaims({
      ...input,
      association: { ...association, disableSessionTags: true },
    })
    expect(claims['https://aws.amazon.com/tags']).toBeUndefined()
    expect(claims['https://aws.amazon.com/roles']).toEqual([association.roleArn])
  })

  test('session names are at most 64 characters and tell cluster and pod', () => {
    const uuid = '5af5e7ac-5754-49ea-b28f-2c2a2eb95fbb'
    expect(sessionNameOf('edge', 'worker-1', uuid)).toBe(`podrole-edge-worker-1-${uuid}`)
    const long = sessionNameOf('c'.repeat(100), 'p'.repeat(253), uuid)
    expect(long).toHaveLength(64)
    expect(long.endsWith(uuid)).toBe(true)
    expect(long).toMatch(/^[\w+=,.@-]{2,64}$/)
  })

  test('sessions are as long as the association says, within what STS takes', () => {
    const withTag = (value: string): Association => ({
      ...association,
      tags: { 'podrole:session-seconds': value },
    })
    expect(durationSecondsOf(association)).toBe(3600)
    expect(durationSecondsOf(association, 7200)).toBe(7200)
    expect(durationSecondsOf(withTag('21600'))).toBe(21_600)
    expect(durationSecondsOf(withTag('100'))).toBe(900)
    expect(durationSecondsOf(withTag('99999'))).toBe(43_200)
    expect(durationSecondsOf(withTag('6h'))).toBe(3600)
    const target = 'arn:aws:iam::444455556666:role/b'
    expect(durationSecondsOf({ ...withTag('21600'), targetRoleArn: target })).toBe(900)
  })
})

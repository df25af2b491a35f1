import { describe, expect, test } from 'bun:test'
import { applyMergePatch } from '../../kube/merge-patch.ts'
import { NOWHERE, readCases } from './cases.suite.ts'
import { known, unknown, valueOf } from '../facts/fact.ts'
import type { WorkloadFacts } from '../facts/workload-facts.ts'
import { explain, type Explanation } from './explain.ts'
import { factsOf } from './facts.suite.ts'

const CASES = readCases()

const told = ({ cause, links, sentence, verdict }: Explanation): object => ({
  verdict,
  ...(cause === undefined ? { sentence } : { cause: cause.reason, fix: cause.fix.kind }),
  warnings: links.flatMap((link) => (link.status === 'ok' ? link.warnings : [])),
})

const fine = {
  verdict: 'ok',
  sentence: expect.stringMatching(/gets arn:aws[a-z-]*:iam::/),
  warnings: [],
}

describe('every case, over facts', () => {
  for (const one of CASES) {
    const { expect: expected, id, name, open, says = '' } = one
    test(`${id}: ${name}`, () => {
      const { after, before, repaired } = one.at(NOWHERE)
      const found = explain(factsOf(one, before, after, NOWHERE))
      if (open !== undefined) {
        expect(told(found)).toMatchObject({ verdict: 'open' })
        expect(found.sentence).toContain(open)
        return
      }
      if (expected === undefined) {
        expect(told(found)).toEqual(fine)
        return
      }
      expect(told(found)).toMatchObject({ verdict: 'broken', ...expected })
      expect(found.sentence).toContain(says)
      if (expected.fix !== 'outside') return
      expect(told(explain(factsOf(one, repaired, repaired, NOWHERE)))).toEqual(fine)
    })
  }
})

test('a target role of an account whose credentials are not given is not known, and no cause', () => {
  const [one] = CASES.filter(({ id }) => id === 'pod-identity-works-target-elsewhere')
  if (one === undefined) throw new Error('no case')
  const { after } = one.at(NOWHERE)
  const why = 'it is in another account: give credentials of it with --role-profile'
  const facts = { ...factsOf(one, after, after, NOWHERE), targetRole: unknown(why) }
  const { sentence, verdict } = explain(facts)
  expect(verdict).toBe('open')
  expect(sentence).toContain(why)
})

describe('a token file that the kubelet does not fill', () => {
  const [one] = CASES.filter(({ id }) => id === 'token-many-audiences')
  if (one === undefined) throw new Error('no case')
  const found = (change: object): Explanation => {
    const setUp = applyMergePatch(one.at(NOWHERE).repaired, change)
    return explain(factsOf(one, setUp, setUp, NOWHERE))
  }

  test('is not known, and no cause, until its token is given', () => {
    const { sentence, verdict } = found({ token: null })
    expect({ verdict, sentence }).toEqual({
      verdict: 'open',
      sentence: expect.stringContaining('the token in volume by-hand'),
    })
  })

  test.each([
    ['its mount is of the file alone', '/var/run/by-hand/token', 'ok'],
    ['its mount is another folder', '/var/run/by', 'broken'],
  ])('%s', (_name, mountPath, verdict) => {
    const volumeMounts = [{ name: 'by-hand', mountPath, subPath: 'token' }]
    expect(found({ pod: { volumeMounts } }).verdict).toBe(verdict as Explanation['verdict'])
  })

  test('another volume hides it', () => {
    const volumes = [
      { name: 'by-hand', secret: { secretName: 'token' } },
      { name: 'own', projected: { sources: [{ serviceAccountToken: { path: 'other' } }] } },
    ]
    const volumeMounts = [
      { name: 'by-hand', mountPath: '/var/run' },
      { name: 'own', mountPath: '/var/run/by-hand' },
    ]
    expect(found({ pod: { volumes, volumeMounts } }).cause?.reason).toBe('token-not-mounted')
  })
})

test('a queue of another account is not known: its policy is not read', () => {
  const [one] = CASES.filter(({ id }) => id === 'irsa-works')
  if (one === undefined) throw new Error('no case')
  const Statement = [{ Effect: 'Allow', Action: 'sqs:*', Resource: '*' }]
  const setUp = applyMergePatch(one.at(NOWHERE).after, {
    role: { inline: { read: { Statement } } },
  })
  const { question, ...facts } = factsOf(one, setUp, setUp, NOWHERE)
  if (question === undefined) throw new Error('nothing is asked')
  const resource = `arn:aws:sqs:us-east-1:${NOWHERE['other-account']}:orders`
  const asked = { ...question, action: 'sqs:SendMessage', resource }
  const { sentence, verdict } = explain({ ...facts, question: asked })
  expect(verdict).toBe('open')
  expect(sentence).toContain(`${resource} is of account ${NOWHERE['other-account']}`)
})

describe('what only the request has leaves it open, and is no cause', () => {
  const found = (set: object): Explanation => {
    const [one] = CASES.filter(({ id }) => id === 'irsa-works')
    if (one === undefined) throw new Error('no case')
    const setUp = applyMergePatch(one.at(NOWHERE).after, set)
    return explain(factsOf(one, setUp, setUp, NOWHERE))
  }
  const NOT_HERE = { NotIpAddress: { 'aws:SourceIp': '203.0.113.0/24' } }

  test('a Deny of the trust policy by address', () => {
    const deny = { Effect: 'Deny', Principal: '*', Action: 'sts:*', Condition: NOT_HERE }
    const [one] = CASES.filter(({ id }) => id === 'irsa-works')
    const own = one?.at(NOWHERE).after.role?.trust.Statement ?? []
    const told = found({ role: { trust: { Statement: [...own, deny] } } })
    expect(told.verdict).toBe('open')
    expect(told.sentence).toContain('aws:SourceIp')
  })

  test.each([
    [
      'a Deny by address',
      [
        { Effect: 'Allow', Action: 's3:*', Resource: '*' },
        { Effect: 'Deny', Action: 's3:*', Resource: '*', Condition: NOT_HERE },
      ],
    ],
    [
      'an Allow by address',
      [
        {
          Effect: 'Allow',
          Action: 's3:*',
          Resource: '*',
          Condition: { IpAddress: { 'aws:SourceIp': '203.0.113.0/24' } },
        },
      ],
    ],
  ])('%s in a permission policy', (_name, Statement) => {
    const told = found({ role: { inline: { read: { Statement } } } })
    expect(told.verdict).toBe('open')
    expect(told.sentence).toContain('aws:SourceIp')
  })
})

describe('network policies', () => {
  const deny = { policyTypes: ['Egress'], name: 'deny' }
  const factsWith = (change: Partial<WorkloadFacts>): WorkloadFacts => {
    const [one] = CASES.filter(({ id }) => id === 'pod-identity-works')
    if (one === undefined) throw new Error('no case')
    const { after } = one.at(NOWHERE)
    return { ...factsOf(one, after, after, NOWHERE), ...change }
  }

  test.each([
    ['nothing is seen that enforces them', undefined],
    ['what does is not known to hold a pod from its own node', 'antrea'],
  ] as const)('that leave the agent out are a warning where %s', (_name, enforcer) => {
    const found = explain(
      factsWith({ networkPolicies: known([deny]), policyEnforcer: known(enforcer) }),
    )
    expect(told(found)).toMatchObject({
      verdict: 'ok',
      warnings: [expect.stringMatching(/^network policy deny has no rule for the agent/)],
    })
  })

  test('whose rule is a block are a warning with Cilium, which has other names for its node', () => {
    const egress = [{ to: [{ ipBlock: { cidr: '169.254.170.23/32' } }] }]
    const networkPolicies = known([{ name: 'agent', egress }])
    const found = explain(factsWith({ networkPolicies, policyEnforcer: known('cilium') }))
    expect(told(found)).toMatchObject({
      verdict: 'ok',
      warnings: [expect.stringContaining('toEntities: [host]')],
    })
  })

  test('that cannot be read are not known', () => {
    const { sentence, verdict } = explain(factsWith({ networkPolicies: unknown('forbidden') }))
    expect(verdict).toBe('open')
    expect(sentence).toContain('network policies cannot be read: forbidden')
  })

  const blocked = CASES.filter(({ expect: told }) => told?.cause.startsWith('network-policy-'))
  test.each(blocked.map((one) => [one.id, one] as const))(
    '%s: the policy that is printed opens the way',
    (id, one) => {
      const { after } = one.at(NOWHERE)
      const facts = factsOf(one, after, after, NOWHERE)
      const added = printedPolicy(explain(facts))
      if (id.endsWith('-cilium')) {
        expect(added).toMatchObject({
          kind: 'CiliumNetworkPolicy',
          spec: { endpointSelector: {}, egress: [{ toEntities: ['host'] }] },
        })
        return
      }
      const policies = [...(valueOf(facts.networkPolicies) ?? []), { name: 'added', ...added.spec }]
      expect(told(explain({ ...facts, networkPolicies: known(policies) }))).toEqual(fine)
    },
  )
})

test.each([
  ['irsa-private-authority', /^podrole issuer provider create .* --thumbprint [0-9a-f]{40}$/],
  // A provider has room for five.
  [
    'broker-private-authority',
    /^aws iam update-open-id-connect-provider-thumbprint .* --thumbprint-list [0-9a-f]{40}$/,
  ],
])('%s: the thumbprint is given to the provider', (id, wanted) => {
  const [one] = CASES.filter((other) => other.id === id)
  if (one === undefined) throw new Error('no case')
  const { after } = one.at(NOWHERE)
  const { cause } = explain(factsOf(one, after, after, NOWHERE))
  expect(cause?.fix).toMatchObject({ commands: [expect.stringMatching(wanted)] })
})

function printedPolicy({ cause }: Explanation): { kind: string; spec: object } {
  if (cause?.fix.kind !== 'commands') throw new Error('no commands')
  const [, text = ''] =
    /^printf %s '(.*)' \| kubectl apply -f -$/.exec(cause.fix.commands[0] ?? '') ?? []
  return JSON.parse(text) as { kind: string; spec: object }
}

import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import {
  ASSOCIATION_ID_PATTERN,
  associationArnOf,
  deriveAssociationId,
  externalIdOf,
  generateAssociationId,
  readClusterArn,
} from './identifiers.ts'
import { type AssociationRequest, validateAssociationRequest } from './rules.ts'
import data from './testdata/requests.json'

const runs = (count: number): number =>
  Math.ceil(count * Number(process.env['PODROLE_TEST_SCALE'] ?? 1))

/** `{63 x a}` stands for 63 times `a`. */
const expand = (text: string): string =>
  text.replace(/^\{(\d+) x (.)\}$/, (_all, count: string, one: string) => one.repeat(Number(count)))

function expandAll(value: unknown): unknown {
  if (typeof value === 'string') return expand(value)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, expandAll(one)]))
}

describe('the rules of an association', () => {
  for (const { name, change, faults } of data.cases) {
    test(name, () => {
      const request = expandAll({ ...data.good, ...change }) as AssociationRequest
      const found = validateAssociationRequest(request, data.place)
      expect(found.map((fault) => fault.field).sort()).toEqual(
        Object.keys(faults).sort() as (keyof AssociationRequest)[],
      )
      for (const fault of found) {
        expect(fault.message).toContain((faults as Record<string, string>)[fault.field] ?? '?')
        expect(fault.message.length).toBeLessThan(600)
      }
    })
  }

  test('50 tags are good and 51 are not', () => {
    const tags = (count: number): Record<string, string> =>
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, 'v']))
    expect(validateAssociationRequest({ ...data.good, tags: tags(50) }, data.place)).toEqual([])
    expect(validateAssociationRequest({ ...data.good, tags: tags(51) }, data.place)).toHaveLength(1)
  })

  test('on a broker the role may be in any account', () => {
    const roleArn = 'arn:aws:iam::999900001111:role/x'
    expect(validateAssociationRequest({ ...data.good, roleArn }, { partition: 'aws' })).toEqual([])
  })

  test('whatever the strings are, the answer is a list of faults', () => {
    const anything = fc.string({ unit: 'binary', maxLength: 300 })
    fc.assert(
      fc.property(
        fc.record({
          clusterName: anything,
          namespace: anything,
          serviceAccount: anything,
          roleArn: anything,
          policy: anything,
          disableSessionTags: fc.boolean(),
          tags: fc.dictionary(anything, anything, { maxKeys: 5 }),
        }),
        (request) => {
          expect(validateAssociationRequest(request, data.place).length).toBeGreaterThan(0)
        },
      ),
      { numRuns: runs(300) },
    )
  })
})

describe('identifiers', () => {
  test('ids have the form of the EKS API and do not repeat', () => {
    const ids = Array.from({ length: 1000 }, generateAssociationId)
    for (const id of ids) expect(id).toMatch(ASSOCIATION_ID_PATTERN)
    expect(new Set(ids).size).toBe(1000)
    const letters = new Set(ids.flatMap((id) => id.slice(2).split('')))
    expect(letters.size).toBe(36)
  })

  test('a derived id is the same for the same request and another for any other', () => {
    const id = deriveAssociationId(['arn', 'token', 'values'])
    expect(id).toMatch(ASSOCIATION_ID_PATTERN)
    expect(deriveAssociationId(['arn', 'token', 'values'])).toBe(id)
    expect(deriveAssociationId(['arn', 'tokenv', 'alues'])).not.toBe(id)
    expect(deriveAssociationId(['arn', 'token'])).not.toBe(id)
  })

  test('ARNs and external ids follow the cluster', () => {
    const eks = readClusterArn('arn:aws-cn:eks:cn-north-1:111122223333:cluster/prod')
    const fleet = readClusterArn('arn:aws:podrole:eu-west-1:111122223333:cluster/edge')
    expect(associationArnOf(eks!, 'a-1')).toBe(
      'arn:aws-cn:eks:cn-north-1:111122223333:podidentityassociation/prod/a-1',
    )
    expect(associationArnOf(fleet!, 'a-1')).toBe(
      'arn:aws:podrole:eu-west-1:111122223333:podidentityassociation/edge/a-1',
    )
    const key = { clusterName: 'prod', namespace: 'shop', serviceAccount: 'worker' }
    expect(externalIdOf(eks!, key)).toBe('cn-north-1/111122223333/prod/shop/worker')
    for (const wrong of ['', 'arn:aws:s3:::x', 'arn:aws:eks:r:1:cluster/x']) {
      expect(readClusterArn(wrong)).toBeUndefined()
    }
  })
})

/** The JSON Schema says of every document of testdata what reading it says of its shape. */
import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Glob } from 'bun'
import { z } from 'zod'
import { classifyDocument } from './classify.ts'
import { parseDocuments, type SourceDocument } from './documents.ts'
import { desiredJsonSchema } from './json-schema.ts'
import { DOCUMENT_SCHEMAS } from './schema.ts'

const TESTDATA = join(import.meta.dir, 'testdata')
const schema = z.fromJSONSchema(desiredJsonSchema() as z.core.JSONSchema.JSONSchema)

const casesOf = (folder: string): readonly SourceDocument[] =>
  parseDocuments(
    [...new Glob(`${folder}/*.yaml`).scanSync({ cwd: TESTDATA })].map((name) => ({
      name,
      text: readFileSync(join(TESTDATA, name), 'utf8'),
    })),
  ).documents

describe('the JSON Schema', () => {
  test('takes every document that is read', () => {
    const read = casesOf('read').filter(({ value }) => classifyDocument(value).kind !== 'others')
    expect(read.length).toBeGreaterThan(8)
    expect(read.filter(({ value }) => !schema.safeParse(value).success)).toEqual([])
  })

  test('refuses every document whose shape is wrong', () => {
    const wrong = casesOf('faults').filter(({ value }) => {
      const { kind } = classifyDocument(value)
      return (
        kind === 'fault' || (kind !== 'others' && !DOCUMENT_SCHEMAS[kind].safeParse(value).success)
      )
    })
    expect(wrong.length).toBeGreaterThan(10)
    expect(wrong.filter(({ value }) => schema.safeParse(value).success)).toEqual([])
  })

  test('knows the form of ARNs and of role names', () => {
    const association = (fields: object): object => ({
      iam: { podIdentityAssociations: [{ namespace: 'a', serviceAccountName: 'b', ...fields }] },
    })
    const takes = (fields: object): boolean => schema.safeParse(association(fields)).success
    expect(takes({ roleARN: 'arn:aws-cn:iam::111122223333:role/path/orders' })).toBe(true)
    expect(takes({ roleARN: 'orders' })).toBe(false)
    expect(takes({ permissionPolicyARNs: ['AmazonS3ReadOnlyAccess'] })).toBe(false)
    expect(takes({ roleName: 'arn:aws:iam::111122223333:role/orders' })).toBe(false)
  })
})

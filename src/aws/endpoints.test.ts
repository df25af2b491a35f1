import { expect, test } from 'bun:test'
import { codeOf, messageOf } from '../lib/errors.ts'
import { type AwsService, serviceEndpoint } from './endpoints.ts'
import cases from './testdata/endpoints.json'

test.each(cases)(
  '$service in $region with $environment',
  ({ service, region, environment, ...wanted }) => {
    let found: unknown
    try {
      found = serviceEndpoint(service as AwsService, region, environment ?? {})
    } catch (error) {
      expect(messageOf(error)).not.toContain('secret')
      expect(codeOf(error)).toBe(wanted.fault)
      return
    }
    expect(found).toBe(wanted.endpoint)
  },
)

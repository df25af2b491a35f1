import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { PodroleError } from '../lib/errors.ts'
import { formatArn, issuerHostPath, oidcProviderArn, parseArn, roleArn } from './arn.ts'
import { partitionById, partitionOfRegion } from './partitions.ts'

const SCALE = Number(process.env['PODROLE_TEST_SCALE'] ?? 1)
const numRuns = (runs: number): number => Math.ceil(runs * SCALE)

const codeThrownBy = (act: () => unknown): string => {
  try {
    act()
  } catch (error) {
    expect(error).toBeInstanceOf(PodroleError)
    return (error as PodroleError).code
  }
  return 'nothing was thrown'
}

describe('parseArn', () => {
  test('keeps colons of the resource', () => {
    expect(parseArn('arn:aws-cn:logs:cn-north-1:111122223333:log-group:a:b')).toEqual({
      partition: 'aws-cn',
      service: 'logs',
      region: 'cn-north-1',
      accountId: '111122223333',
      resource: 'log-group:a:b',
    })
  })

  test('formatArn gives the text back', () => {
    const part = fc.stringMatching(/^[a-z0-9-]{1,12}$/)
    const optional = fc.stringMatching(/^[a-z0-9-]{0,12}$/)
    fc.assert(
      fc.property(
        fc.record({
          partition: part,
          service: part,
          region: optional,
          accountId: optional,
          resource: fc.string({ minLength: 1, maxLength: 60 }),
        }),
        (arn) => {
          expect(parseArn(formatArn(arn))).toEqual(arn)
        },
      ),
      { numRuns: numRuns(300) },
    )
  })

  test.each([
    '',
    'arn',
    'arn:aws:s3:::',
    'arn:aws:s3::x',
    'ARN:aws:s3:::b',
    'arn::s3:::b',
    'arn:aws::::b',
    `arn:aws:s3:::${'b'.repeat(2048)}`,
    ':'.repeat(100_000),
  ])('refuses %p', (text) => {
    expect(codeThrownBy(() => parseArn(text))).toBe('InvalidArn')
  })
})

describe('roleArn', () => {
  const role = { partition: 'aws-us-gov', accountId: '111122223333', name: 'app' }

  test('with and without a path', () => {
    expect(roleArn(role)).toBe('arn:aws-us-gov:iam::111122223333:role/app')
    expect(roleArn({ ...role, path: '/team/a/' })).toBe(
      'arn:aws-us-gov:iam::111122223333:role/team/a/app',
    )
  })

  test.each([
    { ...role, accountId: '1' },
    { ...role, name: '' },
    { ...role, name: 'a/b' },
    { ...role, name: 'a'.repeat(65) },
    { ...role, path: 'team/' },
    { ...role, path: '/team' },
    { ...role, path: '' },
  ])('refuses %p', (input) => {
    expect(codeThrownBy(() => roleArn(input))).toBe('InvalidArn')
  })
})

describe('issuerHostPath', () => {
  test('keeps case, path and trailing slash', () => {
    expect(issuerHostPath('https://OIDC.eks.eu-west-1.amazonaws.com/id/ABC/')).toBe(
      'OIDC.eks.eu-west-1.amazonaws.com/id/ABC/',
    )
    expect(
      oidcProviderArn({
        partition: 'aws',
        accountId: '111122223333',
        issuer: 'https://issuer.example.com/one',
      }),
    ).toBe('arn:aws:iam::111122223333:oidc-provider/issuer.example.com/one')
  })

  test('takes 255 characters and not 256', () => {
    const url = (length: number): string => 'https://a.example/'.padEnd(length, 'x')
    expect(issuerHostPath(url(255))).toHaveLength(255 - 'https://'.length)
    expect(codeThrownBy(() => issuerHostPath(url(256)))).toBe('InvalidIssuerUrl')
  })

  test.each([
    'http://a.example',
    'HTTPS://a.example',
    'https://',
    'https:///x',
    'https://a.example:443/x',
    'https://a.example:8443',
    'https://a.example/x?y',
    'https://a.example/x#y',
    'https://user@a.example',
    'https://[::1]/x',
    'https://a.example/x y',
    'https://-a.example',
    '',
  ])('refuses %p', (url) => {
    expect(codeThrownBy(() => issuerHostPath(url))).toBe('InvalidIssuerUrl')
  })
})

describe('partitions', () => {
  test.each([
    ['eu-central-1', 'aws'],
    ['us-east-1', 'aws'],
    ['ap-southeast-7', 'aws'],
    ['mx-central-1', 'aws'],
    ['aws-global', 'aws'],
    ['cn-north-1', 'aws-cn'],
    ['aws-cn-global', 'aws-cn'],
    ['us-gov-west-1', 'aws-us-gov'],
    ['us-iso-east-1', 'aws-iso'],
    ['us-isob-east-1', 'aws-iso-b'],
    ['eu-isoe-west-1', 'aws-iso-e'],
    ['us-isof-south-1', 'aws-iso-f'],
    ['eusc-de-east-1', 'aws-eusc'],
  ])('%s is in %s', (region, id) => {
    expect(partitionOfRegion(region)).toEqual(partitionById(id))
    expect(partitionOfRegion(region).id).toBe(id)
  })

  test('endpoints', () => {
    expect(partitionById('aws-cn').dnsSuffix).toBe('amazonaws.com.cn')
    expect(partitionById('aws').dualStackDnsSuffix).toBe('api.aws')
  })

  test('refuses what is none', () => {
    expect(codeThrownBy(() => partitionOfRegion('mars'))).toBe('InvalidRegion')
    expect(codeThrownBy(() => partitionOfRegion('x-global'))).toBe('InvalidRegion')
    expect(codeThrownBy(() => partitionById('aws-mars'))).toBe('InvalidPartition')
  })
})

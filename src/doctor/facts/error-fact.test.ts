import { expect, test } from 'bun:test'
import { errorFact } from './error-fact.ts'

test.each([
  [
    'AccessDenied: User: arn:aws:sts::111122223333:assumed-role/node/i-0abc is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::shop/today.txt" because no identity-based policy allows the s3:GetObject action',
    {
      role: 'node',
      action: 's3:GetObject',
      resource: 'arn:aws:s3:::shop/today.txt',
      byOrganization: false,
    },
  ],
  [
    'User: arn:aws:sts::111122223333:assumed-role/orders/x is not authorized to perform: s3:PutObject on resource: arn:aws:s3:::shop/a with an explicit deny in a service control policy',
    {
      role: 'orders',
      action: 's3:PutObject',
      resource: 'arn:aws:s3:::shop/a',
      byOrganization: true,
    },
  ],
  [
    'An error occurred (InvalidIdentityToken) when calling the AssumeRoleWithWebIdentity operation: No OpenIDConnect provider found in your account for https://issuer.example.com/a',
    { issuer: 'https://issuer.example.com/a', byOrganization: false },
  ],
  [
    '"userAgent": "Boto3/1.26.30 Python/3.10", "errorMessage": "User: arn:aws:sts::111122223333:assumed-role/node/i-0abc is not authorized to perform: sts:GetCallerIdentity"',
    {
      role: 'node',
      action: 'sts:GetCallerIdentity',
      sdk: { name: 'boto3' as const, version: '1.26.30' },
      byOrganization: false,
    },
  ],
  ['Not authorized to perform sts:AssumeRoleWithWebIdentity', { byOrganization: false }],
])('%s', (text, fact) => {
  expect(errorFact(text)).toEqual(fact)
})

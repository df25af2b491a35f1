/** What the steps on IAM share. */
import type { IAM } from '@aws-sdk/client-iam'
import { present, sameJson } from './checks.ts'

/** Two inline policies that differ. */
export const READ_POLICY =
  '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}]}'
export const WRITE_POLICY =
  '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Put*","Resource":"*"}]}'

export interface IamSteps {
  readonly iam: IAM
  /** The ARN of a managed policy of the account's own. */
  readonly policy: string
}

/** Lets a service assume a role. */
export const trustOf = (Service: string, ...actions: readonly string[]): string =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: { Service },
        Action: actions.length === 0 ? ['sts:AssumeRole'] : actions,
      },
    ],
  })

/** Compares a policy as IAM answers it, URL-encoded, with what was written. */
export function sameDocument(what: string, found: string | undefined, wanted: string): void {
  sameJson(what, decodeURIComponent(present(found)), wanted)
}

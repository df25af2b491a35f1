import { IAM } from '@aws-sdk/client-iam'
import { SETTINGS } from './checks.ts'
import { accountSteps, providerSteps } from './iam-account.ts'
import type { IamSteps } from './iam-documents.ts'
import { groupSteps } from './iam-groups.ts'
import { deletePolicy, policySteps } from './iam-policies.ts'
import { instanceProfileSteps, roleSteps } from './iam-roles.ts'
import { userSteps } from './iam-users.ts'

export async function runIam(): Promise<void> {
  const iam = new IAM(SETTINGS)
  const steps: IamSteps = { iam, policy: await policySteps(iam) }
  await userSteps(steps)
  await groupSteps(steps)
  await roleSteps(steps)
  await instanceProfileSteps(iam)
  await providerSteps(iam)
  await accountSteps(iam)
  await deletePolicy(steps)
}

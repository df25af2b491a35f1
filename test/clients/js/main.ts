/**
 * What aws-sdk-js does to every resource of the sandbox's AWS, a line each. Services named as
 * arguments are all that it looks at.
 */
import { runSteps } from './checks.ts'
import { runCloudTrail } from './cloudtrail.ts'
import { runEc2 } from './ec2.ts'
import { runEks } from './eks.ts'
import { runIam } from './iam.ts'
import { runKms } from './kms.ts'
import { runQuotas } from './quotas.ts'
import { runS3 } from './s3.ts'
import { runSts } from './sts.ts'

const SERVICES = {
  iam: runIam,
  sts: runSts,
  eks: runEks,
  ec2: runEc2,
  'service-quotas': runQuotas,
  kms: runKms,
  cloudtrail: runCloudTrail,
  s3: runS3,
} as const

const only = process.argv.slice(2)
await runSteps(
  Object.entries(SERVICES).flatMap(([name, run]) =>
    only.length === 0 || only.includes(name) ? [run] : [],
  ),
)

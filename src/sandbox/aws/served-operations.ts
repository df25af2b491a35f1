/** What the sandbox's AWS serves, out of the tables that answer it. */
import { EC2_OPERATIONS } from './ec2/ec2.ts'
import { EKS_AUTH_ROUTES } from './eks-auth/assume-role.ts'
import { EKS_ROUTES } from './eks/eks.ts'
import { IAM_OPERATIONS } from './iam/iam.ts'
import { S3_OPERATION_NAMES } from './s3/s3.ts'
import { STS_OPERATIONS } from './sts/sts.ts'
import { TARGET_SERVICES } from './target-service.ts'

export interface ServedService {
  /** The name in a signature's scope: `servicequotas`. */
  readonly name: string
  readonly title: string
  readonly operations: readonly string[]
}

const targetOperations = (name: string): readonly string[] =>
  Object.keys(TARGET_SERVICES.find((service) => service.name === name)?.operations ?? {})

export const SERVED_SERVICES: readonly ServedService[] = [
  { name: 'sts', title: 'AWS STS', operations: Object.keys(STS_OPERATIONS) },
  { name: 'iam', title: 'IAM', operations: Object.keys(IAM_OPERATIONS) },
  { name: 'eks', title: 'Amazon EKS', operations: EKS_ROUTES.map(({ operation }) => operation) },
  {
    name: 'eks-auth',
    title: 'Amazon EKS Auth',
    operations: EKS_AUTH_ROUTES.map(({ operation }) => operation),
  },
  { name: 's3', title: 'Amazon S3', operations: S3_OPERATION_NAMES },
  { name: 'kms', title: 'AWS KMS', operations: targetOperations('kms') },
  {
    name: 'servicequotas',
    title: 'Service Quotas',
    operations: targetOperations('servicequotas'),
  },
  { name: 'cloudtrail', title: 'AWS CloudTrail', operations: targetOperations('cloudtrail') },
  { name: 'ec2', title: 'Amazon EC2', operations: Object.keys(EC2_OPERATIONS) },
]

/**
 * The node role of an EKS cluster's nodes and the credentials file that their agents read, as on
 * hybrid nodes: the sandbox has no instance metadata service.
 */
import {
  CreateRoleCommand,
  EntityAlreadyExistsException,
  GetRoleCommand,
  IAMClient,
  PutRolePolicyCommand,
} from '@aws-sdk/client-iam'
import { chmodSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { partitionOfRegion } from '../../iam/partitions.ts'
import type { Sandbox } from '../../sandbox/sandbox.ts'

const SESSION_SECONDS = 6 * 3600
const RENEW_MS = 3 * 3_600_000

/** Makes the node role of a cluster, where it is missing: EKS Auth's one action, for EC2. */
export async function createNodeRole(
  sandbox: Sandbox,
  clusterName: string,
  region: string,
): Promise<string> {
  const { accessKeyId, secretAccessKey } = sandbox.aws.adminCredentials()
  const iam = new IAMClient({
    region,
    endpoint: sandbox.endpoint,
    credentials: { accessKeyId, secretAccessKey: secretAccessKey.reveal() },
  })
  const name = `podrole-sandbox-node-${clusterName}`.slice(0, 64)
  const arn = await ensureRole(iam, name)
  await iam.send(
    new PutRolePolicyCommand({
      RoleName: name,
      PolicyName: 'pod-identity',
      PolicyDocument: policy({
        Action: 'eks-auth:AssumeRoleForPodIdentity',
        Resource: `arn:${partitionOfRegion(region).id}:eks:${region}:${sandbox.accountId}:cluster/${clusterName}`,
      }),
    }),
  )
  iam.destroy()
  return arn
}

async function ensureRole(iam: IAMClient, name: string): Promise<string> {
  try {
    const { Role } = await iam.send(
      new CreateRoleCommand({
        RoleName: name,
        AssumeRolePolicyDocument: policy({
          Principal: { Service: 'ec2.amazonaws.com' },
          Action: 'sts:AssumeRole',
        }),
        MaxSessionDuration: SESSION_SECONDS,
      }),
    )
    return Role?.Arn ?? ''
  } catch (error) {
    if (!(error instanceof EntityAlreadyExistsException)) throw error
    const { Role } = await iam.send(new GetRoleCommand({ RoleName: name }))
    return Role?.Arn ?? ''
  }
}

/** Writes the file and keeps it fresh; what it returns ends that. */
export function keepCredentialsFile(
  sandbox: Sandbox,
  node: { readonly roleArn: string; readonly name: string; readonly file: string },
): () => void {
  const write = (): void => {
    const session = sandbox.aws.issueServiceCredentials({
      roleArn: node.roleArn,
      service: 'ec2.amazonaws.com',
      sessionName: node.name,
      durationSeconds: SESSION_SECONDS,
    })
    const text = [
      '[default]',
      `aws_access_key_id = ${session.accessKeyId}`,
      `aws_secret_access_key = ${session.secretAccessKey.reveal()}`,
      `aws_session_token = ${session.sessionToken?.reveal() ?? ''}`,
      '',
    ].join('\n')
    mkdirSync(dirname(node.file), { recursive: true })
    const next = `${node.file}.next`
    // The agent reads it as whatever user it has; the folder above is the sandbox's alone.
    writeFileSync(next, text, { mode: 0o644 })
    chmodSync(next, 0o644)
    renameSync(next, node.file)
  }
  write()
  const timer = setInterval(write, RENEW_MS)
  timer.unref()
  return () => clearInterval(timer)
}

const policy = (statement: object): string =>
  JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', ...statement }] })

/**
 * The node role of an EKS cluster's nodes and the credentials file that their agents read, as on
 * hybrid nodes: the sandbox has no instance metadata service.
 */
import { chmodSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { partitionOfRegion } from '../../iam/partitions.ts'
import type { RunningCluster, Sandbox } from '../../sandbox/sandbox.ts'

const SESSION_SECONDS = 6 * 3600
const RENEW_MS = 3 * 3_600_000

/** The node role of a cluster: EKS Auth's one action, for EC2. Its ARN. */
export function installNodeRole(sandbox: Sandbox, cluster: RunningCluster): string {
  const { accountId, region, name } = cluster
  return sandbox.aws.installRole({
    accountId,
    roleName: `podrole-sandbox-node-${name}`.slice(0, 64),
    service: 'ec2.amazonaws.com',
    maxSessionSeconds: SESSION_SECONDS,
    inlinePolicies: {
      'pod-identity': JSON.stringify({
        Version: '2012-10-17',
        Statement: [
          {
            Effect: 'Allow',
            Action: 'eks-auth:AssumeRoleForPodIdentity',
            Resource: `arn:${partitionOfRegion(region).id}:eks:${region}:${accountId}:cluster/${name}`,
          },
        ],
      }),
    },
  })
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

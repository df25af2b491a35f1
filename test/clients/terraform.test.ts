/**
 * Terraform and its AWS provider, unmodified, in a sandbox: what test/clients/terraform says is
 * made, changed and destroyed, and after each change Terraform finds nothing left to do.
 */
import { afterAll, expect, test } from 'bun:test'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCommand } from '../support/run-command.ts'
import { findTerraform, readCalls } from '../support/terraform.ts'
import { lacks } from '../support/tools.ts'

const SANDBOX = [join(import.meta.dir, '..', '..', 'bin', 'podrole'), 'sandbox']
const terraform = findTerraform()
const isSkipped = lacks('Terraform against the sandbox', terraform.missing)
const folder = mkdtempSync(join(tmpdir(), 'podrole-terraform-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Exit code 2 of a plan means that there is something to do. */
const SCRIPT = `set -e
terraform init -input=false >init.txt
for changed in false true; do
  export TF_VAR_changed=$changed
  terraform apply -auto-approve -input=false
  terraform plan -detailed-exitcode -input=false
done
terraform destroy -auto-approve -input=false
`

/** What the provider takes for "not there", and asks after to see that something is gone. */
const ABSENCES = [
  'EKS DescribeAddon ResourceNotFoundException',
  'EKS DescribeCluster ResourceNotFoundException',
  'EKS DescribeFargateProfile ResourceNotFoundException',
  'EKS DescribeNodegroup ResourceNotFoundException',
  'S3 GetBucketCors NoSuchCORSConfiguration',
  'S3 GetBucketLifecycleConfiguration NoSuchLifecycleConfiguration',
  'S3 GetBucketOwnershipControls OwnershipControlsNotFoundError',
  'S3 GetBucketPolicy NoSuchBucketPolicy',
  'S3 GetBucketReplication ReplicationConfigurationNotFoundError',
  'S3 GetBucketTagging NoSuchTagSet',
  'S3 GetBucketWebsite NoSuchWebsiteConfiguration',
  'S3 GetObjectLockConfiguration ObjectLockConfigurationNotFoundError',
  'S3 GetPublicAccessBlock NoSuchPublicAccessBlockConfiguration',
  'S3 HeadBucket ',
]

test.skipIf(isSkipped)(
  'Terraform makes, changes and destroys, and finds nothing left to do',
  async () => {
    cpSync(join(import.meta.dir, 'terraform'), folder, { recursive: true })
    const configuration = join(folder, 'terraform.rc')
    const log = join(folder, 'log.jsonl')
    writeFileSync(configuration, terraform.configuration ?? '')
    const env = {
      PATH: process.env['PATH'] ?? '',
      HOME: folder,
      CHECKPOINT_DISABLE: '1',
      TF_CLI_ARGS: '-no-color',
      TF_CLI_CONFIG_FILE: configuration,
      TF_IN_AUTOMATION: '1',
      TF_LOG: 'JSON',
      TF_LOG_PATH: log,
    }
    const command = [...SANDBOX, '--', 'sh', '-c', SCRIPT]
    const { exitCode, stdout, stderr } = await runCommand(command, { cwd: folder, env })
    if (exitCode !== 0) expect(`${stdout.slice(-2000)}\n${stderr}`.slice(-6000)).toBe('')
    expect(stdout.match(/^(?:Apply complete|No changes|Destroy complete).*/gm)).toEqual([
      'Apply complete! Resources: 25 added, 0 changed, 0 destroyed.',
      'No changes. Your infrastructure matches the configuration.',
      'Apply complete! Resources: 2 added, 17 changed, 2 destroyed.',
      'No changes. Your infrastructure matches the configuration.',
      'Destroy complete! Resources: 25 destroyed.',
    ])
    const calls = readCalls(readFileSync(log, 'utf8'))
    expect(calls.length).toBeGreaterThan(500)
    const refused = calls.filter(({ status }) => status >= 400)
    const refusals = new Set(refused.map(({ operation, code }) => `${operation} ${code}`))
    expect([...refusals].filter((line) => !ABSENCES.includes(line))).toEqual([])
  },
  600_000,
)

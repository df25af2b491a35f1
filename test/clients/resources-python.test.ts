/** Every resource of the sandbox's AWS by boto3, and by the AWS CLI. */
import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findPython, pythonEnvironment } from '../support/python.ts'
import { runCommand } from '../support/run-command.ts'
import { lacks } from '../support/tools.ts'
import { testResources, verbFaults } from './resources.suite.ts'

const python = await findPython()
const home = mkdtempSync(join(tmpdir(), 'podrole-resources-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))

const environment = { ...pythonEnvironment(python.bin, home), PYTHONPATH: import.meta.dir }
/** A warning is an error: of an answer that was parsed, or of a library that is used wrongly. */
const PYTHON = ['python', '-W', 'error', '-m']
const { missing } = python

testResources({ name: 'boto3', command: [...PYTHON, 'resources_boto3'], environment, missing })
testResources({ name: 'the AWS CLI', command: [...PYTHON, 'resources_cli'], environment, missing })

test.skipIf(lacks("the watch over answers and botocore's models", missing))(
  "answers that do not keep to botocore's models are seen",
  async () => {
    const { bin = '' } = python
    const command = [join(bin, 'python'), ...PYTHON.slice(1), 'resources_boto3.model_cases']
    const { exitCode, stdout } = await runCommand(command, { cwd: home, env: environment })
    expect(stdout).toMatch(/^\d+ checks held, 0 failed$/m)
    expect(exitCode).toBe(0)
  },
)

test('verbs that are missing, unknown or exempt without need are told', () => {
  const table = { iam: { user: ['create', 'read'] }, s3: { bucket: ['create'] } }
  const all =
    'did iam user create\ndid iam user read\ndid s3 bucket create\n3 things done, 9 checks'
  expect(verbFaults(all, table)).toEqual([])
  expect(verbFaults(all.replace('did s3 bucket create\n', ''), table)).toEqual([
    'not done: s3 bucket create',
  ])
  expect(verbFaults(`${all}\ndid iam user delete\ndid s3 object`, table)).toEqual([
    'not in the table: iam user delete',
  ])
  const exemptions = { 's3 bucket create': 'no such operation' }
  expect(verbFaults(all, table, exemptions)).toEqual(['exempt, and done: s3 bucket create'])
  expect(verbFaults(all.replace('did s3 bucket create\n', ''), table, exemptions)).toEqual([])
  expect(verbFaults(all, table, { 'kms key read': 'no such client' })).toEqual([
    'exempt, not in the table: kms key read',
  ])
})

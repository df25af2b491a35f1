/** docs/operating/eks-anywhere.md as it is typed, beside `podrole sandbox`. */
import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  CLUSTER,
  expectWalked,
  ISSUER,
  REGION,
  walkPath,
  walkScript,
} from '../support/eks-anywhere-walk.ts'
import { PODROLE } from '../support/issuer-journey.ts'
import { findKubernetes } from '../support/kubernetes-binaries.ts'
import { missingLoopback, onOwnLoopback } from '../support/own-loopback.ts'
import { findPython, pythonEnvironment } from '../support/python.ts'
import { runCommand } from '../support/run-command.ts'
import { lacks } from '../support/tools.ts'

const kubernetes = await findKubernetes()
const python = await findPython()
const isSkipped = lacks(
  "EKS Anywhere's walk",
  kubernetes.missing ?? python.missing ?? missingLoopback(),
)
const folder = mkdtempSync(join(tmpdir(), 'podrole-eks-anywhere-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const FIVE_MINUTES_MS = 300_000

test.skipIf(isSkipped)(
  'from the keys in the Secret to a pod that reads S3',
  async () => {
    const script = walkScript([
      // All pods have one loopback here, and the port is one.
      [
        'rollout status',
        `kubectl scale deployment podrole-webhook --namespace podrole-system --replicas=1\nkubectl rollout status deployment/podrole-webhook --namespace podrole-system --timeout 120s\n`,
      ],
    ])
    writeFileSync(join(folder, 'walk.sh'), script)
    const sandbox = [PODROLE, 'sandbox', '--port', '0', '--network', 'loopback', '--region', REGION]
    const command = [
      ...sandbox,
      '--self-managed-cluster',
      `${CLUSTER}=${ISSUER}`,
      '--',
      'sh',
      'walk.sh',
    ]
    const { exitCode, stdout, stderr } = await runCommand(onOwnLoopback(command), {
      cwd: folder,
      env: {
        ...pythonEnvironment(python.bin, folder),
        PATH: walkPath(kubernetes.folder ?? '', python.bin ?? ''),
      },
    })
    expectWalked(folder, { exitCode, output: `${stdout}\n${stderr}` })
    expect(stdout).toContain('deployment "podrole-webhook" successfully rolled out')
  },
  FIVE_MINUTES_MS,
)

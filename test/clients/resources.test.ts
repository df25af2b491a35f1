/** Every resource of the sandbox's AWS by aws-sdk-js and by aws-sdk-go-v2. */
import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { missingGo } from '../support/go.ts'
import { findGoClients, GO_CLIENTS } from '../support/go-clients.ts'
import { runCommand } from '../support/run-command.ts'
import { lacks } from '../support/tools.ts'
import { type ResourceClient, testResources } from './resources.suite.ts'

const go = await findGoClients()
const home = mkdtempSync(join(tmpdir(), 'podrole-resources-'))
/** None of the machine's AWS settings, those in files neither. */
const environment = {
  PATH: process.env['PATH'] ?? '',
  HOME: home,
  TMPDIR: process.env['TMPDIR'] ?? tmpdir(),
}

afterAll(() => rmSync(home, { recursive: true, force: true }))

const CLIENTS: readonly ResourceClient[] = [
  {
    name: 'aws-sdk-js',
    command: [process.execPath, '--no-env-file', join(import.meta.dir, 'js', 'main.ts')],
    environment,
    exemptions: {
      'eks-auth pod-identity-session create': 'npm has no @aws-sdk/client-eks-auth',
    },
  },
  {
    name: 'aws-sdk-go-v2',
    command: [go.program ?? ''],
    environment,
    exemptions: {
      'eks-auth pod-identity-session create': 'the Go module proxy has no service/eksauth',
    },
    missing: go.missing,
  },
]

for (const client of CLIENTS) testResources(client)

test.skipIf(lacks('gofmt and go vet over the clients', missingGo() ?? go.missing))(
  'the Go sources are formatted, and go vet finds nothing',
  async () => {
    const at = { cwd: GO_CLIENTS, env: { ...process.env } as Record<string, string> }
    // The same flags as the build's, so that the SDK is not built again.
    const vet = ['nice', '-n', '19', 'go', 'vet', '-trimpath', '-buildvcs=false', './...']
    for (const command of [['gofmt', '-l', '.'], vet]) {
      const outcome = await runCommand(command, at)
      expect(outcome).toEqual({ exitCode: 0, stdout: '', stderr: '' })
    }
  },
  600_000,
)

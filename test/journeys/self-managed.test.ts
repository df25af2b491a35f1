/** docs/operating/self-managed.md as it is typed, beside a cluster that the signer signs for. */
import { afterAll, test } from 'bun:test'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ChildProgram, startProgram } from '../support/child-program.ts'
import { PODROLE } from '../support/issuer-journey.ts'
import { CLUSTER, walkSelfManaged } from '../support/self-managed-walk.ts'

const run = mkdtempSync(join(tmpdir(), 'podrole-self-managed-'))
const socket = join(run, 'socket', 'signer.sock')
let signer: ChildProgram | undefined
afterAll(async () => {
  await signer?.stop()
  rmSync(run, { recursive: true, force: true })
})

test('from a key in a folder to a pod that reads S3, and to the next key', async () => {
  await walkSelfManaged({
    options: { signingEndpoints: new Map([[CLUSTER, socket]]) },
    tell: async (folder) => {
      // It reads the folder by itself.
      if (signer !== undefined) return
      const words = ['issuer', 'signer', '--socket', socket, '--dir', join(folder, 'issuer')]
      signer = startProgram(PODROLE, words, { logFile: join(run, 'signer.log'), cwd: run })
      while (!existsSync(socket)) {
        if (signer.exitCode() !== undefined) throw new Error(signer.lastLines())
        await Bun.sleep(30)
      }
    },
  })
}, 180_000)

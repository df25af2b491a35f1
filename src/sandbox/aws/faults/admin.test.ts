import { expect, test } from 'bun:test'
import { systemClock } from '../../../lib/clock.ts'
import { textResponse } from '../../../lib/handler.ts'
import { Secret } from '../../../lib/secret.ts'
import { withAdminApp } from '../../admin-app.ts'
import { createEventLog } from '../../events.ts'
import { Snapshots } from '../../snapshots.ts'
import { State } from '../../state.ts'
import { FAULTS_PATH } from './admin.ts'

test("the sandbox's own endpoints leave the path of faults to AWS, and no other", async () => {
  const snapshots = new Snapshots({
    state: new State(),
    clock: systemClock,
    folder: undefined,
    restore: () => Promise.resolve(),
  })
  const around = { token: new Secret('open'), events: createEventLog(1), snapshots }
  const app = withAdminApp(around, () => textResponse('aws'))
  const client = { address: '127.0.0.1', port: 1 }
  const ask = (path: string): Response | Promise<Response> =>
    app(new Request(`http://127.0.0.1${path}`), client)
  expect(await (await ask(FAULTS_PATH)).text()).toBe('aws')
  expect((await ask(`${FAULTS_PATH}/more`)).status).toBe(401)
})

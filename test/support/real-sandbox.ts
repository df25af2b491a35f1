/**
 * A program: a sandbox whose one cluster is a real API server, and a command inside, as `podrole
 * sandbox -- CMD` has it with a cluster of its own. Ends with the command's exit code.
 *
 * real-sandbox.ts KUBERNETES-FOLDER NAME=ISSUER COMMAND…
 */
import { openDesk } from './podrole.ts'
import { realClusterFactory } from './real-cluster-factory.ts'
import { startQuietSandbox } from './quiet-sandbox.ts'

const [programs = '', place = '', ...command] = process.argv.slice(2)
const [name = '', issuer = ''] = place.split('=')
const region = 'us-east-1'
const accountId = '111122223333'

const wired = await startQuietSandbox({
  accountIds: [accountId],
  region,
  clusters: [{ name, region, kind: 'self-managed', issuer }],
  network: 'loopback',
  // Where there is no way out, it finds no address of its own that others could ask it at.
  clusterFactory: realClusterFactory(programs, {
    serverFlags: ['--advertise-address=192.0.2.1'],
  }),
})
const cluster = wired.sandbox.clusters.get(name)
if (cluster === undefined) throw new Error(`no cluster ${name} runs`)
const desk = openDesk(wired, { profiles: { default: accountId }, cluster, issuers: [issuer] })
const { PATH: _, HOME: _home, ...environment } = desk.environment
const child = Bun.spawn(command, {
  stdio: ['ignore', 'inherit', 'inherit'],
  env: { ...process.env, ...environment },
})
process.exitCode = await child.exited
await wired.stop()
desk.remove()

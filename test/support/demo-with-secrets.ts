/**
 * The demo at its most talkative level, for the test that searches what it says: the first
 * argument is a file for every secret that was given out and every log that is not on the console.
 */
import { writeFileSync } from 'node:fs'
import { runDemo } from '../../src/cli/demo/demo.ts'
import { PODS } from '../../src/kube/client.ts'

const [file = ''] = process.argv.slice(2)

process.exitCode = await runDemo({
  broken: undefined,
  network: 'auto',
  logLevel: 'debug',
  inspect: async (wired) => {
    const logs: string[] = []
    for (const { client } of wired.sandbox.clusters.values()) {
      for (const { metadata } of (await client.list(PODS)).items) {
        const path = `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}/log`
        logs.push(await (await client.raw('GET', path)).text())
      }
    }
    const tokens = [...wired.sandbox.clusters.values()].flatMap(({ cluster }) => [
      ...cluster.issuedSecrets(),
    ])
    const broker = wired.brokers[0]?.endpoint.credentials.secretAccessKey.reveal() ?? ''
    const secrets = [...wired.sandbox.aws.issuedSecrets(), ...tokens, broker]
    const decisions = wired.sandbox.aws.decisions.recent()
    writeFileSync(file, JSON.stringify({ logs, secrets, decisions }))
  },
})

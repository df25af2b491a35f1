/** A pod that asks its agent, for the journeys. Its image, `ask-many`, is ask-many.ts. */
import { expect } from 'bun:test'
import { join } from 'node:path'
import { PODS } from '../../src/kube/client.ts'
import type { Pod } from '../../src/kube/objects.ts'
import type { RunningCluster } from '../../src/sandbox/sandbox.ts'

/** What the image `ask-many` stands for. */
export const ASK_MANY: string = join(import.meta.dir, 'ask-many.ts')

/**
 * Starts a pod of service account `default/app` on the cluster's first node, and asks its agent
 * that many times at once.
 */
export async function askFromPod(
  cluster: RunningCluster,
  name: string,
  count: number,
): Promise<{ answers: number; keys: string[] }> {
  const [node] = cluster.nodes
  if (node === undefined) throw new Error('no node')
  const ref = { namespace: 'default', name }
  await cluster.client.create<Pod>(PODS, {
    metadata: ref,
    spec: {
      serviceAccountName: 'app',
      containers: [{ name: 'main', image: 'ask-many', command: ['sleep', '600'] }],
    },
  })
  for (let tries = 0; tries < 500; tries += 1) {
    if ((await cluster.client.get<Pod>(PODS, ref)).status?.phase === 'Running') break
    await Bun.sleep(20)
  }
  const command = [process.execPath, '--no-env-file', ASK_MANY, String(count)]
  const ran = await node.exec({ namespace: 'default', pod: name, command })
  expect(ran.stderr).toBe('')
  return JSON.parse(ran.stdout) as { answers: number; keys: string[] }
}

/** What kube-scheduler does, as far as tests need it: pods without a node get one that is ready. */
import { type KubeClient, NODES, PODS } from '../../src/kube/client.ts'
import type { KubeNode, Pod } from '../../src/kube/objects.ts'
import { codeOf } from '../../src/lib/errors.ts'

const EVERY_MS = 50

/** Binds pods until it is stopped. */
export function startPodBinder(client: KubeClient): () => Promise<void> {
  const stopping = new AbortController()
  const run = async (): Promise<void> => {
    let last = ''
    while (!stopping.signal.aborted) {
      const complaint = await bindAll(client).then(() => '', String)
      // An API server that is started anew is away for seconds: once is enough.
      if (complaint !== '' && complaint !== last && !stopping.signal.aborted) {
        process.stderr.write(`pod binder: ${complaint}\n`)
      }
      last = complaint
      await Bun.sleep(EVERY_MS)
    }
  }
  const running = run()
  return async () => {
    stopping.abort()
    await running
  }
}

async function bindAll(client: KubeClient): Promise<void> {
  const { items } = await client.list<Pod>(PODS, { fieldSelector: 'spec.nodeName=' })
  if (items.length === 0) return
  const { items: nodes } = await client.list<KubeNode>(NODES)
  const ready = nodes.filter((node) =>
    node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'),
  )
  for (const [index, { metadata }] of items.entries()) {
    const node = ready[index % ready.length]
    if (node === undefined || metadata.deletionTimestamp !== undefined) continue
    const path = `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}/binding`
    const body = {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name: metadata.name },
      target: { apiVersion: 'v1', kind: 'Node', name: node.metadata.name },
    }
    await client.raw('POST', path, { body }).catch((error: unknown) => {
      if (!['Conflict', 'NotFound'].includes(codeOf(error) ?? '')) throw error
    })
  }
}

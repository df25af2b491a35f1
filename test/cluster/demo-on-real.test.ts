import { expect, test } from 'bun:test'
import { runDemo } from '../../src/cli/demo/demo.ts'
import { findKubernetes } from '../support/kubernetes-binaries.ts'
import { realClusterFactory } from '../support/real-cluster-factory.ts'
import { lacks } from '../support/tools.ts'

const kubernetes = await findKubernetes()
const isSkipped = lacks('the demo on a real API server', kubernetes.missing)

const TEN_MINUTES_MS = 600_000

test.skipIf(isSkipped)(
  'every step of the demo holds with kube-apiserver in place of the sandbox’s cluster',
  async () => {
    const code = await runDemo({
      broken: undefined,
      network: 'auto',
      logLevel: 'error',
      clusterFactory: realClusterFactory(kubernetes.folder ?? ''),
    })
    expect(code).toBe(0)
  },
  TEN_MINUTES_MS,
)

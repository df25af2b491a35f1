/** Declares the contract suite's cases as tests of one cluster. */
import { afterAll, beforeAll, describe, test } from 'bun:test'
import type { SandboxCluster } from '../../src/sandbox/cluster/cluster.ts'
import type { ContractCase } from './contract-cases.ts'
import { type ContractCluster, prepareContract } from './contract-run.ts'

const PREPARE_MS = 300_000

export function declareContract(
  cases: readonly ContractCase[],
  start: () => Promise<SandboxCluster>,
): void {
  let cluster: SandboxCluster
  let contract: ContractCluster
  beforeAll(async () => {
    cluster = await start()
    contract = await prepareContract(cluster, cases)
  }, PREPARE_MS)
  afterAll(() => cluster?.stop(), 60_000)
  for (const [group, some] of Map.groupBy(cases, (one) => one.group)) {
    describe(group, () => {
      for (const one of some) test(one.name, () => contract.run(one))
    })
  }
}

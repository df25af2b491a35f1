/** Declares the contract suite's cases as tests of one cluster. */
import { afterAll, beforeAll, describe, test } from 'bun:test'
import type { ContractCase } from './contract-cases.ts'
import { type ContractCluster, prepareContract } from './contract-run.ts'
import type { ContractTarget } from './contract-targets.ts'

const PREPARE_MS = 300_000

export function declareContract(
  cases: readonly ContractCase[],
  start: () => Promise<ContractTarget>,
): void {
  let cluster: ContractTarget
  let contract: ContractCluster
  beforeAll(async () => {
    cluster = await start()
    contract = await prepareContract(cluster, cases)
  }, PREPARE_MS)
  afterAll(async () => {
    await contract?.stop()
    await cluster?.stop()
  }, 60_000)
  for (const [group, some] of Map.groupBy(cases, (one) => one.group)) {
    describe(group, () => {
      for (const one of some) test(one.name, () => contract.run(one))
    })
  }
}

import { describe } from 'bun:test'
import { findKubernetes } from '../support/kubernetes-binaries.ts'
import { startRealCluster } from '../support/real-cluster.ts'
import { lacks } from '../support/tools.ts'
import { readCases } from './contract-cases.ts'
import { CONTRACT_ISSUER } from './contract-targets.ts'
import { declareContract } from './contract.suite.ts'

const kubernetes = await findKubernetes()
const isSkipped = lacks('the contract of a real API server', kubernetes.missing)

describe.skipIf(isSkipped)('the contract, of kube-apiserver', () => {
  declareContract(readCases(), () =>
    startRealCluster({
      programs: kubernetes.folder ?? '',
      name: 'contract',
      issuer: CONTRACT_ISSUER,
    }),
  )
})

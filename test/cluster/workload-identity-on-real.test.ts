/** The add-on awsWorkloadIdentity on kube-apiserver 1.36: the laws that it keeps on the sandbox's. */
import { describe } from 'bun:test'
import { workloadIdentityLaws } from '../../src/manage/workload-identity/enable.suite.ts'
import { findKubernetes } from '../support/kubernetes-binaries.ts'
import { startRealCluster } from '../support/real-cluster.ts'
import { lacks } from '../support/tools.ts'

const kubernetes = await findKubernetes()
const isSkipped = lacks('the add-on on a real API server', kubernetes.missing)

describe.skipIf(isSkipped)('on a real API server', () => {
  const programs = kubernetes.folder ?? ''
  workloadIdentityLaws((issuer) => startRealCluster({ programs, name: 'edge', issuer }))
})

/**
 * Tokens at 100 a second through a whole rotation, on a real API server that `podrole issuer signer`
 * signs for, in real time: some 20 minutes, so only with PODROLE_TEST_SCALE=10.
 */
import { findKubernetes } from '../support/kubernetes-binaries.ts'
import { startRealCluster } from '../support/real-cluster.ts'
import { describeRotationUnderLoad } from '../support/rotation.suite.ts'
import type { ApiServer } from '../support/rotation-stage.ts'
import { lacks, scaled } from '../support/tools.ts'

const WHAT = 'the rotation under load on a real API server'
const isShort = scaled(1) < 10
if (isShort) process.stderr.write(`skipped: ${WHAT}: 20 minutes, with PODROLE_TEST_SCALE=10\n`)
const kubernetes = isShort ? undefined : await findKubernetes()
const isSkipped = isShort || lacks(WHAT, kubernetes?.missing)

async function startApiServer(issuer: string, signingEndpoint: string): Promise<ApiServer> {
  const cluster = await startRealCluster({
    programs: kubernetes?.folder ?? '',
    name: 'rotated',
    issuer,
    signingEndpoint,
    apiAudiences: ['https://kubernetes.default.svc', 'sts.amazonaws.com'],
  })
  return {
    server: cluster.server,
    ca: cluster.certificateAuthority,
    token: cluster.adminToken.reveal(),
    stop: () => cluster.stop(),
  }
}

describeRotationUnderLoad(isSkipped, () => ({
  settleSeconds: 60,
  followSeconds: 60,
  startApiServer,
  load: { perSecond: 100, reusedPerSecond: 25, spareSeconds: 10 },
}))

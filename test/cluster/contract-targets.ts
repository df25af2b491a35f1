/** What the contract suite needs of a cluster, and the sandbox's cluster in that shape. */
import { createCertificateAuthority } from '../../src/lib/certificates.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { silentLog } from '../../src/lib/log.ts'
import { type SandboxCluster, startCluster } from '../../src/sandbox/cluster/cluster.ts'
import { State } from '../../src/sandbox/state.ts'

/** The `iss` of tokens, which cases name. */
export const CONTRACT_ISSUER = 'https://contract.issuer.sandbox/one'

export interface ContractTarget extends Pick<
  SandboxCluster,
  'server' | 'certificateAuthority' | 'adminToken' | 'tokenFor' | 'stop'
> {
  /**
   * Ends the API server and starts it at the same address over what it kept, without the history
   * of before: versions of that time are too old then. Static tokens may be lost.
   */
  restart(): Promise<void>
}

/** Starts the sandbox's cluster. */
export async function startSandboxTarget(): Promise<ContractTarget> {
  const options = {
    name: 'contract',
    issuer: CONTRACT_ISSUER,
    state: new State(),
    clock: systemClock,
    log: silentLog,
    authority: await createCertificateAuthority({ commonName: 'contract' }),
  }
  let cluster = await startCluster(options)
  const port = Number(new URL(cluster.server).port)
  const { server, certificateAuthority, adminToken } = cluster
  return {
    server,
    certificateAuthority,
    adminToken,
    tokenFor: (user, groups) => cluster.tokenFor(user, groups),
    restart: async () => {
      await cluster.stop()
      cluster = await startCluster({ ...options, port })
    },
    stop: () => cluster.stop(),
  }
}

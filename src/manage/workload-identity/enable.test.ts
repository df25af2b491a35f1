/** The add-on on the sandbox's API server. */
import { createCertificateAuthority } from '../../lib/certificates.ts'
import { systemClock } from '../../lib/clock.ts'
import { silentLog } from '../../lib/log.ts'
import { startCluster } from '../../sandbox/cluster/cluster.ts'
import { State } from '../../sandbox/state.ts'
import { workloadIdentityLaws } from './enable.suite.ts'

workloadIdentityLaws(async (issuer) =>
  startCluster({
    name: 'edge',
    issuer,
    state: new State(),
    clock: systemClock,
    log: silentLog,
    authority: await createCertificateAuthority({ commonName: 'test', clock: systemClock }),
  }),
)

import { describe } from 'bun:test'
import { createCertificateAuthority } from '../../src/lib/certificates.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { silentLog } from '../../src/lib/log.ts'
import { startCluster } from '../../src/sandbox/cluster/cluster.ts'
import { State } from '../../src/sandbox/state.ts'
import { readCases } from './contract-cases.ts'
import { declareContract } from './contract.suite.ts'

describe("the contract, of the sandbox's cluster", () => {
  declareContract(readCases(), async () =>
    startCluster({
      name: 'contract',
      issuer: 'https://contract.issuer.sandbox/one',
      state: new State(),
      clock: systemClock,
      log: silentLog,
      authority: await createCertificateAuthority({ commonName: 'contract' }),
    }),
  )
})

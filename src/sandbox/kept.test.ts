import { expect, test } from 'bun:test'
import { X509Certificate } from 'node:crypto'
import { createCertificateAuthority } from '../lib/certificates.ts'
import { ManualClock, shiftedClock, systemClock } from '../lib/clock.ts'
import { keepAuthority, openKept } from './kept.ts'
import { State } from './state.ts'

const NAMES = { names: ['127.0.0.1', 'localhost'] }

test('the authority and what it issues to servers are the same at the next start', async () => {
  const kept = openKept(new State())
  const first = await keepAuthority(kept, systemClock)
  const issued = await first.issue(NAMES)
  const again = await keepAuthority(kept, systemClock)
  expect(again.cert).toBe(first.cert)
  expect(await again.issue(NAMES)).toEqual(issued)
  expect((await again.issue({ names: ['localhost'] })).cert).not.toBe(issued.cert)
})

test('a certificate is made again that ends soon, by the clock or the machine, or is of another CA', async () => {
  const kept = openKept(new State())
  const issued = await (await keepAuthority(kept, systemClock)).issue(NAMES)
  const later = await keepAuthority(kept, shiftedClock(300 * 86_400_000))
  expect((await later.issue(NAMES)).cert).not.toBe(issued.cert)
  const earlier = await keepAuthority(kept, new ManualClock(0))
  expect((await earlier.issue(NAMES)).cert).not.toBe(issued.cert)
  const other = await createCertificateAuthority({ commonName: 'podrole sandbox' })
  kept.secrets.set('ca-key', other.key)
  kept.secrets.set('ca-certificate', other.cert)
  const { cert } = await (await keepAuthority(kept, systemClock)).issue(NAMES)
  expect(new X509Certificate(cert).verify(new X509Certificate(other.cert).publicKey)).toBe(true)
})

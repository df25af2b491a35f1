import { expect, test } from 'bun:test'
import { createLog } from '../../lib/log.ts'
import { baseFacts } from '../checks/cases.suite.ts'
import type { DoctorCluster, DoctorFacts } from '../facts/doctor-facts.ts'
import { known, unknown } from '../facts/fact.ts'
import { type IdentityState, identityState } from './identity-state.ts'
import { createDoctorMetrics } from './metrics.ts'
import { watchDoctor } from './watch.ts'

const [BASE] = baseFacts().clusters
const clusterWith = (changes: Partial<DoctorCluster>): DoctorCluster => {
  if (BASE === undefined) throw new Error('no cluster')
  return { ...BASE, ...changes }
}

const stateOf = (changes: Partial<DoctorCluster>, facts = baseFacts()): IdentityState =>
  identityState(clusterWith(changes), facts)

test('an issuer that nobody goes by has no level of service', () => {
  const facts = { ...baseFacts(), providers: known([]) }
  expect(stateOf({ serviceAccounts: known([]) }, facts).isIssuerUp).toBeUndefined()
})

test('a cluster in which all is well', () => {
  expect(stateOf({})).toEqual({
    cluster: 'prod',
    isIssuerUp: true,
    documentMs: { discovery: 20, jwks: 20 },
    missingKeys: 0,
    nodes: { ready: 1, 'not-ready': 0, missing: 0, 'built-in': 0, 'no-agent': 1 },
  })
})

test('an agent that is not ready, a node without one, and nodes of EKS Auto Mode', () => {
  const pods = known(
    (BASE?.pods.known ? BASE.pods.value : []).map((pod) => ({ ...pod, isReady: false })),
  )
  const nodes = known([
    { name: 'node-1', isReady: true, compute: 'linux' as const },
    { name: 'node-2', isReady: true, compute: 'linux' as const },
  ])
  const counts = { ready: 0, 'not-ready': 1, missing: 1, 'built-in': 0, 'no-agent': 0 }
  expect(stateOf({ pods, nodes }).nodes).toEqual(counts)
  const eks = known({ name: 'prod', arn: '', version: '1.36', isAutoMode: true })
  const built = { ...counts, 'not-ready': 0, missing: 0, 'built-in': 2 }
  expect(stateOf({ eks, pods, nodes }).nodes).toEqual(built)
})

test('what cannot be read has no value, and no line on the page', () => {
  const no = unknown('forbidden')
  const blind = stateOf({ outside: no, liveKeys: no, nodes: no })
  expect(blind).toEqual({ cluster: 'prod' })
  const metrics = createDoctorMetrics()
  const diagnosis = { findings: [], notLookedAt: [] }
  metrics.looked({ atMs: 0, diagnosis, states: [blind] }, 1)
  const page = metrics.registry.page('text')
  expect(page).not.toMatch(/^podrole_doctor_(?:issuer_up|issuer_missing_keys|nodes)\{/m)
  expect(page).toContain('podrole_doctor_findings{id="imds-open",severity="error"} 0\n')
})

test('looks go on after one that failed; findings are logged when they come and when they go', async () => {
  const lines: string[] = []
  const stopped = new AbortController()
  const open = clusterWith({
    instances: known([{ id: 'i-1', httpEndpoint: 'enabled', httpTokens: 'required', hopLimit: 2 }]),
  })
  const looks: (() => DoctorFacts)[] = [
    () => ({ ...baseFacts(), clusters: [open] }),
    () => {
      throw new Error('away')
    },
    () => ({ ...baseFacts(), clusters: [open] }),
    baseFacts,
  ]
  const metrics = createDoctorMetrics()
  await watchDoctor({
    gather: async () => {
      await Bun.sleep(0)
      const next = looks.shift() ?? baseFacts
      if (looks.length === 0) stopped.abort()
      return next()
    },
    metrics,
    log: createLog('info', { write: (line) => lines.push(line) }),
    intervalMs: 1,
    signal: stopped.signal,
  })
  const told = lines.map((line) => {
    const { id, message } = JSON.parse(line) as { message: string; id?: string }
    return id === undefined ? message : `${message} ${id}`
  })
  expect(told).toEqual(['found imds-open', 'the look failed', 'gone imds-open'])
  const page = metrics.registry.page('text')
  expect(page).toContain('podrole_doctor_looks_total{outcome="done"} 3\n')
  expect(page).toContain('podrole_doctor_looks_total{outcome="failed"} 1\n')
})

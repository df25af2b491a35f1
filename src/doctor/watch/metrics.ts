/** What `podrole doctor --watch` measures; docs/reference/metrics.md lists it. */
import { addProcessMetrics } from '../../lib/metrics/process.ts'
import { type Reading, Registry } from '../../lib/metrics/registry.ts'
import type { Diagnosis } from '../checks/diagnose.ts'
import { CHECKS } from '../checks/table.ts'
import { type IdentityState, PATHS } from './identity-state.ts'

/** One look at everything. */
export interface Look {
  readonly atMs: number
  readonly diagnosis: Diagnosis
  readonly states: readonly IdentityState[]
}

export interface DoctorMetrics {
  readonly registry: Registry
  /** A look came to its end. */
  looked(look: Look, seconds: number): void
  /** A look failed as a whole; what the last good one saw stays. */
  failed(seconds: number): void
  /** An operation of AWS was called. */
  called(operation: string): void
}

/** Seconds of a look: some calls of AWS to many thousands of objects. */
const LOOK_BUCKETS = [0.5, 1, 2.5, 5, 10, 25, 50, 100, 250]

/** @param version of podrole, for its build info */
export function createDoctorMetrics(version = ''): DoctorMetrics {
  const registry = new Registry()
  addProcessMetrics(registry, { part: 'doctor', version })
  const seen: { look?: Look } = {}
  addIdentityGauges(registry, () => seen.look)
  addFindingGauges(registry, () => seen.look)
  const looks = registry.counter({
    name: 'podrole_doctor_looks_total',
    help: 'Looks at everything, by whether they came to their end.',
    labels: ['outcome'],
  })
  for (const outcome of ['done', 'failed']) looks.of(outcome)
  const times = registry
    .histogram({
      name: 'podrole_doctor_look_duration_seconds',
      help: 'How long a look at everything took.',
      buckets: LOOK_BUCKETS,
    })
    .of()
  const calls = registry.counter({
    name: 'podrole_doctor_aws_calls_total',
    help: 'Calls of AWS, by their operation.',
    labels: ['operation'],
  })
  return {
    registry,
    looked: (look, seconds) => {
      seen.look = look
      looks.of('done').inc()
      times.observe(seconds)
    },
    failed: (seconds) => {
      looks.of('failed').inc()
      times.observe(seconds)
    },
    called: (operation) => calls.of(operation).inc(),
  }
}

type LastLook = () => Look | undefined

function addIdentityGauges(registry: Registry, last: LastLook): void {
  const each = (read: (state: IdentityState) => readonly Reading[]) => (): readonly Reading[] =>
    (last()?.states ?? []).flatMap((state) =>
      read(state).map(({ labels = {}, value }) => ({
        labels: { cluster: state.cluster, ...labels },
        value,
      })),
    )
  const known = (value: number | undefined, labels: Reading['labels'] = {}): readonly Reading[] =>
    value === undefined ? [] : [{ labels, value }]
  registry.gauge(
    {
      name: 'podrole_doctor_issuer_up',
      help: 'Whether STS can use the issuer of a cluster, as seen from here.',
      labels: ['cluster'],
    },
    each(({ isIssuerUp }) => known(isIssuerUp === undefined ? undefined : Number(isIssuerUp))),
  )
  registry.gauge(
    {
      name: 'podrole_doctor_issuer_document_seconds',
      help: 'How long a document of the issuer took to be there whole; STS waits for 5.',
      labels: ['cluster', 'document'],
    },
    each(({ documentMs }) =>
      (['discovery', 'jwks'] as const).flatMap((document) => {
        const ms = documentMs?.[document]
        return known(ms === undefined ? undefined : ms / 1000, { document })
      }),
    ),
  )
  registry.gauge(
    {
      name: 'podrole_doctor_issuer_missing_keys',
      help: 'Keys of the API server that the published JWKS lacks.',
      labels: ['cluster'],
    },
    each(({ missingKeys }) => known(missingKeys)),
  )
  registry.gauge(
    {
      name: 'podrole_doctor_nodes',
      help: 'Nodes, by how their pods come to credentials by Pod Identity.',
      labels: ['cluster', 'path'],
    },
    each(({ nodes }) =>
      nodes === undefined ? [] : PATHS.flatMap((path) => known(nodes[path], { path })),
    ),
  )
}

function addFindingGauges(registry: Registry, last: LastLook): void {
  registry.gauge(
    {
      name: 'podrole_doctor_findings',
      help: 'What the last look found, by check; 0 for a check that found nothing.',
      labels: ['id', 'severity'],
    },
    () => {
      const look = last()
      if (look === undefined) return []
      const found = Map.groupBy(look.diagnosis.findings, ({ id }) => id)
      return Object.entries(CHECKS).map(([id, { severity }]) => ({
        labels: { id, severity },
        value: found.get(id as keyof typeof CHECKS)?.length ?? 0,
      }))
    },
  )
  registry.gauge(
    {
      name: 'podrole_doctor_not_looked_at',
      help: 'Things that the last look could not read: they are neither well nor found.',
    },
    () => {
      const look = last()
      return look === undefined ? [] : [{ value: look.diagnosis.notLookedAt.length }]
    },
  )
  registry.gauge(
    {
      name: 'podrole_doctor_last_look_timestamp_seconds',
      help: 'When the last look that came to its end began, in Unix seconds.',
    },
    () => {
      const look = last()
      return look === undefined ? [] : [{ value: look.atMs / 1000 }]
    },
  )
}

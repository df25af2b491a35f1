/** What every process tells of itself, by the names that Prometheus' own clients use. */
import { readdirSync, readFileSync } from 'node:fs'
import type { Reading, Registry } from './registry.ts'

/** `part` is which of podrole's parts it is. */
export interface Build {
  readonly part: string
  readonly version: string
}

/** Adds build and process to a registry; what the machine does not tell is left out of the page. */
export function addProcessMetrics(registry: Registry, { part, version }: Build): void {
  registry.gauge(
    {
      name: 'podrole_build_info',
      help: 'Which part of podrole this is, in which version; always 1.',
      labels: ['part', 'version', 'bun'],
    },
    () => [{ labels: { part, version, bun: Bun.version }, value: 1 }],
  )
  registry.readCounter(
    { name: 'process_cpu_seconds_total', help: 'CPU time of the process, user and system.' },
    () => {
      const { user, system } = process.cpuUsage()
      return one((user + system) / 1e6)
    },
  )
  registry.gauge(
    { name: 'process_resident_memory_bytes', help: 'Memory of the process that is resident.' },
    () => one(process.memoryUsage.rss()),
  )
  const startedSeconds = Math.round((Date.now() - performance.now()) / 1000)
  registry.gauge(
    { name: 'process_start_time_seconds', help: 'When the process started, in Unix seconds.' },
    () => one(startedSeconds),
  )
  registry.gauge({ name: 'process_open_fds', help: 'Open file descriptors.' }, () =>
    known(() => readdirSync('/proc/self/fd').length),
  )
  registry.gauge({ name: 'process_max_fds', help: 'File descriptors that may be open.' }, () =>
    known(() =>
      Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]),
    ),
  )
}

const one = (value: number): readonly Reading[] => [{ value }]

/** Linux tells these, others do not. */
function known(read: () => number): readonly Reading[] {
  try {
    const value = read()
    return Number.isFinite(value) ? one(value) : []
  } catch {
    return []
  }
}

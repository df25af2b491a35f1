import type { Container } from '../../kube/objects.ts'
import type { ProbeTarget } from './probe-target.ts'

/** A probe of a container, with the API's defaults in place. */
export interface Probe {
  readonly target: ProbeTarget | undefined
  /** A command whose exit code decides, where there is no target. */
  readonly command: readonly string[]
  readonly initialDelayMs: number
  readonly periodMs: number
  readonly timeoutMs: number
  readonly successThreshold: number
  readonly failureThreshold: number
}

export type ProbeKind = 'readinessProbe' | 'livenessProbe' | 'startupProbe'

interface ProbeSpec {
  readonly httpGet?: {
    readonly host?: string
    readonly port: number | string
    readonly path?: string
    readonly scheme?: string
  }
  readonly tcpSocket?: { readonly host?: string; readonly port: number | string }
  readonly exec?: { readonly command?: readonly string[] }
  readonly initialDelaySeconds?: number
  readonly periodSeconds?: number
  readonly timeoutSeconds?: number
  readonly successThreshold?: number
  readonly failureThreshold?: number
}

/** The container's probe of that kind, or undefined (gRPC probes are not known here). */
export function probeOf(container: Container, kind: ProbeKind): Probe | undefined {
  const spec = (container as Container & Partial<Record<ProbeKind, ProbeSpec>>)[kind]
  if (spec === undefined) return undefined
  const timeoutMs = (spec.timeoutSeconds ?? 1) * 1000
  const url = urlOf(container, spec)
  const command = spec.exec?.command ?? []
  if (url === undefined && command.length === 0) return undefined
  return {
    target: url === undefined ? undefined : { url, timeoutMs },
    command,
    initialDelayMs: (spec.initialDelaySeconds ?? 0) * 1000,
    periodMs: (spec.periodSeconds ?? 10) * 1000,
    timeoutMs,
    successThreshold: kind === 'readinessProbe' ? (spec.successThreshold ?? 1) : 1,
    failureThreshold: spec.failureThreshold ?? 3,
  }
}

function urlOf(container: Container, spec: ProbeSpec): string | undefined {
  const { httpGet, tcpSocket } = spec
  const where = httpGet ?? tcpSocket
  if (where === undefined) return undefined
  const port = portOf(container, where.port)
  if (port === undefined) return undefined
  const host = where.host ?? '127.0.0.1'
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`
  if (httpGet === undefined) return `tcp://${address}`
  const path = `/${httpGet.path ?? ''}`.replace(/^\/\//, '/')
  const url = `${httpGet.scheme === 'HTTPS' ? 'https' : 'http'}://${address}${path}`
  return URL.canParse(url) ? url : undefined
}

function portOf(container: Container, port: number | string): number | undefined {
  if (typeof port === 'number') return port
  if (/^\d{1,5}$/.test(port)) return Number(port)
  return container.ports?.find(({ name }) => name === port)?.containerPort
}

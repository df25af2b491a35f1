/** The agent's own health, on loopback. */
import { type Handler, jsonResponse, textResponse } from '../lib/handler.ts'
import type { CacheStatistics } from './metrics.ts'

export interface AgentState {
  /** URLs that listen. */
  readonly listening: readonly string[]
  /** Addresses that could not be listened on, each with the reason. */
  readonly failed: readonly string[]
  /** True from the moment that the agent is told to stop. */
  readonly stopping: boolean
  readonly cache: CacheStatistics
}

/**
 * `/healthz`: the process answers. `/readyz`: it listens and is not stopping. Whether upstream
 * answers is told but decides nothing: a node whose agent is restarted, or taken out, for an outage
 * of EKS Auth would lose the credentials that it still has.
 */
export function probesApp(stateOf: () => AgentState): Handler {
  return (request) => {
    const { pathname } = new URL(request.url)
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return new Response('Method Not Allowed\n', { status: 405, headers: { allow: 'GET, HEAD' } })
    }
    if (pathname === '/healthz') return textResponse('ok\n')
    if (pathname !== '/readyz') return textResponse('Not Found\n', 404)
    const state = stateOf()
    const ready = state.listening.length > 0 && !state.stopping
    return jsonResponse({ ready, ...state }, ready ? 200 : 503)
  }
}

import { connect } from 'node:net'

/** Where a probe of a container knocks, from within the node's network. */
export interface ProbeTarget {
  /** `http://HOST:PORT/PATH`, `https://…` (no certificate is checked, as by the kubelet) or `tcp://HOST:PORT`. */
  readonly url: string
  readonly timeoutMs: number
}

/** Whether it answers: a status from 200 to 399, or a connection. */
export async function knock(target: ProbeTarget): Promise<boolean> {
  const url = new URL(target.url)
  if (url.protocol === 'tcp:') return canConnect(url.hostname, Number(url.port), target.timeoutMs)
  try {
    const response = await fetch(url, {
      proxy: false,
      redirect: 'manual',
      signal: AbortSignal.timeout(target.timeoutMs),
      headers: { 'user-agent': 'kube-probe/1.36', connection: 'close' },
      ...(url.protocol === 'https:' && { tls: { rejectUnauthorized: false } }),
    })
    await response.body?.cancel()
    return response.status >= 200 && response.status < 400
  } catch {
    return false
  }
}

function canConnect(host: string, port: number, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    const end = (answer: boolean): void => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(timeoutMs, () => end(false))
    socket.once('connect', () => end(true))
    socket.once('error', () => end(false))
  })
}

/**
 * Resolves at the first SIGINT or SIGTERM, with its name. A second one ends the process at once,
 * for whoever does not want to wait for an orderly end.
 */
export function stopSignal(): Promise<'SIGINT' | 'SIGTERM'> {
  return new Promise((resolve) => {
    let isStopping = false
    const stop = (signal: 'SIGINT' | 'SIGTERM'): void => {
      if (isStopping) process.exit(1)
      isStopping = true
      resolve(signal)
    }
    process.on('SIGINT', () => stop('SIGINT'))
    process.on('SIGTERM', () => stop('SIGTERM'))
  })
}

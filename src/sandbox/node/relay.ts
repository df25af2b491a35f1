/**
 * The program that holds a node's network namespace. It is started inside it and takes one order a
 * line on standard input: `forward PORT` listens on that port of the loopback and pipes each
 * connection to a Unix socket on the host's side, the port in two bytes first (path sockets belong
 * to no network namespace); `probe NUMBER JSON` knocks at an address. Each is answered by a line
 * that starts with the order's first two words. It ends with its standard input, so nothing of it
 * outlives the node.
 */
import { connect, createServer, type Socket } from 'node:net'
import { knock, type ProbeTarget } from './probe-target.ts'

const [socketPath = ''] = process.argv.slice(2)

const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

function listenOn(port: number): void {
  const server = createServer({ allowHalfOpen: true }, (inside) => carry(inside, port))
  server.once('error', (error) => say(`forward ${port} failed: ${error.message}`))
  server.listen(port, '127.0.0.1', () => say(`forward ${port} ok`))
}

function carry(inside: Socket, port: number): void {
  const outside = connect({ path: socketPath, allowHalfOpen: true })
  const end = (): void => {
    inside.destroy()
    outside.destroy()
  }
  inside.on('error', end)
  outside.on('error', end)
  outside.on('close', () => inside.destroy())
  inside.on('close', () => outside.destroy())
  outside.on('connect', () => {
    outside.write(Uint8Array.of(port >> 8, port & 255))
    inside.pipe(outside)
    outside.pipe(inside)
  })
}

function obey(order: string): void {
  const [, verb, number = '', rest = ''] = /^(\w+) (\d+) ?(.*)$/.exec(order) ?? []
  if (verb === 'forward') listenOn(Number(number))
  if (verb === 'probe') {
    void knock(JSON.parse(rest) as ProbeTarget).then((isUp) =>
      say(`probe ${number} ${isUp ? 'ok' : 'failed'}`),
    )
  }
}

say('ready')
let pending = ''
for await (const chunk of Bun.stdin.stream()) {
  pending += new TextDecoder().decode(chunk)
  const lines = pending.split('\n')
  pending = lines.pop() ?? ''
  for (const line of lines) obey(line)
}
process.exit(0)

/** The addresses that pods reach the agent at, and the network link that carries them. */
import { isIP } from 'node:net'
import { codeOf, messageOf, PodroleError } from '../lib/errors.ts'
import { faultFields, type Log } from '../lib/log.ts'

/**
 * The two link-local addresses that every AWS SDK allows for container credentials over plain HTTP.
 * Source: EKS User Guide, "Set up the Amazon EKS Pod Identity Agent".
 */
export const POD_IDENTITY_IPV4 = '169.254.170.23'
export const POD_IDENTITY_IPV6 = 'fd00:ec2::23'

export const DEFAULT_BIND_HOSTS: readonly string[] = [POD_IDENTITY_IPV4, POD_IDENTITY_IPV6]

/** The link that `agent init` makes for the two addresses. */
export const POD_IDENTITY_LINK = 'pod-id-link0'

/**
 * An address in the one form that addresses are compared in: no brackets, IPv6 compressed and in
 * lower case. Undefined for a name.
 */
export function normalizeAddress(host: string): string | undefined {
  const bare = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
  const family = isIP(bare)
  if (family === 4) return bare
  if (family === 6 && !bare.includes('%')) return new URL(`http://[${bare}]`).hostname.slice(1, -1)
  return undefined
}

/** True for the addresses that only processes of the node, or of the pod, can reach. */
export function isLoopback(address: string): boolean {
  return address === '::1' || /^127\.\d+\.\d+\.\d+$/.test(address)
}

/**
 * The values of a Host header, without the port, that a listener on these addresses answers. A page
 * in somebody's browser that points a name of its own at the agent sends that name.
 */
export function allowedHostsOf(bindHosts: readonly string[]): ReadonlySet<string> {
  const addresses = bindHosts.flatMap((host) => normalizeAddress(host) ?? [])
  return new Set([...addresses, ...(addresses.some(isLoopback) ? ['localhost'] : [])])
}

/** The host of a Host header in the form of `allowedHostsOf`; undefined where it is none. */
export function hostOfHeader(header: string): string | undefined {
  const match = /^(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9.-]{1,253})(?::\d{1,5})?$/.exec(header)
  const host = match?.[1]
  return host === undefined ? undefined : (normalizeAddress(host) ?? host.toLowerCase())
}

/** A host that could not be listened on. */
export interface FailedHost {
  readonly host: string
  readonly message: string
}

/**
 * Starts a listener on each host. One that fails (IPv6 switched off on the node) does not stop the
 * others; none at all is a fault.
 * @throws PodroleError `NoAddressToListenOn`
 */
export function listenOnEach<T>(
  hosts: readonly string[],
  listen: (host: string) => T,
  log: Log,
): { readonly listening: readonly T[]; readonly failed: readonly FailedHost[] } {
  const listening: T[] = []
  const failed: FailedHost[] = []
  for (const host of hosts) {
    try {
      listening.push(listen(host))
    } catch (error) {
      log.warn('cannot listen on an address', { host, ...faultFields(error) })
      failed.push({ host, message: `${host}: ${messageOf(error)}${bindAdvice(error)}` })
    }
  }
  if (listening.length > 0) return { listening, failed }
  throw new PodroleError(
    'NoAddressToListenOn',
    `none of the addresses can be listened on: ${failed.map((one) => one.message).join('; ')}`,
    { hint: "Run 'podrole agent init' on the node first, or listen on loopback as a sidecar." },
  )
}

function bindAdvice(error: unknown): string {
  switch (codeOf(error)) {
    case 'EADDRNOTAVAIL':
      return ' (the address is not on this node)'
    case 'EACCES':
      return ' (a port below 1024 needs NET_BIND_SERVICE)'
    case 'EADDRINUSE':
      return ' (something else listens there)'
    default:
      return ''
  }
}

/** Runs one program and gives its exit code and output; never throws for an exit code. */
export type RunCommand = (
  command: readonly string[],
) => Promise<{ readonly exitCode: number; readonly stdout: string; readonly stderr: string }>

export interface LinkOptions {
  /** Default `pod-id-link0`; `lo` puts the addresses on loopback's link, which always exists. */
  readonly link?: string
  /** Default: runs programs for real. */
  readonly run?: RunCommand
  readonly log: Log
}

type Prepared = Required<LinkOptions>

/**
 * Puts the two addresses on a link of the node, with a route each; what is there already stays.
 * IPv6 may fail: nodes without it are served over IPv4.
 * @throws PodroleError `CannotMakeLink`
 */
export async function createAgentLink(given: LinkOptions): Promise<void> {
  const options: Prepared = { link: POD_IDENTITY_LINK, run: runCommand, ...given }
  const { link } = options
  await ensureLink(options)
  await ensureAddress(options, '-4')
  try {
    await ensureAddress(options, '-6')
  } catch (error) {
    options.log.warn('no IPv6 address: pods are served over IPv4 alone', faultFields(error))
  }
  options.log.info('addresses are on the node', { link })
}

async function ensureLink(options: Prepared): Promise<void> {
  const { link } = options
  const known = await options.run(['ip', 'link', 'show', 'dev', link])
  if (known.exitCode !== 0) {
    const made = await options.run(['ip', 'link', 'add', link, 'type', 'dummy'])
    if (made.exitCode !== 0 && !made.stderr.includes('File exists')) {
      throw new PodroleError(
        'CannotMakeLink',
        `link ${link} cannot be made: ${firstLine(made.stderr)}`,
        {
          hint: `Where the kernel has no dummy links, load the module ('modprobe dummy'), put the addresses on loopback's link ('ip addr add ${POD_IDENTITY_IPV4}/32 dev lo'), or run the agent as a sidecar on 127.0.0.1; 'Operation not permitted' means that NET_ADMIN is missing.`,
        },
      )
    }
  }
  await mustRun(options, ['ip', 'link', 'set', 'dev', link, 'up'])
}

async function ensureAddress(options: Prepared, family: '-4' | '-6'): Promise<void> {
  const { link } = options
  const address = family === '-4' ? `${POD_IDENTITY_IPV4}/32` : `${POD_IDENTITY_IPV6}/128`
  // An IPv6 address that is still checked for duplicates cannot be listened on.
  const flags = family === '-6' ? ['nodad'] : []
  await mustRun(options, ['ip', family, 'addr', 'replace', address, 'dev', link, ...flags])
  const routes = await mustRun(options, ['ip', '-o', family, 'route', 'show', 'exact', address])
  const other = [...routes.matchAll(/\bdev (\S+)/g)].find(([, device]) => device !== link)?.[1]
  if (other !== undefined) {
    throw new PodroleError(
      'CannotMakeLink',
      `the route to ${address} goes over ${other}: wanted it over ${link}`,
      { hint: `Remove it with 'ip ${family} route del ${address} dev ${other}' and try again.` },
    )
  }
  await mustRun(options, ['ip', family, 'route', 'replace', address, 'dev', link])
}

async function mustRun(options: Prepared, command: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await options.run(command)
  if (exitCode === 0) return stdout
  throw new PodroleError(
    'CannotMakeLink',
    `'${command.join(' ')}' failed with exit code ${exitCode}: ${firstLine(stderr)}`,
  )
}

const firstLine = (text: string): string => (text.trim().split('\n')[0] ?? '').slice(0, 300)

/** Runs programs for real. A program that is missing has the exit code 127. */
export const runCommand: RunCommand = async (command) => {
  try {
    const child = Bun.spawn([...command], { stdout: 'pipe', stderr: 'pipe', stdin: 'ignore' })
    const [stdout, stderr, exitCode] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ])
    return { exitCode, stdout, stderr }
  } catch (error) {
    return { exitCode: 127, stdout: '', stderr: messageOf(error) }
  }
}

/** What the agent is told, checked in one pass. */
import { z } from 'zod'
import { PodroleError } from '../lib/errors.ts'
import {
  DEFAULT_BIND_HOSTS,
  isLoopback,
  normalizeAddress,
  POD_IDENTITY_IPV4,
  POD_IDENTITY_IPV6,
} from './addresses.ts'

const port = z.number().int().min(0).max(65_535)

const bindHost = z.string().transform((host, context) => {
  const address = normalizeAddress(host)
  if (address !== undefined) return address
  context.addIssue({ code: 'custom', message: `${JSON.stringify(host)} is not an IP address` })
  return z.NEVER
})

const endpoint = z.string().refine((text) => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url !== undefined && /^https?:$/.test(url.protocol) && url.username + url.search === ''
}, 'wanted an http or https URL without user and query')

const schema = z
  .strictObject({
    /** The name in the path of the EKS Auth call. */
    clusterName: z
      .string()
      .regex(/^[0-9A-Za-z][A-Za-z0-9_-]{0,99}$/, 'wanted 1 to 100 letters, digits, - and _'),
    region: z.string().regex(/^[a-z]{2}[a-z0-9-]{1,30}$/, 'wanted the name of a region'),
    /** EKS Auth or a broker; default: EKS Auth of the region. */
    endpoint: endpoint.optional(),
    bindHosts: z
      .array(bindHost)
      .min(1)
      .max(8)
      .default([...DEFAULT_BIND_HOSTS]),
    port: port.default(80),
    probePort: port.default(2703),
    /** Of `/metrics`; loopback, which pods do not reach, unless unsafeMetricsAddress. */
    metricsAddress: bindHost.default('127.0.0.1'),
    metricsPort: port.default(2705),
    unsafeMetricsAddress: z.boolean().default(false),
    /** The agent's own token for a broker, read again at each call; without it: SigV4. */
    brokerTokenFile: z.string().min(1).optional(),
    /** PEM of the authorities that the endpoint's certificate is from. */
    caFile: z.string().min(1).optional(),
    maxCacheEntries: z.number().int().min(1).max(100_000).optional(),
    /** Milliseconds until a pod is answered, whatever upstream does. */
    answerWithinMs: z.number().int().min(50).max(60_000).optional(),
    /** Lets the agent listen where other machines can reach it. */
    unsafeBindHosts: z.boolean().default(false),
  })
  .superRefine((config, context) => {
    config.bindHosts.forEach((host, at) => {
      const own = host === POD_IDENTITY_IPV4 || host === POD_IDENTITY_IPV6 || isLoopback(host)
      if (own || config.unsafeBindHosts) return
      context.addIssue({
        code: 'custom',
        path: ['bindHosts', at],
        message: `${host} can be reached from outside: wanted ${POD_IDENTITY_IPV4}, ${POD_IDENTITY_IPV6} or loopback, or unsafeBindHosts`,
      })
    })
    const { metricsAddress } = config
    if (DEFAULT_BIND_HOSTS.includes(metricsAddress)) {
      context.addIssue({
        code: 'custom',
        path: ['metricsAddress'],
        message: `${metricsAddress} is where every pod asks for credentials: wanted another address`,
      })
    } else if (!isLoopback(metricsAddress) && !config.unsafeMetricsAddress) {
      context.addIssue({
        code: 'custom',
        path: ['metricsAddress'],
        message: `${metricsAddress} can be reached by pods: wanted loopback, or unsafeMetricsAddress`,
      })
    }
    if (config.brokerTokenFile !== undefined && config.endpoint === undefined) {
      context.addIssue({
        code: 'custom',
        path: ['endpoint'],
        message: 'wanted with brokerTokenFile: the URL of the broker',
      })
    }
    // Pods' tokens go there and their credentials come back, however the agent proves itself.
    if (isPlainRemote(config.endpoint)) {
      context.addIssue({
        code: 'custom',
        path: ['endpoint'],
        message: 'tokens and credentials go over https alone, but for an endpoint on loopback',
      })
    }
  })

/** What may be given: everything with a default may be left out. */
export type AgentConfigInput = z.input<typeof schema>
export type AgentConfig = z.output<typeof schema>

/** @throws PodroleError `InvalidAgentConfig` with the path of every fault */
export function readAgentConfig(input: unknown): AgentConfig {
  const read = schema.safeParse(input)
  if (read.success) return read.data
  const faults = read.error.issues.map(
    (issue) => `${issue.path.map(String).join('.') || 'config'}: ${issue.message}`,
  )
  throw new PodroleError(
    'InvalidAgentConfig',
    `the agent's settings are wrong: ${faults.join('; ')}`,
  )
}

function isPlainRemote(text: string | undefined): boolean {
  if (text === undefined || !URL.canParse(text)) return false
  const url = new URL(text)
  const host = normalizeAddress(url.hostname) ?? url.hostname
  return url.protocol === 'http:' && host !== 'localhost' && !isLoopback(host)
}

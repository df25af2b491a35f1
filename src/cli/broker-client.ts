/** Commands that speak to a broker's own API. */
import { readFileSync } from 'node:fs'
import { readAdminKeyFile } from '../broker/start-broker.ts'
import { messageOf, PodroleError } from '../lib/errors.ts'
import type { BrokerAccessFlags } from './commands/broker.ts'
import type { RegisterFlags } from './commands/cluster.ts'
import { printData } from './output.ts'
import { callEks, type EksEndpoint } from './parts/associations.ts'

interface KeyRow {
  readonly accessKeyId: string
  readonly scope: { readonly kind: string; readonly clusterName?: string }
  readonly description: string
  readonly createdAt: number
}

interface ClusterRow {
  readonly name: string
  readonly followIssuer: boolean
  readonly arn: string
  readonly issuer: string
  readonly createdAt: number
}

export async function createKey(
  flags: BrokerAccessFlags & { readonly cluster?: string; readonly description?: string },
): Promise<void> {
  const scope =
    flags.cluster === undefined ? { kind: 'admin' } : { kind: 'agent', clusterName: flags.cluster }
  const made = await callEks(await brokerEndpoint(flags), 'POST', '/podrole/v1/keys', {
    scope,
    ...(flags.description !== undefined && { description: flags.description }),
  })
  printData(flags.output, made, {
    columns: ['access key id', 'secret access key'],
    rows: [[String(made['accessKeyId']), String(made['secretAccessKey'])]],
  })
}

export async function listKeys(flags: BrokerAccessFlags): Promise<void> {
  const answer = await callEks(await brokerEndpoint(flags), 'GET', '/podrole/v1/keys')
  const keys = answer['keys'] as KeyRow[]
  printData(flags.output, keys, {
    columns: ['access key id', 'scope', 'description', 'created'],
    rows: keys.map(({ accessKeyId, scope, description, createdAt }) => [
      accessKeyId,
      scope.kind === 'admin' ? 'admin' : `agent of ${scope.clusterName ?? ''}`,
      description,
      isoTime(createdAt),
    ]),
  })
}

export async function revokeKey(id: string, flags: BrokerAccessFlags): Promise<void> {
  await callEks(await brokerEndpoint(flags), 'DELETE', `/podrole/v1/keys/${encodeURIComponent(id)}`)
  process.stdout.write(`broker key ${id} revoked\n`)
}

export async function registerCluster(name: string, flags: RegisterFlags): Promise<void> {
  const cluster = await callEks(await brokerEndpoint(flags), 'PUT', pathOf(name), {
    issuer: flags.issuer,
    ...(await registeredKeys(flags)),
    ...(flags.audience !== undefined && { audiences: flags.audience }),
    ...(flags.agent !== undefined && { agents: flags.agent }),
  })
  printClusters(flags, cluster, [cluster as unknown as ClusterRow])
}

async function registeredKeys({ followIssuer, jwks }: RegisterFlags): Promise<object> {
  if ((jwks === undefined) === (followIssuer === undefined)) {
    throw new PodroleError(
      'ConflictingOptions',
      'the keys of a cluster come from one place: wanted --jwks FILE or --follow-issuer',
      { hint: '--follow-issuer is for an issuer that the broker can read over https' },
    )
  }
  if (jwks === undefined) return { followIssuer: true }
  const text = jwks === '-' ? await Bun.stdin.text() : readFileSync(jwks, 'utf8')
  return { jwks: parseKeys(text, jwks) }
}

export async function listClusters(flags: BrokerAccessFlags): Promise<void> {
  const answer = await callEks(await brokerEndpoint(flags), 'GET', '/podrole/v1/clusters')
  const clusters = answer['clusters'] as ClusterRow[]
  printClusters(flags, clusters, clusters)
}

/** A cluster as its broker describes it. */
export const askForCluster = async (
  name: string,
  flags: Omit<BrokerAccessFlags, 'output'>,
): Promise<Readonly<Record<string, unknown>>> =>
  callEks(await brokerEndpoint(flags), 'GET', pathOf(name))

export async function removeCluster(name: string, flags: BrokerAccessFlags): Promise<void> {
  await callEks(await brokerEndpoint(flags), 'DELETE', pathOf(name))
  process.stdout.write(`cluster ${name} removed\n`)
}

function printClusters(
  flags: BrokerAccessFlags,
  value: unknown,
  clusters: readonly ClusterRow[],
): void {
  printData(flags.output, value, {
    columns: ['name', 'arn', 'issuer', 'keys', 'created'],
    rows: clusters.map(({ name, arn, issuer, followIssuer, createdAt }) => [
      name,
      arn,
      issuer,
      followIssuer ? 'of the issuer' : 'registered',
      isoTime(createdAt),
    ]),
  })
}

/** Where a broker is, with the key that is to be used there. */
export async function brokerEndpoint(
  flags: Omit<BrokerAccessFlags, 'output'>,
): Promise<EksEndpoint> {
  return {
    url: flags.broker.replace(/\/$/, ''),
    region: flags.region,
    credentials: await readAdminKeyFile(flags.keyFile),
    ...(flags.caFile !== undefined && { ca: readFileSync(flags.caFile, 'utf8') }),
  }
}

function parseKeys(text: string, from: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new PodroleError('InvalidJwks', `${from} is not JSON: ${messageOf(error)}`, {
      hint: "a cluster prints its keys with 'kubectl get --raw /openid/v1/jwks'",
    })
  }
}

const pathOf = (name: string): string => `/podrole/v1/clusters/${encodeURIComponent(name)}`

const isoTime = (epochSeconds: number): string => new Date(epochSeconds * 1000).toISOString()

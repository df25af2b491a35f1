/** podrole's webhook for a cluster of the sandbox, and its configuration in that cluster. */
import { type AssociationsClient, createAssociationsClient } from '../../aws/associations-client.ts'
import { MUTATING_WEBHOOK_CONFIGURATIONS } from '../../kube/client.ts'
import type { KubeObject } from '../../kube/objects.ts'
import { createKubeClient } from '../../kube/transport.ts'
import type { Clock } from '../../lib/clock.ts'
import { PodroleError } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import { SANDBOX_USER_AGENT } from '../../sandbox/aws/decisions.ts'
import { SANDBOX_PARTS } from '../../sandbox/cluster/users.ts'
import type { RunningCluster, Sandbox } from '../../sandbox/sandbox.ts'
import { parseWebhookConfig } from '../../webhook/config.ts'
import { associationIdentities } from '../../webhook/identities.ts'
import { webhookManifests } from '../../webhook/manifests.ts'
import { type RunningWebhook, startWebhook } from '../../webhook/webhook-app.ts'
import type { BrokerPart } from './broker-part.ts'
import { putObject } from './objects.ts'

export interface WebhookPart {
  /** Starts it and makes the cluster call it; the URI is what pods ask for credentials. */
  install(fullUri: string | undefined): Promise<void>
  /** Corrects a configuration of an earlier start, which a restore brought back. */
  restored(): Promise<void>
  stop(): Promise<void>
}

export interface WebhookSurroundings {
  readonly cluster: RunningCluster
  readonly sandbox: Sandbox
  readonly broker: BrokerPart | undefined
  readonly namespace: string
  readonly clock: Clock
  readonly log: Log
}

export async function startWebhookPart(around: WebhookSurroundings): Promise<WebhookPart> {
  const { cluster, sandbox, namespace } = around
  let running: RunningWebhook | undefined
  return {
    install: async (fullUri) => {
      const user = `system:serviceaccount:${namespace}:podrole-webhook`
      const token = cluster.cluster.tokenFor(user, ['podrole:webhook', SANDBOX_PARTS])
      const client = createKubeClient({
        server: cluster.cluster.server,
        ca: cluster.cluster.certificateAuthority,
        token: () => token,
      })
      running = await startWebhook({
        client,
        identities: associationIdentities({
          clusterName: cluster.name,
          source: await associationsOf(around),
          clock: around.clock,
          log: around.log,
        }),
        config: parseWebhookConfig({
          'aws-default-region': cluster.region,
          ...(fullUri !== undefined && { 'container-credentials-full-uri': fullUri }),
        }),
        certificate: await sandbox.authority.issue({ names: ['127.0.0.1'] }),
        hostname: '127.0.0.1',
        port: 0,
        log: around.log,
        clock: around.clock,
      })
      await running.ready()
      await configure(around, running)
    },
    restored: async () => {
      if (running !== undefined) await correctAddress(around, running)
    },
    stop: async () => {
      await running?.stop()
      running = undefined
    },
  }
}

/** What EKS's control plane knows, or a broker's list by a key for this one cluster. */
async function associationsOf(around: WebhookSurroundings): Promise<AssociationsClient> {
  const { cluster, sandbox, broker, clock } = around
  const { accountId, region, name } = cluster
  if (broker === undefined) return sandbox.aws.associationsOf({ accountId, region, name })
  const credentials = await broker.clusterKey('webhook', name)
  return createAssociationsClient({
    endpoint: broker.endpoint.url,
    region,
    credentials: () => Promise.resolve(credentials),
    clock,
    userAgent: SANDBOX_USER_AGENT,
    ca: broker.endpoint.ca,
  })
}

interface Configuration extends KubeObject {
  readonly webhooks?: readonly { readonly name: string; readonly clientConfig: object }[]
}

async function configure(around: WebhookSurroundings, running: RunningWebhook): Promise<void> {
  const configuration = configurationOf(around, running)
  await putObject(around.cluster.client, MUTATING_WEBHOOK_CONFIGURATIONS, configuration)
}

/** Whatever else was changed of a configuration stays; one that is not there is not wanted. */
async function correctAddress(around: WebhookSurroundings, running: RunningWebhook): Promise<void> {
  const { client } = around.cluster
  const own = configurationOf(around, running)
  const ref = { name: own.metadata.name ?? '' }
  const there = await client
    .get<Configuration>(MUTATING_WEBHOOK_CONFIGURATIONS, ref)
    .catch(() => undefined)
  if (there === undefined) return
  const webhooks = (there.webhooks ?? []).map((webhook) => ({
    ...webhook,
    clientConfig:
      own.webhooks?.find(({ name }) => name === webhook.name)?.clientConfig ?? webhook.clientConfig,
  }))
  await client.replace<Configuration>(MUTATING_WEBHOOK_CONFIGURATIONS, { ...there, webhooks })
}

/** Of the webhook's own manifests, the one object that a webhook outside the cluster needs. */
function configurationOf(around: WebhookSurroundings, running: RunningWebhook): Configuration {
  const objects = webhookManifests({
    namespace: around.namespace,
    image: 'podrole',
    caBundle: around.sandbox.authority.cert,
    url: `${running.url}/mutate`,
  })
  const configuration = objects.find(({ kind }) => kind === 'MutatingWebhookConfiguration')
  if (configuration === undefined) {
    throw new PodroleError('NoWebhookConfiguration', 'the manifests hold no webhook configuration')
  }
  return configuration
}

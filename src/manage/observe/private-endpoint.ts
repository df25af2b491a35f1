import { codeOf, messageOf, PodroleError } from '../../lib/errors.ts'
import type { KubeClient } from '../../kube/client.ts'

const WAYS =
  'Ways in: a VPN or a peering into its VPC; a proxy or bastion there (proxy-url in the kubeconfig, or HTTPS_PROXY); a runner inside. Without one: --aws-only here, and --kubernetes-only by whoever is inside.'

/**
 * A fault of a cluster's API server that was not reached, as what it is where EKS says that the
 * server is private (EKS User Guide, "Cluster API server endpoint"): its name leads into the VPC, or
 * nowhere. Anything else comes back as it was.
 */
export function explainPrivate(
  error: unknown,
  { isPrivate, name }: { readonly name: string; readonly isPrivate?: boolean },
): unknown {
  const code = codeOf(error)
  const isLost = code === 'KubeTimeout' || (code === 'KubeUnreachable' && !isAboutTrust(error))
  if (isPrivate !== true || !isLost) return error
  return new PodroleError(
    'PrivateEndpoint',
    `the Kubernetes API of cluster ${name} is private (EKS: endpointPublicAccess is off), and is not reached from here: ${messageOf(error)}`,
    { hint: WAYS, cause: error },
  )
}

/** Who gets a certificate, right or wrong, has reached a server. */
const isAboutTrust = (error: unknown): boolean =>
  error instanceof Error && /CERT|SIGNATURE|ALTNAME/.test(codeOf(error.cause) ?? '')

/** A client whose faults say that the server is private. */
export function explainingClient(
  client: KubeClient,
  cluster: { readonly name: string; readonly isPrivate?: boolean },
): KubeClient {
  if (cluster.isPrivate !== true) return client
  const explained = async <T>(call: Promise<T>): Promise<T> => {
    try {
      return await call
    } catch (error) {
      throw explainPrivate(error, cluster)
    }
  }
  return {
    ...client,
    raw: (...call) => explained(client.raw(...call)),
    get: (type, ref) => explained(client.get(type, ref)),
    list: (type, options) => explained(client.list(type, options)),
    create: (type, object) => explained(client.create(type, object)),
    replace: (type, object) => explained(client.replace(type, object)),
    jsonPatch: (type, ref, patch) => explained(client.jsonPatch(type, ref, patch)),
    mergePatch: (type, ref, patch) => explained(client.mergePatch(type, ref, patch)),
    delete: (type, ref) => explained(client.delete(type, ref)),
  }
}

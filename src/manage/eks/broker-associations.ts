import type { AssociationCalls } from '../../aws/association-calls.ts'
import { outlastThrottling } from '../../aws/throttling.ts'
import { ServiceFault } from '../../aws/service-fault.ts'
import { isUntrusted } from '../../lib/untrusted.ts'
import type { AssociationPort } from './association-port.ts'

export const UNTRUSTED_BROKER_HINT =
  "Name the authority behind the broker's certificate with --ca-file."

/** The associations of a cluster on a broker, whose codes lose their `Exception` as the SDK's do. */
export function brokerAssociations(
  calls: AssociationCalls,
  cluster: { readonly clusterName: string; readonly broker: string },
): AssociationPort {
  const { broker, clusterName } = cluster
  const call = <T>(operation: string, run: () => Promise<T>): Promise<T> =>
    outlastThrottling(async () => {
      try {
        return await run()
      } catch (error) {
        throw faultOf(`${operation} of cluster ${clusterName}`, error)
      }
    })
  return {
    place: `broker ${broker}`,
    list: (filter = {}) =>
      call('ListPodIdentityAssociations', () => calls.list(clusterName, filter)),
    describe: (id) =>
      call(`DescribePodIdentityAssociation ${id}`, () => calls.describe(clusterName, id)),
    create: (association) => {
      // The same request sent again, because its answer was lost, is recognised by it.
      const body = { ...association, clientRequestToken: crypto.randomUUID() }
      const { namespace, serviceAccount } = association
      return call(`CreatePodIdentityAssociation ${namespace}/${serviceAccount}`, () =>
        calls.create(clusterName, body),
      )
    },
    update: (id, change) =>
      call(`UpdatePodIdentityAssociation ${id}`, () =>
        calls.update(clusterName, id, { ...change }),
      ),
    delete: (id) => call(`DeletePodIdentityAssociation ${id}`, () => calls.delete(clusterName, id)),
    tagging: {
      tag: (arn, tags) => call(`TagResource ${arn}`, () => calls.tag(arn, tags)),
      untag: (arn, keys) => call(`UntagResource ${arn}`, () => calls.untag(arn, keys)),
    },
  }
}

function faultOf(what: string, error: unknown): unknown {
  if (!(error instanceof ServiceFault)) return error
  const code = error.code.replace(/Exception$/, '')
  return new ServiceFault(code, `${what}: ${code}: ${error.message}`, {
    fault: error.fault,
    requestId: error.requestId,
    hint: isUntrusted(error.cause) ? UNTRUSTED_BROKER_HINT : error.hint,
    ...(error.status !== undefined && { status: error.status }),
    cause: error,
  })
}

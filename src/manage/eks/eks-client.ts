import type * as EksSdk from '@aws-sdk/client-eks'
import type { AwsAccount } from '../../aws/account.ts'
import { callSdk } from '../../aws/sdk-fault.ts'
import { outlastThrottling } from '../../aws/throttling.ts'
import { PodroleError } from '../../lib/errors.ts'

interface Page<T> {
  readonly items: readonly T[] | undefined
  readonly nextToken?: string | undefined
}

/** The AWS SDK's EKS client of an account, for the ports of this folder. */
export interface EksClient {
  readonly sdk: typeof EksSdk
  /** `EKS in eu-central-1` */
  readonly place: string
  /** One call; its faults become ours. @param what `DescribeAddon x of cluster y` */
  readonly call: <T>(what: string, send: (client: EksSdk.EKSClient) => Promise<T>) => Promise<T>
  /**
   * All pages of a list.
   * @throws PodroleError `InvalidServiceAnswer`: a page that comes again
   */
  readonly all: <T>(
    what: string,
    page: (client: EksSdk.EKSClient, nextToken: string | undefined) => Promise<Page<T>>,
  ) => Promise<readonly T[]>
}

/** @param onCall told the name of every operation that is called */
export async function openEks(
  account: AwsAccount,
  onCall?: (operation: string) => void,
): Promise<EksClient> {
  const sdk = await import('@aws-sdk/client-eks')
  const client = new sdk.EKSClient(account.clientConfig)
  const call: EksClient['call'] = (what, send) =>
    outlastThrottling(() => {
      onCall?.(what.split(' ', 1)[0] ?? what)
      return callSdk(what, () => send(client))
    })
  return {
    sdk,
    place: `EKS in ${account.region}`,
    call,
    all: async (what, page) => {
      const items = []
      const seen = new Set<string>()
      let token: string | undefined
      do {
        const at = token
        const answer = await call(what, () => page(client, at))
        items.push(...(answer.items ?? []))
        token = answer.nextToken || undefined
        if (token !== undefined && seen.has(token)) {
          throw new PodroleError('InvalidServiceAnswer', `${what}: EKS repeats its nextToken`)
        }
        if (token !== undefined) seen.add(token)
      } while (token !== undefined)
      return items
    },
  }
}

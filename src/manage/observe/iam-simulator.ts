import type { EvaluationResult } from '@aws-sdk/client-iam'
import type { AwsAccount } from '../../aws/account.ts'
import { callSdk } from '../../aws/sdk-fault.ts'
import { outlastThrottling } from '../../aws/throttling.ts'
import type { PermissionSimulator, SimulatedAction } from './permissions.ts'

/** IAM's policy simulator by the AWS SDK. */
export async function iamSimulator(account: AwsAccount): Promise<PermissionSimulator> {
  const sdk = await import('@aws-sdk/client-iam')
  const iam = new sdk.IAMClient(account.clientConfig)
  return {
    simulate: async (PolicySourceArn, actions, resource) => {
      const found: SimulatedAction[] = []
      let Marker: string | undefined
      do {
        const input = {
          PolicySourceArn,
          ActionNames: [...actions],
          ResourceArns: [resource],
          Marker,
        }
        const page = await outlastThrottling(() =>
          callSdk(`SimulatePrincipalPolicy ${PolicySourceArn}`, () =>
            iam.send(new sdk.SimulatePrincipalPolicyCommand(input)),
          ),
        )
        found.push(...(page.EvaluationResults ?? []).map(simulatedOf))
        Marker = page.IsTruncated === true ? page.Marker : undefined
      } while (Marker !== undefined)
      return found
    },
  }
}

function simulatedOf(result: EvaluationResult): SimulatedAction {
  const { EvalActionName: action = '', EvalDecision, MissingContextValues = [] } = result
  if (EvalDecision === 'allowed') return { action, isAllowed: true }
  // An explicit deny that matched is one, whatever else is missing.
  const isOpen = EvalDecision === 'implicitDeny' && MissingContextValues.length > 0
  return { action, isAllowed: isOpen ? undefined : false }
}

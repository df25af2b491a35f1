import { sdkOfUserAgent } from './sdk.ts'
import type { ErrorFact } from './workload-facts.ts'

const DENIED =
  /User: (arn:[\w-]+:sts::\d{12}:assumed-role\/([\w+=,.@-]+)\/\S+) is not authorized to perform: ([a-z0-9-]+:\w+)(?: on resource: "?(arn:[^\s"]+)"?)?/

/**
 * Reads the message of an SDK, or of CloudTrail, as far as it says more than that something was
 * refused: who asked, for what, and by which kind of policy (IAM User Guide, "Troubleshoot access
 * denied error messages").
 */
export function errorFact(text: string): ErrorFact {
  const [, , role, action, resource] = DENIED.exec(text) ?? []
  const [, issuer] =
    /No OpenIDConnect provider found in your account for (https?:\/\/[^\s"']+)/.exec(text) ?? []
  const sdk = sdkOfUserAgent(text)
  return {
    ...(role !== undefined && { role }),
    ...(action !== undefined && { action }),
    ...(resource !== undefined && { resource }),
    ...(issuer !== undefined && { issuer }),
    ...(sdk !== undefined && { sdk }),
    byOrganization: /(?:service|resource) control policy/i.test(text),
  }
}

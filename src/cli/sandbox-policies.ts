/** The files of `podrole sandbox --scp`. */
import { readFileSync, statSync } from 'node:fs'
import { parsePolicy } from '../iam/policy.ts'
import { messageOf, PodroleError } from '../lib/errors.ts'
import type { ServiceControlSetting } from '../sandbox/aws/identity/organization.ts'
import { checkAccount } from './sandbox-places.ts'

const MAX_BYTES = 1 << 20

/**
 * A service control policy as it is typed: `FILE` for every account, `ACCOUNT=FILE` for one.
 * @throws PodroleError `InvalidServiceControlPolicy`, `UnknownAccount`
 */
export function readServiceControlPolicy(
  text: string,
  accountIds: readonly string[],
): ServiceControlSetting {
  const [, accountId = '*', file = ''] = /^(?:(\d{12})=)?(.*)$/s.exec(text) ?? []
  const invalid = (why: string, hint?: string): PodroleError =>
    new PodroleError(
      'InvalidServiceControlPolicy',
      `service control policy ${JSON.stringify(file)} ${why}`,
      hint === undefined ? {} : { hint },
    )
  if (accountId !== '*') {
    checkAccount(accountId, accountIds, `service control policy ${JSON.stringify(file)}`)
  }
  let document = ''
  try {
    const { size } = statSync(file)
    if (size > MAX_BYTES) throw invalid(`has ${size} bytes: wanted at most ${MAX_BYTES}`)
    document = readFileSync(file, 'utf8')
  } catch (error) {
    if (error instanceof PodroleError) throw error
    throw invalid(`cannot be read: ${messageOf(error)}`)
  }
  try {
    parsePolicy(document, 'identity')
  } catch (error) {
    if (!(error instanceof PodroleError)) throw error
    throw invalid(`is no policy: ${error.message}`, error.hint)
  }
  return { accountId, name: file, document }
}

import { type Command, InvalidArgumentError } from 'commander'
import { outputOption } from '../options.ts'
import type { RoleAccountFlags } from './role.ts'

export interface TrustCompactFlags extends RoleAccountFlags {
  readonly file?: string
  readonly limit?: number
  readonly editable: boolean
  readonly apply: boolean
  readonly yes: boolean
}

const EXAMPLES = `
Every Allow that is understood is joined with others where that is exact; every other statement
stays as it was written. The evaluator is asked about members and near misses before anything is
shown. Nothing is written without --apply.

Examples:
  podrole role trust compact orders
  podrole role trust compact orders --apply --yes
  podrole role trust compact --file trust.json --limit 2048`

export function addTrustCompactCommand(trust: Command): void {
  trust
    .command('compact')
    .description('the smallest trust policy that admits exactly the same, shown as a diff')
    .argument('[role]', 'its name or ARN')
    .option('--file <file>', 'a policy in place of a role; - reads standard input')
    .option('--limit <characters>', "in place of the account's quota", readCharacters)
    .option(
      '--editable',
      "keep podrole's own statements as 'role trust' and plans know them",
      false,
    )
    .option('--apply', 'write it; asks first', false)
    .option('--yes', 'with --apply: do not ask', false)
    .option('--profile <name>', 'the AWS profile of the account; AWS_PROFILE if not given')
    .option('--region <region>', 'of the AWS calls; AWS_REGION if not given')
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action(async (role: string | undefined, flags: TrustCompactFlags) => {
      const { compactRoleTrust } = await import('../role-trust-compact-run.ts')
      await compactRoleTrust(role, flags)
    })
}

function readCharacters(text: string): number {
  const characters = Number(text)
  if (Number.isInteger(characters) && characters > 0) return characters
  throw new InvalidArgumentError('wanted a number of characters, such as 2048.')
}

import type { Command } from 'commander'
import { addIssuerProviderCommand } from './issuer-provider.ts'

export function addIssuerCommand(program: Command): void {
  const issuer = program.command('issuer').description('an issuer of service account tokens')
  addIssuerProviderCommand(issuer)
}

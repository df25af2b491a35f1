/** The command line: argv, environment, exit codes and wiring, and nowhere else. */
import { Command, CommanderError } from 'commander'
import { addAccessEntryCommand } from './commands/access-entry.ts'
import { addAddonCommand } from './commands/addon.ts'
import { addAdviseCommand } from './commands/advise.ts'
import { addAgentCommand } from './commands/agent.ts'
import { addAssociationCommand } from './commands/association.ts'
import { addBrokerCommand } from './commands/broker.ts'
import { addClusterCommand } from './commands/cluster.ts'
import { addDemoCommand } from './commands/demo.ts'
import { addImportCommand } from './commands/import.ts'
import { addIssuerCommand } from './commands/issuer.ts'
import { addApplyCommand, addDeleteCommand } from './commands/apply.ts'
import { addDoctorCommand } from './commands/doctor.ts'
import { addExplainCommand } from './commands/explain.ts'
import { addPlanCommand } from './commands/plan.ts'
import { addQuotasCommand } from './commands/quotas.ts'
import { addRoleCommand } from './commands/role.ts'
import { addSandboxCommand } from './commands/sandbox.ts'
import { addSchemaCommand } from './commands/schema.ts'
import { addVerifyCommand } from './commands/verify.ts'
import { addVersionCommand } from './commands/version.ts'
import { addWebhookCommand } from './commands/webhook.ts'
import { outliveReaders } from './closed-output.ts'
import { printFault } from './output.ts'

/** The whole command tree; the parts that a command needs are imported when it runs. */
export function buildProgram(): Command {
  const program = new Command('podrole')
    .description('Gives Kubernetes pods AWS credentials without a stored key, on any cluster.')
    .enablePositionalOptions()
    .showHelpAfterError("(run 'podrole --help' for the commands)")
    .exitOverride()
  addDemoCommand(program)
  addSandboxCommand(program)
  addIssuerCommand(program)
  addRoleCommand(program)
  addWebhookCommand(program)
  addAgentCommand(program)
  addBrokerCommand(program)
  addClusterCommand(program)
  addAssociationCommand(program)
  addAccessEntryCommand(program)
  addAddonCommand(program)
  addPlanCommand(program)
  addApplyCommand(program)
  addDeleteCommand(program)
  addImportCommand(program)
  addExplainCommand(program)
  addVerifyCommand(program)
  addDoctorCommand(program)
  addAdviseCommand(program)
  addQuotasCommand(program)
  addSchemaCommand(program)
  addVersionCommand(program)
  return program
}

if (import.meta.main) {
  outliveReaders()
  try {
    await buildProgram().parseAsync()
  } catch (error) {
    if (!(error instanceof CommanderError)) printFault(error)
    process.exitCode = error instanceof CommanderError && error.exitCode === 0 ? 0 : 1
  }
}

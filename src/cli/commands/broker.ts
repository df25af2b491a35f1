import { type Command, Option } from 'commander'
import type { LogLevel } from '../../lib/log.ts'
import { logLevelOption, type OutputFormat, outputOption } from '../options.ts'
import { ROTATION_PLAN, ROTATION_STEPS } from './rotation-words.ts'

/** Where a broker is and how to speak to it. */
export interface BrokerAccessFlags {
  readonly broker: string
  readonly region: string
  readonly keyFile: string
  readonly caFile?: string
  readonly output: OutputFormat
}

/** The options of every command that speaks to a broker. */
export function withBrokerAccess(command: Command): Command {
  return command
    .addOption(
      new Option('--broker <url>', 'the broker').env('PODROLE_BROKER_URL').makeOptionMandatory(),
    )
    .addOption(
      new Option('--key-file <file>', 'a broker key as JSON, such as the first admin key')
        .env('PODROLE_BROKER_KEY_FILE')
        .makeOptionMandatory(),
    )
    .addOption(
      new Option('--region <region>', "the broker's region")
        .env('AWS_REGION')
        .makeOptionMandatory(),
    )
    .option('--ca-file <file>', "PEM of the authority behind the broker's certificate")
}

export function addBrokerCommand(program: Command): void {
  const broker = program
    .command('broker')
    .description('run the broker')
    .enablePositionalOptions()
    .addOption(logLevelOption())
    .option('--config <file>', 'its settings, YAML or JSON (required)')
    .option('--ready-file <file>', 'written (JSON: url, port, metricsUrl) when it answers')
    .addHelpText('after', '\nExample:\n  podrole broker --config broker.yaml')
    .action(async (flags: { config?: string; readyFile?: string; logLevel: LogLevel }) => {
      const { runBroker } = await import('../broker-run.ts')
      process.exitCode = await runBroker(flags)
    })
  const keys = broker.command('keys').description("a broker's keys")
  withBrokerAccess(keys.command('create'))
    .description("make a key for the broker's own API")
    .option('--cluster <name>', "an agent's key for this cluster alone; an admin key if not given")
    .option('--description <text>', 'what it is for')
    .addOption(outputOption())
    .addHelpText('after', '\nExample:\n  podrole broker keys create --cluster edge -o json')
    .action(async (flags: BrokerAccessFlags & { cluster?: string; description?: string }) => {
      const { createKey } = await import('../broker-client.ts')
      await createKey(flags)
    })
  withBrokerAccess(keys.command('list'))
    .description("list the broker's keys")
    .addOption(outputOption())
    .addHelpText('after', '\nExample:\n  podrole broker keys list')
    .action(async (flags: BrokerAccessFlags) => {
      const { listKeys } = await import('../broker-client.ts')
      await listKeys(flags)
    })
  withBrokerAccess(keys.command('revoke'))
    .description('end a key')
    .argument('<access-key-id>', 'which')
    .addHelpText('after', '\nExample:\n  podrole broker keys revoke PRBKEXAMPLEEXAMPLE23')
    .action(async (id: string, flags: BrokerAccessFlags) => {
      const { revokeKey } = await import('../broker-client.ts')
      await revokeKey(id, flags)
    })
  addRotateCommand(broker)
}

function addRotateCommand(broker: Command): void {
  const rotate = broker
    .command('rotate')
    .description("replace the fleet issuer's signing keys without a refused token")
  withBrokerAccess(rotate.command('status'))
    .description('show the signing keys, what each waits for and until when')
    .addOption(outputOption())
    .addHelpText('after', '\nExample:\n  podrole broker rotate status')
    .action(async (flags: BrokerAccessFlags) => {
      const { showBrokerKeys } = await import('../broker-rotate.ts')
      await showBrokerKeys(flags)
    })
  withBrokerAccess(rotate.command('plan'))
    .description(ROTATION_PLAN)
    .addOption(outputOption())
    .addHelpText('after', '\nExample:\n  podrole broker rotate plan')
    .action(async (flags: BrokerAccessFlags) => {
      const { showBrokerPlan } = await import('../broker-rotate.ts')
      await showBrokerPlan(flags)
    })
  for (const step of ['prepare', 'activate', 'retire', 'abort'] as const) {
    withBrokerAccess(rotate.command(step))
      .description(ROTATION_STEPS[step])
      .addOption(outputOption())
      .addHelpText('after', `\nExample:\n  podrole broker rotate ${step}`)
      .action(async (flags: BrokerAccessFlags) => {
        const { runBrokerStep } = await import('../broker-rotate.ts')
        await runBrokerStep(step, flags)
      })
  }
}

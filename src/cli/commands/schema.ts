import { type Command, Option } from 'commander'

export function addSchemaCommand(program: Command): void {
  program
    .command('schema')
    .description('print the JSON Schema of the files that say what a cluster is to be')
    .addOption(
      new Option('-o, --output <format>', 'how it is printed')
        .choices(['json', 'yaml'])
        .default('json'),
    )
    .addHelpText(
      'after',
      `
Editors complete and check files by it, yaml-language-server with a first line of
  # yaml-language-server: $schema=podrole.schema.json

Example:
  podrole schema > podrole.schema.json`,
    )
    .action(async ({ output }: { readonly output: 'json' | 'yaml' }) => {
      const { desiredJsonSchema } = await import('../../manage/desired/json-schema.ts')
      const { printData } = await import('../output.ts')
      printData(output, desiredJsonSchema(), { columns: [], rows: [] })
    })
}

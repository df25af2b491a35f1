import { Command } from 'commander'
import { expect, test } from 'bun:test'
import { addAssociationCommand } from './association.ts'

/** What a command makes of its options, or what it says of them; nothing is run. */
function optionsOf(verb: string, ...options: readonly string[]): unknown {
  const program = new Command()
  addAssociationCommand(program)
  const command = program.commands[0]?.commands.find((one) => one.name() === verb)
  if (command === undefined) throw new Error(`no command ${verb}`)
  const told: string[] = []
  let read: Readonly<Record<string, unknown>> = {}
  command
    .exitOverride()
    .configureOutput({ writeErr: (text) => void told.push(text) })
    .action((_subject, flags: typeof read) => {
      read = flags
    })
  try {
    const line = ['association', verb, 'shop/orders', '--cluster', 'prod', ...options]
    program.parse(line, { from: 'user' })
    return read['disableSessionTags']
  } catch {
    return told.join('')
  }
}

test.each(['create', 'update'])('%s switches session tags as it is typed', (verb) => {
  expect(optionsOf(verb)).toBeUndefined()
  expect(optionsOf(verb, '--disable-session-tags')).toBe(true)
  expect(optionsOf(verb, '--disable-session-tags=true')).toBe(true)
  expect(optionsOf(verb, '--disable-session-tags=false')).toBe(false)
  expect(optionsOf(verb, '--no-disable-session-tags')).toBe(false)
  for (const wrong of ['maybe', '0', 'False', '']) {
    expect(optionsOf(verb, `--disable-session-tags=${wrong}`)).toContain('wanted true or false')
  }
})

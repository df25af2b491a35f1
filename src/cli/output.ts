import { stringify } from 'yaml'
import type { OutputFormat } from './options.ts'
import { messageOf, PodroleError } from '../lib/errors.ts'

/** Prints a fault as a person reads it: what happened, then what to do. */
export function printFault(thrown: unknown): void {
  process.stderr.write(`podrole: ${messageOf(thrown)}\n`)
  if (thrown instanceof PodroleError && thrown.hint !== undefined) {
    process.stderr.write(`         ${thrown.hint}\n`)
  }
}

/** Tells what happened, beside the data on standard output. */
export function printNote(text: string): void {
  process.stderr.write(`podrole: ${text}\n`)
}

/** Prints rows as a table, or the value behind them as JSON or YAML. */
export function printData(
  format: OutputFormat,
  value: unknown,
  table: { readonly columns: readonly string[]; readonly rows: readonly (readonly string[])[] },
): void {
  if (format === 'json') process.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
  else if (format === 'yaml') process.stdout.write(stringify(value))
  else process.stdout.write(formatTable(table.columns, table.rows))
}

/** Columns as wide as their widest cell, in kubectl's manner. */
export function formatTable(
  columns: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const all = [columns.map((column) => column.toUpperCase()), ...rows]
  const widths = columns.map((_, at) => Math.max(...all.map((row) => (row[at] ?? '').length)))
  return all
    .map(
      (row) =>
        `${row
          .map((cell, at) => cell.padEnd(widths[at] ?? 0))
          .join('   ')
          .trimEnd()}\n`,
    )
    .join('')
}

/**
 * docs/reference/sandbox-quotas.md is what the sandbox's table of quotas says.
 * `PODROLE_WRITE_DOCS=1` writes the page.
 */
import { expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Quota, QUOTAS } from '../../src/sandbox/aws/quotas/quotas.ts'

const PAGE = join(import.meta.dir, '..', '..', 'docs', 'reference', 'sandbox-quotas.md')

const increase = ({ value, maximum }: Quota): string => {
  if (maximum === value) return 'no'
  return Number.isFinite(maximum) ? `to ${maximum.toLocaleString('en')}` : 'yes'
}

function renderPage(): string {
  const rows = Object.entries<Quota>(QUOTAS).map(([name, quota]) => {
    const { quotaName, value, quotaCode = '–' } = quota
    return `| \`${name}\` | ${quotaName} | ${value.toLocaleString('en')} | ${increase(quota)} | ${quotaCode} |`
  })
  return `${[
    "# The sandbox's quotas",
    '',
    'Written by `PODROLE_WRITE_DOCS=1 npm test -- test/docs/quotas` from the table that enforces them.',
    '`podrole sandbox --quota NAME=VALUE` sets one for all accounts, `ACCOUNT/NAME=VALUE` for one.',
    'Those with a code are what Service Quotas shows, and increases by its operations hold at once.',
    '',
    '| name | quota | default | can be raised | code |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n')}\n`
}

test('the quotas are told by docs/reference/sandbox-quotas.md', () => {
  const page = renderPage()
  if (process.env['PODROLE_WRITE_DOCS'] === '1') writeFileSync(PAGE, page)
  expect(readFileSync(PAGE, 'utf8')).toBe(page)
})

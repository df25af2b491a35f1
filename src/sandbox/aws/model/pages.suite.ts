import type { Answer, PageOutcome } from './operations.suite.ts'

/** A list that is read page by page, while things come and go. */
interface Walk {
  readonly token: string
  /** Keys that pages have shown. */
  readonly seen: ReadonlySet<string>
  /** Keys that were there at the first page and have not been shown. */
  readonly due: ReadonlySet<string>
}

export type Walks = Map<string, Walk>

/**
 * What is wrong with a page. AWS promises no order, so that none is asked for: what is there from
 * the first page to the last is shown once, nothing twice, nothing that is gone, and a page that is
 * not the last is full.
 */
export function pageFaults(walks: Walks, page: PageOutcome, { members }: Answer): string[] {
  const rows = members[page.rows]
  if (!Array.isArray(rows)) return [`${page.rows} is no list`]
  const walk = page.isFirst ? undefined : walks.get(page.walk)
  const seen = new Set(walk?.seen)
  const faults: string[] = []
  for (const row of rows) {
    const key = page.keyOf(row)
    if (seen.has(key)) faults.push(`${key} comes twice`)
    seen.add(key)
    const wanted = page.there.get(key)
    if (!Bun.deepEquals(row, wanted, true)) {
      faults.push(`row ${JSON.stringify(row)} in place of ${JSON.stringify(wanted)}`)
    }
  }
  const due = [...(walk?.due ?? page.there.keys())].filter(
    (key) => page.there.has(key) && !seen.has(key),
  )
  const token = members[page.token]
  if (rows.length > page.limit) faults.push(`${rows.length} rows: wanted ${page.limit} at most`)
  if (typeof token === 'string') {
    if (rows.length < page.limit) faults.push(`a page of ${rows.length} has another behind it`)
    walks.set(page.walk, { token, seen, due: new Set(due) })
  } else {
    if (due.length > 0) faults.push(`the last page came without ${due.join(', ')}`)
    walks.delete(page.walk)
  }
  return faults
}

/** The commands of a page of docs/, as a reader types them. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const DOCS = join(import.meta.dir, '..', '..', 'docs')

/** The fenced blocks of a page that are in that language, in their order; in a list without its indent. */
export function pageBlocks(page: string, language: string): readonly string[] {
  const text = readFileSync(join(DOCS, page), 'utf8')
  const fence = new RegExp(`^( *)\`\`\`${language}\\n([\\s\\S]*?)^\\1\`\`\`$`, 'gm')
  return [...text.matchAll(fence)].map(([, indent = '', block = '']) =>
    block.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
  )
}

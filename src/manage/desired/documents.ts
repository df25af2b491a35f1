/** YAML texts → plain values, bounded; what the values mean is not looked at. */
import { type Document, parseAllDocuments } from 'yaml'
import { messageOf } from '../../lib/errors.ts'
import type { DesiredFault } from './faults.ts'
import { readPlainDocuments } from './plain-yaml.ts'

/** A text to be read, and what to call it. */
export interface SourceText {
  readonly name: string
  readonly text: string
}

/** One YAML document. */
export interface SourceDocument {
  /** `cluster.yaml`, or `cluster.yaml#2` for the second one in it. */
  readonly source: string
  readonly value: unknown
}

/** Bounds of what is read from one text. */
export const DOCUMENT_LIMITS = {
  /** Of UTF-16 code units: some 50,000 service accounts. */
  characters: 16_777_216,
  documents: 1000,
  /** Values of a document after its aliases are put in: a few lines of YAML can mean billions. */
  values: 2_000_000,
  depth: 64,
} as const

/** The documents of the texts, empty ones left out, and all that is wrong with them. */
export function parseDocuments(sources: readonly SourceText[]): {
  readonly documents: readonly SourceDocument[]
  readonly faults: readonly DesiredFault[]
} {
  const documents: SourceDocument[] = []
  const faults: DesiredFault[] = []
  for (const { name, text } of sources) {
    if (text.length > DOCUMENT_LIMITS.characters) {
      faults.push(
        faultOf(
          name,
          `it has ${text.length} characters: wanted at most ${DOCUMENT_LIMITS.characters}`,
        ),
      )
      continue
    }
    const plain = plainDocuments(name, text)
    if (plain !== undefined) {
      documents.push(...plain)
      continue
    }
    const parsed = parseAllDocuments(text, { merge: true, logLevel: 'silent' })
    const found = Array.isArray(parsed) ? parsed : []
    if (found.length > DOCUMENT_LIMITS.documents) {
      faults.push(
        faultOf(
          name,
          `it has ${found.length} documents: wanted at most ${DOCUMENT_LIMITS.documents}`,
        ),
      )
      continue
    }
    for (const [at, document] of found.entries()) {
      const source = sourceOf(name, at, found.length)
      const read = readDocument(source, document)
      if ('faults' in read) faults.push(...read.faults)
      else if (read.value !== null && read.value !== undefined) documents.push(read)
    }
  }
  return { documents, faults }
}

const sourceOf = (name: string, at: number, count: number): string =>
  count === 1 ? name : `${name}#${at + 1}`

/** The documents of a text in which nothing is wrong and all is plain; undefined for any other. */
function plainDocuments(name: string, text: string): readonly SourceDocument[] | undefined {
  const values = readPlainDocuments(text, DOCUMENT_LIMITS.documents)
  if (values?.every((value) => sizeProblem(value) === undefined) !== true) return undefined
  return values.map((value, at) => ({ source: sourceOf(name, at, values.length), value }))
}

function readDocument(
  source: string,
  document: Document,
): SourceDocument | { readonly faults: readonly DesiredFault[] } {
  const problems = [...document.errors, ...document.warnings]
  if (problems.length > 0) {
    // The lines after the first one show the text.
    return { faults: problems.map(({ message }) => faultOf(source, firstLine(message))) }
  }
  try {
    // Every alias gives the same object, so nothing grows before the values are counted.
    const value: unknown = document.toJS({ maxAliasCount: -1 })
    const problem = sizeProblem(value)
    return problem === undefined ? { source, value } : { faults: [faultOf(source, problem)] }
  } catch (error) {
    return { faults: [faultOf(source, firstLine(messageOf(error)))] }
  }
}

/** Counts every value as often as it stands in the document, and stops at the bounds. */
function sizeProblem(root: unknown): string | undefined {
  let values = 0
  const count = (value: unknown, depth: number): string | undefined => {
    values += 1
    if (values > DOCUMENT_LIMITS.values) {
      return `its aliases make more than ${DOCUMENT_LIMITS.values} values of it`
    }
    if (typeof value !== 'object' || value === null) return undefined
    if (depth === DOCUMENT_LIMITS.depth) {
      return `it is nested deeper than ${DOCUMENT_LIMITS.depth} levels`
    }
    for (const item of Object.values(value)) {
      const problem = count(item, depth + 1)
      if (problem !== undefined) return problem
    }
    return undefined
  }
  return count(root, 0)
}

const firstLine = (text: string): string => (text.split('\n', 1)[0] ?? '').replace(/:$/, '')

const faultOf = (source: string, message: string): DesiredFault => ({ source, path: '', message })

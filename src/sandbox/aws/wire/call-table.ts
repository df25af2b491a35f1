import type { Call } from '../world.ts'
import type { Node } from './xml.ts'
import type { QueryParameters } from './query.ts'

/** The members of an answer's `…Result`. */
export type ResultMembers = Readonly<Record<string, Node>>

/** An operation of the query protocol; no result is an answer of metadata alone. */
export type QueryOperation = (
  call: Call,
  parameters: QueryParameters,
) => ResultMembers | undefined | Promise<ResultMembers | undefined>

/** Operation → handler: an operation is a row. */
export type QueryOperations = Readonly<Record<string, QueryOperation>>

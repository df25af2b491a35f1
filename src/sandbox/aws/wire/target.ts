import type { Call } from '../world.ts'

/** An operation of the JSON 1.1 protocol: its input's members in, its output's members out. */
export type TargetOperation = (call: Call, input: TargetInput) => Promise<unknown>

export type TargetInput = Readonly<Record<string, unknown>>

/** Operation → handler: an operation is a row. */
export type TargetOperations = Readonly<Record<string, TargetOperation>>

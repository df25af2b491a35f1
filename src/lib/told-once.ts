import { faultFields, type LogFields } from './log.ts'

export interface ToldOnce {
  /** Tells of a fault that is another one than the last. */
  readonly fault: (error: unknown) => void
  /** It went well: the same fault would be news again. */
  readonly clear: () => void
}

/** A fault that comes back at every look is told of once. */
export function tellOnce(tell: (fields: LogFields) => void): ToldOnce {
  let last = ''
  return {
    fault: (error) => {
      const fields = faultFields(error)
      const text = JSON.stringify(fields)
      if (text !== last) tell(fields)
      last = text
    },
    clear: () => {
      last = ''
    },
  }
}

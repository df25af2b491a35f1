import pino from 'pino'
import { codeOf, messageOf, PodroleError } from './errors.ts'

/** Named values of a log line. Credentials and tokens are never among them: see `secret.ts`. */
export type LogFields = Readonly<Record<string, unknown>>

/** What the parts log through; one JSON object a line. */
export interface Log {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
  /** A logger that adds these fields to each of its lines. */
  with(fields: LogFields): Log
}

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** A logger that writes JSON lines to standard error, or to the given stream. */
export function createLog(level: LogLevel, stream?: { write(line: string): void }): Log {
  const options: pino.LoggerOptions = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    messageKey: 'message',
  }
  return wrap(pino(options, stream ?? pino.destination({ fd: 2, sync: true })))
}

/** A logger that drops everything. */
export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  with: () => silentLog,
}

/** The fields that tell of a fault: its code and message, never its stack or cause's contents. */
export function faultFields(thrown: unknown): LogFields {
  const code = codeOf(thrown)
  const hint = thrown instanceof PodroleError ? thrown.hint : undefined
  return { error: messageOf(thrown), ...(code && { code }), ...(hint && { hint }) }
}

function wrap(logger: pino.Logger): Log {
  return {
    debug: (message, fields) => logger.debug(fields ?? {}, message),
    info: (message, fields) => logger.info(fields ?? {}, message),
    warn: (message, fields) => logger.warn(fields ?? {}, message),
    error: (message, fields) => logger.error(fields ?? {}, message),
    with: (fields) => wrap(logger.child(fields)),
  }
}

/** Options that several commands have, with the same words. */
import { Option } from 'commander'
import { LOG_LEVELS, type LogLevel } from '../lib/log.ts'

export const OUTPUT_FORMATS = ['table', 'json', 'yaml'] as const
export type OutputFormat = (typeof OUTPUT_FORMATS)[number]

const NETWORK_MODES = ['auto', 'namespace', 'loopback'] as const
export type NetworkMode = (typeof NETWORK_MODES)[number]

export const outputOption = (): Option =>
  new Option('-o, --output <format>', 'how data is printed')
    .choices(OUTPUT_FORMATS)
    .default('table')

export const logLevelOption = (level: LogLevel = 'info'): Option =>
  new Option('--log-level <level>', 'how much is logged to standard error, as JSON lines')
    .choices(LOG_LEVELS)
    .default(level)

export const networkOption = (): Option =>
  new Option('--network <mode>', 'where each node gets 169.254.170.23 from')
    .choices(NETWORK_MODES)
    .default('auto')

/** For an option that may be given several times. */
export const collect = (value: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  value,
]

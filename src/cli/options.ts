/** Options that several commands have, with the same words. */
import { InvalidArgumentError, Option } from 'commander'
import { LOG_LEVELS, type LogLevel } from '../lib/log.ts'

export const OUTPUT_FORMATS = ['table', 'json', 'yaml'] as const
export type OutputFormat = (typeof OUTPUT_FORMATS)[number]

const NETWORK_MODES = ['auto', 'namespace', 'loopback'] as const
export type NetworkMode = (typeof NETWORK_MODES)[number]

export const outputOption = (): Option =>
  new Option('-o, --output <format>', 'how data is printed')
    .choices(OUTPUT_FORMATS)
    .default('table')

const FAIL_ON = ['error', 'warning', 'never'] as const
export type FailOn = (typeof FAIL_ON)[number]

/** Of commands that give a verdict: which findings make the exit code 1. */
export const failOnOption = (): Option =>
  new Option('--fail-on <level>', 'which findings make the exit code 1')
    .choices(FAIL_ON)
    .default('error')

export const logLevelOption = (level: LogLevel = 'info'): Option =>
  new Option('--log-level <level>', 'how much is logged to standard error, as JSON lines')
    .choices(LOG_LEVELS)
    .default(level)

/** Of what installs the webhook of awsWorkloadIdentity. */
export const imageOption = (): Option =>
  new Option('--image <image>', "of awsWorkloadIdentity's webhook; podrole:VERSION if none").env(
    'PODROLE_IMAGE',
  )

export const networkOption = (): Option =>
  new Option('--network <mode>', 'where each node gets 169.254.170.23 from')
    .choices(NETWORK_MODES)
    .default('auto')

/** For an option that may be given several times. */
export const collect = (value: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  value,
]

/** A port's number, for an option. */
export function readPort(text: string): number {
  const port = Number(text)
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new InvalidArgumentError(`wanted a port from 0 to 65535.`)
  }
  return port
}

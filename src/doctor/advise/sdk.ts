import { PodroleError } from '../../lib/errors.ts'
import minimums from './sdk-minimums.json'

/** An SDK of a workload, as somebody who knows it says. */
export interface KnownSdk {
  readonly name: keyof typeof minimums
  /** A version, or for some a date of release. */
  readonly version: string
}

export const SDK_NAMES: readonly string[] = Object.keys(minimums)

/**
 * Reads `boto3@1.34.41`.
 * @throws PodroleError `UnknownSdk`
 */
export function parseSdk(text: string): KnownSdk {
  const [, name = '', version = ''] = /^([a-z0-9-]+)@v?([0-9]+(?:[.-][0-9]+)*)$/.exec(text) ?? []
  if (isSdkName(name)) return { name, version }
  throw new PodroleError(
    'UnknownSdk',
    `Cannot read SDK ${JSON.stringify(text.slice(0, 60))}: wanted NAME@VERSION with a name of ${SDK_NAMES.join(', ')}`,
  )
}

const isSdkName = (name: string): name is KnownSdk['name'] => Object.hasOwn(minimums, name)

/**
 * The first version that takes credentials from 169.254.170.23.
 * https://docs.aws.amazon.com/eks/latest/userguide/pod-id-minimum-sdk.html
 */
export const minimumOf = ({ name }: KnownSdk): string => minimums[name]

export function isNewEnough(sdk: KnownSdk): boolean {
  const [has, wants] = [sdk.version, minimumOf(sdk)].map((text) => text.split(/[.-]/).map(Number))
  for (const [at, want] of (wants ?? []).entries()) {
    const part = has?.[at] ?? 0
    if (part !== want) return part > want
  }
  return true
}

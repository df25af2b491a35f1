/** `v1.3.9-eksbuild.3` as numbers, by which versions are put in order. */
const numbersOf = (version: string): readonly number[] => version.match(/\d+/g)?.map(Number) ?? []

/** Below zero where the first one is older; numbers are compared as numbers, from the left. */
export function compareAddonVersions(one: string, other: string): number {
  const [a, b] = [numbersOf(one), numbersOf(other)]
  for (let at = 0; at < Math.max(a.length, b.length); at += 1) {
    const difference = (a[at] ?? -1) - (b[at] ?? -1)
    if (difference !== 0) return difference
  }
  return 0
}

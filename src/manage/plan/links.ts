/** What ties service accounts to roles, over the parts of a planner. */
export interface Links {
  /** A step takes a service account away from the role. */
  cut(roleArn: string, step: string): void
  /** Somebody of a cluster that a file speaks of goes on having the role. */
  keep(roleArn: string): void
  /** Somebody of another cluster has it. */
  keepElsewhere(roleArn: string): void
  cutsOf(roleArn: string): readonly string[]
  isKept(roleArn: string): boolean
  isKeptElsewhere(roleArn: string): boolean
}

export function newLinks(): Links {
  const cuts = new Map<string, string[]>()
  const kept = new Set<string>()
  const elsewhere = new Set<string>()
  return {
    cut: (roleArn, step) => cuts.set(roleArn, [...(cuts.get(roleArn) ?? []), step]),
    keep: (roleArn) => kept.add(roleArn),
    keepElsewhere: (roleArn) => elsewhere.add(roleArn),
    cutsOf: (roleArn) => cuts.get(roleArn) ?? [],
    isKept: (roleArn) => kept.has(roleArn),
    isKeptElsewhere: (roleArn) => elsewhere.has(roleArn),
  }
}

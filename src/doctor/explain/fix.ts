/** What mends a broken link, as a value. */
export type Fix =
  /** A fragment of desired state, for `podrole plan -f` and `podrole apply -f`. */
  | { readonly kind: 'desired'; readonly text: string; readonly yaml: string }
  /** Exact commands for a POSIX shell, one after the other, for what desired state cannot say. */
  | { readonly kind: 'commands'; readonly text: string; readonly commands: readonly string[] }
  /** It lies with somebody else: what is to be done, in one sentence. */
  | { readonly kind: 'outside'; readonly text: string }

/** @param text one sentence, without its full stop */
export const commands = (text: string, ...lines: readonly string[]): Fix => ({
  kind: 'commands',
  text,
  commands: lines,
})

export const outside = (text: string): Fix => ({ kind: 'outside', text })

const PLAIN = /^[\w@%+=:,./-]+$/

/** A word for a POSIX shell (XCU section 2.2): quoted where it holds more than plain characters. */
export const word = (text: string): string =>
  PLAIN.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`

/** Words of one command. */
export const command = (...words: readonly string[]): string => words.map(word).join(' ')

/** The same commands in another account than the one that they reach anyhow. */
export function withProfile(fix: Fix, profile: string | undefined): Fix {
  if (fix.kind !== 'commands' || profile === undefined) return fix
  const lines = fix.commands.map((line) =>
    /^(?:aws|podrole) /.test(line) ? `${line} --profile ${word(profile)}` : line,
  )
  return { ...fix, commands: lines }
}

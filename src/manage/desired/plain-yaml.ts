/**
 * The quick way to read YAML, for texts that are written as most are: Bun's parser, which is
 * twenty times as fast as the `yaml` package. It takes keys that occur twice and says no line of a
 * fault, so that a text goes this way only where every line has one of a few plain forms, of which
 * the number of keys can be counted and both parsers make the same.
 */

/** Indicators, anchors, tags, quotes with escapes, tabs and letters beyond ASCII are not plain. */
const KEY = /(?:[A-Za-z_][\w./-]*|"[^"\\\p{Cc}\P{ASCII}]*"|'[^'\p{Cc}\P{ASCII}]*') *:(?=$|[ \n])/uy
const QUOTED = /"[^"\\\p{Cc}\P{ASCII}]*"|'[^'\p{Cc}\P{ASCII}]*'/uy
const BLOCK_PLAIN = /-?[A-Za-z0-9_/](?:[\w./+@=*()~^$;,-]|:(?=[^ \n])| +(?=[\w./+@=*()~^$;,-]))*/y
const FLOW_PLAIN =
  /-?[A-Za-z0-9_/](?:[\w./+@=*()~^$;-]|:(?=[\w./+@=*()~^$;:-])| +(?=[\w./+@=*()~^$;-]))*/y
/** What may be read as a number by one parser and as text by the other (`-0x1F`), and what may not. */
const NUMBER_LIKE = /^-?\d[\dA-Fa-fxXoO_.+-]*$/
const NUMBER = /^-?(?:(?:0|[1-9]\d{0,14})|(?:0|[1-9]\d{0,7})\.\d{1,6})$/
const SPACES = / */y
/** With what may be before it: a comment needs a space. */
const END = /(?: +#[ -~]*| *)(?=\n|$)/y
const COMMENT_LINE = /#[ -~]*(?=\n|$)/y
/** Nothing but comments and empty lines. */
const BLANK = /^(?: *(?:#[ -~]*)?(?:\n|$))*$/
const MAX_INDENT = 128
/** Of `- - - ` and of `{ a: { b: …` in one line. */
const MAX_NESTED = 8
/** YAML 1.2.2, 7.4: an implicit key has at most 1,024 characters. */
const MAX_KEY = 1000

/**
 * The values of a text's documents, none of which is empty; undefined where one is not plain, or
 * there are more than `limit`.
 */
export function readPlainDocuments(text: string, limit: number): readonly unknown[] | undefined {
  const texts = text.split(/^--- *\n/m, limit + 2)
  // The first line may be the marker, with comments before it.
  if (texts.length > 1 && BLANK.test(texts[0] ?? '')) texts.shift()
  if (texts.length > limit) return undefined
  const values: unknown[] = []
  for (const one of texts) {
    const value = readPlainYaml(one)
    if (value === undefined) return undefined
    values.push(value)
  }
  return values
}

/** The value of the one document that a text has; undefined where the text is not plain. */
function readPlainYaml(text: string): unknown {
  const keys = countKeys(text)
  if (keys === undefined) return undefined
  try {
    const value: unknown = Bun.YAML.parse(text)
    // A key that is there twice is in the value once.
    return value !== null && keysOf(value) === keys ? value : undefined
  } catch {
    return undefined
  }
}

/** How many keys all lines have; undefined where one is not plain. */
function countKeys(text: string): number | undefined {
  const line = new Line(text)
  while (!line.isOver()) if (!line.read()) return undefined
  return line.keys
}

/** Goes through a text line by line. */
class Line {
  keys = 0
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  isOver(): boolean {
    return this.#at >= this.#text.length
  }

  /** Whether the line is plain; goes to the next one. */
  read(): boolean {
    const start = this.#at
    this.#take(SPACES)
    if (this.#at - start > MAX_INDENT) return false
    if (this.#isAtEnd()) return true
    if (this.#take(COMMENT_LINE)) return this.#isAtEnd()
    let dashes = 0
    for (; this.#isDash(); dashes += 1) {
      if (dashes === MAX_NESTED) return false
      this.#at += 1
      this.#take(SPACES)
    }
    const isItem = dashes > 0
    const isEntry = this.#takeKey()
    // A line without either goes on with a text that another one began.
    if (!isItem && !isEntry) return false
    if (this.#isAtEnd()) return true
    if (isEntry) this.#take(SPACES)
    return this.#takeValue() && this.#isAtEnd()
  }

  #isDash(): boolean {
    const next = this.#text[this.#at + 1]
    return this.#text[this.#at] === '-' && (next === ' ' || next === '\n' || next === undefined)
  }

  #takeKey(): boolean {
    const start = this.#at
    if (!this.#take(KEY)) return false
    const key = this.#text.slice(start, this.#at)
    const isOdd = /^["']?(?:null|__proto__)\b/i.test(key)
    if (isOdd || key.length > MAX_KEY) {
      this.#at = start
      return false
    }
    this.keys += 1
    return true
  }

  #takeValue(): boolean {
    return this.#take(QUOTED) || this.#takeFlow(0) || this.#takePlain(BLOCK_PLAIN)
  }

  #takePlain(pattern: RegExp): boolean {
    const start = this.#at
    if (!this.#take(pattern)) return false
    const text = this.#text.slice(start, this.#at)
    return !NUMBER_LIKE.test(text) || NUMBER.test(text)
  }

  /** `[a, b]` or `{ a: b }`, in one line. */
  #takeFlow(depth: number): boolean {
    const open = this.#text[this.#at]
    if ((open !== '[' && open !== '{') || depth === MAX_NESTED) return false
    const close = open === '[' ? ']' : '}'
    this.#at += 1
    this.#take(SPACES)
    if (this.#takeCharacter(close)) return true
    for (;;) {
      if (open === '{' && !(this.#takeKey() && this.#takeCharacter(' '))) return false
      this.#take(SPACES)
      const isTaken = this.#take(QUOTED) || this.#takeFlow(depth + 1) || this.#takePlain(FLOW_PLAIN)
      if (!isTaken) return false
      this.#take(SPACES)
      if (this.#takeCharacter(close)) return true
      if (!this.#takeCharacter(',')) return false
      this.#take(SPACES)
    }
  }

  #takeCharacter(wanted: string): boolean {
    if (this.#text[this.#at] !== wanted) return false
    this.#at += 1
    return true
  }

  /** Takes the end of the line, where there is nothing more but a comment. */
  #isAtEnd(): boolean {
    const start = this.#at
    if (!this.#take(END)) return false
    if (this.#at >= this.#text.length || this.#takeCharacter('\n')) return true
    this.#at = start
    return false
  }

  #take(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at
    if (!pattern.test(this.#text)) return false
    this.#at = pattern.lastIndex
    return true
  }
}

function keysOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  let keys = Array.isArray(value) ? 0 : Object.keys(value).length
  for (const item of Object.values(value)) keys += keysOf(item)
  return keys
}

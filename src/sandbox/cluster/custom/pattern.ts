/**
 * Regular expressions of schemas in time linear to the text (Go's RE2 syntax, as kube-apiserver
 * has it): JavaScript's own backtrack, so that a hostile pattern would stop the server. Groups
 * capture nothing; back references and look-around are no part of the syntax.
 */

type Test = (code: number) => boolean

/** A state: takes one sign and goes on, goes on to two without a sign, or asserts a place. */
type State =
  | { kind: 'sign'; test: Test; next: number }
  | { kind: 'split'; next: number; other: number }
  | { kind: 'assert'; at: 'start' | 'end' | 'word' | 'no-word'; next: number }
  | { kind: 'match' }

type Node =
  | { kind: 'sign'; test: Test }
  | { kind: 'assert'; at: 'start' | 'end' | 'word' | 'no-word' }
  | { kind: 'all'; of: Node[] }
  | { kind: 'any'; of: Node[] }
  | { kind: 'repeat'; of: Node; min: number; max: number }

export type Pattern = (text: string) => boolean

/** What is wrong with a pattern. */
export class PatternFault extends Error {}

const PATTERN_MAX = 4096
const STATES_MAX = 2000
const REPEAT_MAX = 1000
const DEPTH_MAX = 100

/**
 * Compiles a pattern; the result says whether it matches anywhere in a text.
 * @throws PatternFault
 */
export function compilePattern(pattern: string): Pattern {
  if (pattern.length > PATTERN_MAX) throw new PatternFault('expression is too long')
  const states = build(new Parser(pattern).parse())
  return (text) => matches(states, text)
}

const isDigit: Test = (code) => code >= 48 && code <= 57
const isWord: Test = (code) =>
  isDigit(code) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122) || code === 95
const isSpace: Test = (code) => code === 32 || (code >= 9 && code <= 13 && code !== 11)
const not =
  (test: Test): Test =>
  (code) =>
    !test(code)

const CLASSES: Readonly<Record<string, Test>> = {
  d: isDigit,
  D: not(isDigit),
  w: isWord,
  W: not(isWord),
  s: isSpace,
  S: not(isSpace),
}
const CONTROLS: Readonly<Record<string, number>> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 }
const POSIX: Readonly<Record<string, Test>> = {
  alpha: (code) => isWord(code) && !isDigit(code) && code !== 95,
  digit: isDigit,
  alnum: (code) => isWord(code) && code !== 95,
  upper: (code) => code >= 65 && code <= 90,
  lower: (code) => code >= 97 && code <= 122,
  space: (code) => isSpace(code) || code === 11,
  word: isWord,
  xdigit: (code) => isDigit(code) || (code >= 65 && code <= 70) || (code >= 97 && code <= 102),
  punct: (code) => code > 32 && code < 127 && (!isWord(code) || code === 95),
}

class Parser {
  readonly #signs: readonly string[]
  #at = 0
  #depth = 0
  #ignoresCase = false

  constructor(pattern: string) {
    this.#signs = Array.from(pattern)
  }

  parse(): Node {
    const node = this.#alternatives()
    if (this.#at < this.#signs.length) throw new PatternFault('unexpected )')
    return node
  }

  #peek(offset = 0): string {
    return this.#signs[this.#at + offset] ?? ''
  }

  #alternatives(): Node {
    this.#depth += 1
    if (this.#depth > DEPTH_MAX) throw new PatternFault('expression nests too deeply')
    const of = [this.#sequence()]
    while (this.#peek() === '|') {
      this.#at += 1
      of.push(this.#sequence())
    }
    this.#depth -= 1
    return of.length === 1 && of[0] !== undefined ? of[0] : { kind: 'any', of }
  }

  #sequence(): Node {
    const of: Node[] = []
    while (this.#at < this.#signs.length && this.#peek() !== '|' && this.#peek() !== ')') {
      of.push(this.#repeated(this.#atom()))
    }
    return { kind: 'all', of }
  }

  #repeated(atom: Node): Node {
    const bounds = this.#bounds()
    if (bounds === undefined) return atom
    // The lazy form matches the same texts.
    if (this.#peek() === '?') this.#at += 1
    const rest = this.#at
    if (this.#bounds() !== undefined) {
      this.#at = rest
      throw new PatternFault('invalid nested repetition operator')
    }
    return { kind: 'repeat', of: atom, min: bounds[0], max: bounds[1] }
  }

  #bounds(): readonly [number, number] | undefined {
    const sign = this.#peek()
    const simple = sign === '*' ? [0, Infinity] : sign === '+' ? [1, Infinity] : undefined
    if (simple !== undefined || sign === '?') {
      this.#at += 1
      return simple === undefined ? [0, 1] : [simple[0] ?? 0, Infinity]
    }
    if (sign !== '{') return undefined
    const end = this.#signs.indexOf('}', this.#at)
    const text = end < 0 ? '' : this.#signs.slice(this.#at + 1, end).join('')
    const match = /^(\d{1,9})(?:(,)(\d{0,9}))?$/.exec(text)
    // Anything else stands for itself.
    if (match === null) return undefined
    const min = Number(match[1])
    const max = match[2] === undefined ? min : match[3] === '' ? Infinity : Number(match[3])
    if (min > REPEAT_MAX || (max !== Infinity && max > REPEAT_MAX) || max < min) {
      throw new PatternFault('invalid repeat count')
    }
    this.#at = end + 1
    return [min, max]
  }

  #atom(): Node {
    const sign = this.#peek()
    this.#at += 1
    switch (sign) {
      case '(':
        return this.#group()
      case '[':
        return this.#class()
      case '.':
        return { kind: 'sign', test: (code) => code !== 10 }
      case '^':
        return { kind: 'assert', at: 'start' }
      case '$':
        return { kind: 'assert', at: 'end' }
      case '\\':
        return this.#escaped()
      case '*':
      case '+':
      case '?':
        throw new PatternFault('missing argument to repetition operator')
      default:
        return { kind: 'sign', test: this.#literal(sign) }
    }
  }

  #literal(sign: string): Test {
    const code = sign.codePointAt(0) ?? 0
    if (!this.#ignoresCase) return (other) => other === code
    const both = [sign.toLowerCase(), sign.toUpperCase()].map((one) => one.codePointAt(0))
    return (other) => both.includes(other)
  }

  #group(): Node {
    if (this.#peek() === '?') {
      const rest = this.#signs.slice(this.#at, this.#at + 64).join('')
      const match = /^\?(?:(i?):|P?<[A-Za-z_]\w*>|(i)\))/.exec(rest)
      if (match === null) throw new PatternFault('invalid or unsupported Perl syntax')
      this.#at += match[0].length
      if (match[2] === 'i') {
        this.#ignoresCase = true
        return { kind: 'all', of: [] }
      }
      const before = this.#ignoresCase
      this.#ignoresCase ||= match[1] === 'i'
      const node = this.#closed()
      this.#ignoresCase = before
      return node
    }
    return this.#closed()
  }

  #closed(): Node {
    const before = this.#ignoresCase
    const node = this.#alternatives()
    this.#ignoresCase = before
    if (this.#peek() !== ')') throw new PatternFault('missing closing )')
    this.#at += 1
    return node
  }

  #escaped(): Node {
    const sign = this.#peek()
    if (sign === 'A') return this.#asserted('start')
    if (sign === 'z') return this.#asserted('end')
    if (sign === 'b') return this.#asserted('word')
    if (sign === 'B') return this.#asserted('no-word')
    const test = CLASSES[sign]
    if (test !== undefined) {
      this.#at += 1
      return { kind: 'sign', test }
    }
    const code = this.#escapedCode()
    return { kind: 'sign', test: this.#literal(String.fromCodePoint(code)) }
  }

  #asserted(at: 'start' | 'end' | 'word' | 'no-word'): Node {
    this.#at += 1
    return { kind: 'assert', at }
  }

  /** The sign after a backslash that stands for one sign. */
  #escapedCode(): number {
    const sign = this.#peek()
    this.#at += 1
    const control = CONTROLS[sign]
    if (control !== undefined) return control
    if (sign === 'x') {
      const rest = this.#signs.slice(this.#at, this.#at + 12).join('')
      const match = /^(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,6})\})/.exec(rest)
      const code = Number.parseInt(match?.[1] ?? match?.[2] ?? 'x', 16)
      if (match === null || code > 0x10ffff) throw new PatternFault('invalid escape sequence')
      this.#at += match[0].length
      return code
    }
    const code = sign.codePointAt(0) ?? 0
    if (sign === '' || isWord(code)) throw new PatternFault('invalid escape sequence')
    return code
  }

  #class(): Node {
    const isNegated = this.#peek() === '^'
    if (isNegated) this.#at += 1
    const tests: Test[] = []
    for (let isFirst = true; isFirst || this.#peek() !== ']'; isFirst = false) {
      if (this.#at >= this.#signs.length) throw new PatternFault('missing closing ]')
      tests.push(this.#classItem())
    }
    this.#at += 1
    const holds: Test = (code) => tests.some((test) => test(code))
    return { kind: 'sign', test: isNegated ? not(holds) : holds }
  }

  #classItem(): Test {
    if (this.#peek() === '[' && this.#peek(1) === ':') {
      const rest = this.#signs.slice(this.#at, this.#at + 16).join('')
      const match = /^\[:(\^?)(\w+):\]/.exec(rest)
      const test = POSIX[match?.[2] ?? '']
      if (match === null || test === undefined) {
        throw new PatternFault('invalid character class range')
      }
      this.#at += match[0].length
      return match[1] === '^' ? not(test) : test
    }
    if (this.#peek() === '\\') {
      const test = CLASSES[this.#peek(1)]
      if (test !== undefined) {
        this.#at += 2
        return test
      }
    }
    const low = this.#classSign()
    if (this.#peek() !== '-' || this.#peek(1) === ']' || this.#peek(1) === '') {
      return this.#literal(String.fromCodePoint(low))
    }
    this.#at += 1
    const high = this.#classSign()
    if (high < low) throw new PatternFault('invalid character class range')
    if (!this.#ignoresCase) return (code) => code >= low && code <= high
    return (code) => [code, swapCase(code)].some((one) => one >= low && one <= high)
  }

  #classSign(): number {
    const sign = this.#peek()
    this.#at += 1
    return sign === '\\' ? this.#escapedCode() : (sign.codePointAt(0) ?? 0)
  }
}

const swapCase = (code: number): number =>
  code >= 65 && code <= 90 ? code + 32 : code >= 97 && code <= 122 ? code - 32 : code

/** States from the last to the first: the first is where a match starts. */
function build(node: Node): readonly State[] {
  const states: State[] = [{ kind: 'match' }]
  const add = (state: State): number => {
    if (states.length >= STATES_MAX) throw new PatternFault('expression is too large')
    return states.push(state) - 1
  }
  const compile = (part: Node, next: number): number => {
    switch (part.kind) {
      case 'sign':
        return add({ kind: 'sign', test: part.test, next })
      case 'assert':
        return add({ kind: 'assert', at: part.at, next })
      case 'all':
        return part.of.reduceRight((after, inner) => compile(inner, after), next)
      case 'any':
        return part.of
          .map((inner) => compile(inner, next))
          .reduceRight((other, first) => add({ kind: 'split', next: first, other }))
      default:
        return repeat(part, next)
    }
  }
  const repeat = (part: Node & { kind: 'repeat' }, next: number): number => {
    let after = next
    if (part.max === Infinity) {
      const loop = add({ kind: 'split', next: 0, other: next })
      const body = compile(part.of, loop)
      states[loop] = { kind: 'split', next: body, other: next }
      after = loop
    } else {
      for (let count = part.min; count < part.max; count += 1) {
        after = add({ kind: 'split', next: compile(part.of, after), other: next })
      }
    }
    for (let count = 0; count < part.min; count += 1) after = compile(part.of, after)
    return after
  }
  const start = compile(node, 0)
  states.push({ kind: 'split', next: start, other: start })
  return states
}

function matches(states: readonly State[], text: string): boolean {
  const codes = Array.from(text, (sign) => sign.codePointAt(0) ?? 0)
  const first = states.length - 1
  let current = new Set<number>()
  for (let at = 0; at <= codes.length; at += 1) {
    // A match may start at every place.
    current.add(first)
    const place = { at, codes }
    const reached = close(states, current, place)
    if (reached.has(0)) return true
    const next = new Set<number>()
    const code = codes[at]
    if (code === undefined) return false
    for (const index of reached) {
      const state = states[index]
      if (state?.kind === 'sign' && state.test(code)) next.add(state.next)
    }
    current = next
  }
  return false
}

/** All states that are reached without taking a sign. */
function close(
  states: readonly State[],
  from: ReadonlySet<number>,
  place: { readonly at: number; readonly codes: readonly number[] },
): Set<number> {
  const reached = new Set<number>(from)
  // A set goes on over what is added while it is walked.
  for (const index of reached) {
    const state = states[index]
    if (state?.kind === 'split') reached.add(state.next).add(state.other)
    else if (state?.kind === 'assert' && holds(state.at, place)) reached.add(state.next)
  }
  return reached
}

function holds(
  asserted: 'start' | 'end' | 'word' | 'no-word',
  { at, codes }: { readonly at: number; readonly codes: readonly number[] },
): boolean {
  if (asserted === 'start') return at === 0
  if (asserted === 'end') return at === codes.length
  const isEdge = isWord(codes[at - 1] ?? 0) !== isWord(codes[at] ?? 0)
  return isEdge === (asserted === 'word')
}

import { expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { escapeXml, KeptNode, parseXml, toJson, writeElement } from './xml.ts'

const RUNS = Math.ceil(500 * Number(process.env['PODROLE_TEST_SCALE'] ?? 1))

test('text is escaped as XML 1.0 wants it, and nothing else changes', () => {
  const character = fc.oneof(
    fc.constantFrom(
      '&',
      '<',
      '>',
      '"',
      "'",
      '\r',
      '\n',
      '\t',
      ' ',
      '~',
      '\u007f',
      '\u0000',
      '\uffff',
      '\ud800',
    ),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
  )
  fc.assert(
    fc.property(fc.array(character, { maxLength: 12 }), (characters) => {
      const wanted = Array.from(characters.join('')).map((one) => {
        const code = one.codePointAt(0) ?? 0
        const escapes = {
          '&': '&amp;',
          '<': '&lt;',
          '>': '&gt;',
          '"': '&quot;',
          "'": '&apos;',
          '\r': '&#xD;',
        }
        if (one in escapes) return escapes[one as keyof typeof escapes]
        const isAllowed =
          code === 9 ||
          code === 10 ||
          (code >= 0x20 && code <= 0xd7ff) ||
          (code >= 0xe000 && code <= 0xfffd) ||
          code > 0xffff
        return isAllowed ? one : ''
      })
      expect(escapeXml(characters.join(''))).toBe(wanted.join(''))
    }),
    { numRuns: RUNS },
  )
})

test('an answer is written with its lists, maps, times and what is not there', () => {
  const node = {
    Name: 'a<b',
    Count: 0,
    Flag: false,
    When: new Date(Date.UTC(2026, 0, 2, 3, 4, 5, 678)),
    Missing: undefined,
    List: ['x', { Y: 1 }],
    Empty: [],
    Map: new Map([['k', 'v']]),
  }
  const xml =
    '<Name>a&lt;b</Name><Count>0</Count><Flag>false</Flag><When>2026-01-02T03:04:05Z</When>' +
    '<List><member>x</member><member><Y>1</Y></member></List><Empty></Empty>' +
    '<Map><entry><key>k</key><value>v</value></entry></Map>'
  expect(writeElement('R', node)).toBe(`<R>${xml}</R>`)
  expect(writeElement('R', { List: ['x', 'y'] }, 'flat')).toBe(
    '<R><List>x</List><List>y</List></R>',
  )
  // One that is kept is the same, each time and in JSON.
  const kept = new KeptNode(node)
  for (let times = 0; times < 2; times += 1) {
    expect(writeElement('Rs', [kept])).toBe(`<Rs><member>${xml}</member></Rs>`)
    expect(toJson(kept)).toEqual(toJson(node))
  }
})

test.each([
  ['as encoding/xml writes a quote', '&#34;x&#34;', '"x"'],
  ['hexadecimal', '&#xD;&#x1F600;', '\r\u{1F600}'],
  ['the five entities', '&amp;&lt;&gt;&quot;&apos;', '&<>"\''],
  ['decoded once', '&amp;#34;&#38;lt;', '&#34;&lt;'],
  [
    'what is no character',
    '&#0;&#xD800;&#x110000;&#99999999;',
    '&#0;&#xD800;&#x110000;&#99999999;',
  ],
  ["HTML's entities, which XML does not have", '&copy;', '&copy;'],
  ['a section of character data', '<![CDATA[&#34;&lt;]]>', '&#34;&lt;'],
])('%s', (_name, written, read) => {
  expect(parseXml(`<a><b>${written}</b></a>`)).toEqual({ a: { b: read } })
})

test('a document that declares entities is refused', () => {
  expect(parseXml('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>')).toBeUndefined()
})

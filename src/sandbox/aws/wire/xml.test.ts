import { expect, test } from 'bun:test'
import { parseXml } from './xml.ts'

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

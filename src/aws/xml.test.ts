import { expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { childOf, type Element, readXml, textIn } from './_xml.ts'

const nodeOf = (depth: number): fc.Arbitrary<Element> =>
  fc.record({
    name: fc.stringMatching(/^[A-Za-z][\w.-]{0,8}$/),
    children: depth === 0 ? fc.constant([]) : fc.array(nodeOf(depth - 1), { maxLength: 3 }),
    text: fc.string({ unit: 'binary' }),
  })

const escaped = (text: string): string =>
  text.replaceAll(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`)

const written = ({ children, name, text }: Element): string =>
  `<${name}>${escaped(text)}${children.map(written).join('')}</${name}>`

test('what is written is read again', () => {
  fc.assert(
    fc.property(nodeOf(3), (node) => {
      expect(readXml(`<?xml version="1.0" encoding="UTF-8"?>${written(node)}`)).toEqual(node)
    }),
  )
})

test('elements, attributes, empty elements and references', () => {
  const answer = readXml('<a xmlns="x">\n<item/><b>1 &lt; 2 &amp; &#x33;&#52; &nbsp;</b>\n</a>')
  expect(textIn(answer, 'b')).toBe('1 < 2 & 34 &nbsp;')
  expect(childOf(answer, 'item')).toEqual({ name: 'item', children: [], text: '' })
  expect(textIn(answer, 'absent')).toBe('')
})

test('what is no such XML', () => {
  const deep = `${'<a>'.repeat(70)}${'</a>'.repeat(70)}`
  for (const text of [
    '',
    'x',
    '<a>',
    '</a>',
    '<a></b>',
    '<a/><b/>',
    '<a><!-- x --></a>',
    '<a',
    deep,
  ]) {
    expect({ text, read: readXml(text) }).toEqual({ text, read: undefined })
  }
})

import { expect, test } from 'bun:test'
import { hclText, hclValue } from './hcl.ts'

test('a text is evaluated nowhere and ends where it ends', () => {
  expect(hclText('${aws:username} %{if x} $ % $x')).toBe('"$${aws:username} %%{if x} $ % $x"')
  expect(hclText('a"b\\c\nd\te\u0000\u2028')).toBe('"a\\"b\\\\c\\nd\\te\\u0000\\u2028"')
  expect(hclText('$${x}')).toBe('"$$${x}"')
  expect(hclText('grün €')).toBe('"grün €"')
})

test('words of the language and other than names are keys in quotes', () => {
  expect(hclValue({ for: 1, 'aws:SourceIp': [], Plain_1: {}, '${x}': null, true: true })).toBe(
    `{
  "for"          = 1
  "aws:SourceIp" = []
  Plain_1        = {}
  "$\${x}"        = null
  "true"         = true
}`,
  )
})

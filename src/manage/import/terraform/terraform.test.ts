import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { importTerraform } from './terraform.ts'
import shop from './testdata/shop.json'

const SHOP = readFileSync(join(import.meta.dir, 'testdata', 'shop.tf'), 'utf8')

test('each object is a resource with all it has, and an import block', () => {
  const { leftOut, text } = importTerraform(shop)
  expect(text).toBe(SHOP)
  expect(leftOut).toEqual(shop.leftOut)
})

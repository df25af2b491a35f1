import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { codeOf } from '../../lib/errors.ts'
import { createIssuerNames, readOutsideNames } from './issuer-names.ts'

const PEM = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'
let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'podrole-names-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

test('a label may be any, an entry without one goes first, and a later one counts', () => {
  const names = createIssuerNames()
  const portOf = (host: string): number | undefined => names.resolve(host)?.port
  names.add('*.example.com=127.0.0.1:1')
  names.add('a.example.com=127.0.0.1:2')
  names.add('s3.*.amazonaws.com=[::1]:3')
  expect(['A.example.com', 'b.example.com', 'a.b.example.com', 'example.com'].map(portOf)).toEqual([
    2,
    1,
    undefined,
    undefined,
  ])
  expect(names.resolve('s3.eu-west-1.amazonaws.com')).toEqual({ address: '::1', port: 3 })
  for (const odd of ['*.example.com', 'b.example.com.evil', 'bxexample.com', '', '.example.com']) {
    expect(portOf(odd)).toBeUndefined()
  }
  names.add('a.example.com=127.0.0.1:4')
  expect(portOf('a.example.com')).toBe(4)
  expect(names.entries()).toBe(
    '*.example.com=127.0.0.1:1,a.example.com=127.0.0.1:4,s3.*.amazonaws.com=[::1]:3',
  )
})

test.each(['*=127.0.0.1:1', 'a*.b=127.0.0.1:1', '**.b=127.0.0.1:1', '*..b=127.0.0.1:1'])(
  '%s',
  (entry) => {
    const isAllowed = entry.startsWith('*=')
    const add = (): void => createIssuerNames().add(entry)
    if (isAllowed) expect(add).not.toThrow()
    else expect(add).toThrow('wanted HOST=ADDRESS:PORT')
  },
)

describe('from the environment', () => {
  const resolve = 'idp.example.com=127.0.0.1:8443, *.issuer.sandbox=127.0.0.1:8444'

  test.each([
    'http://127.0.0.1:4566',
    'http://localhost:4566',
    'http://[::1]:4566',
    'https://127.1.2.3',
  ])('beside AWS on %s', (AWS_ENDPOINT_URL) => {
    const file = join(folder, 'ca.pem')
    writeFileSync(file, `${PEM}\n`)
    const names = readOutsideNames({
      AWS_ENDPOINT_URL,
      PODROLE_RESOLVE: resolve,
      PODROLE_CA_FILE: file,
    })
    expect(names.resolve('x.issuer.sandbox')).toEqual({ address: '127.0.0.1', port: 8444, ca: PEM })
    expect(names.resolve('idp.example.com')).toMatchObject({ port: 8443 })
    expect(names.resolve('example.com')).toBeUndefined()
  })

  test.each([
    undefined,
    '',
    'https://sts.amazonaws.com',
    'http://127.0.0.1.evil.example',
    'http://10.0.0.1:4566',
    'http://localhost.example:1',
    'nonsense',
  ])('refused beside AWS on %p', (AWS_ENDPOINT_URL) => {
    for (const set of [{ PODROLE_RESOLVE: resolve }, { PODROLE_CA_FILE: '/nowhere' }]) {
      let code: string | undefined
      try {
        readOutsideNames({ AWS_ENDPOINT_URL, ...set })
      } catch (error) {
        code = codeOf(error)
      }
      expect(code).toBe('ResolveRefused')
    }
  })

  test('none is set: no name is known', () => {
    expect(readOutsideNames({}).resolve('a.issuer.sandbox')).toBeUndefined()
    expect(readOutsideNames({ PODROLE_RESOLVE: '' }).resolve('a.issuer.sandbox')).toBeUndefined()
  })

  test('a file without a certificate, or that is not there, is told', () => {
    const AWS_ENDPOINT_URL = 'http://127.0.0.1:4566'
    const file = join(folder, 'empty.pem')
    writeFileSync(file, '')
    expect(() => readOutsideNames({ AWS_ENDPOINT_URL, PODROLE_CA_FILE: file })).toThrow('PEM text')
    const missing = join(folder, 'missing')
    expect(() => readOutsideNames({ AWS_ENDPOINT_URL, PODROLE_CA_FILE: missing })).toThrow('ENOENT')
  })
})

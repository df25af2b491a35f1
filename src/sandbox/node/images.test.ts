import { expect, test } from 'bun:test'
import type { Container } from '../../kube/objects.ts'
import { createImageTable, repositoryOf, wordsOf } from './images.ts'
import cases from './testdata/images.json'

test.each(cases)('the repository of $image', ({ image, repository }) => {
  expect(repositoryOf(image)).toBe(repository)
})

test('well-known images stand for the programs of this machine', () => {
  const found = createImageTable({}, '/usr/bin:/bin').find('docker.io/library/alpine:3')
  expect(found).toMatchObject({ entrypoint: [], path: [expect.stringMatching(/bin$/)] })
  expect('cmd' in found && found.cmd).toEqual([expect.stringMatching(/\/sh$/)])
})

test('a program that is not here is named, with how to get it', () => {
  expect(createImageTable({}, '/nowhere').find('public.ecr.aws/aws-cli/aws-cli:2')).toEqual({
    missing:
      'image public.ecr.aws/aws-cli/aws-cli:2 stands for program aws, which is not here; pip install awscli, or AWS CLI 2 from AWS',
  })
  expect(createImageTable({}, '/nowhere').find('acme/app')).toMatchObject({
    missing: expect.stringContaining('known: alpine, aws-cli,'),
  })
})

test('the caller’s images go first; words are an entry point whose package stays visible', () => {
  const table = createImageTable({
    'acme/kubectl': [process.execPath, import.meta.path],
    kubectl: { entrypoint: ['/bin/sh'], environment: { A: 'b' } },
  })
  const own = table.find('ghcr.io/acme/kubectl:1')
  expect(own).toMatchObject({ entrypoint: [process.execPath, import.meta.path] })
  const folders = 'folders' in own ? own.folders : []
  expect(folders.some((folder) => import.meta.path.startsWith(`${folder}/src/`))).toBe(true)
  expect(table.find('bitnami/kubectl')).toMatchObject({
    entrypoint: ['/bin/sh'],
    environment: { A: 'b' },
  })
})

const replacements: readonly { container: Partial<Container>; words: string[] }[] = [
  { container: {}, words: ['entry', 'cmd'] },
  { container: { args: ['a'] }, words: ['entry', 'a'] },
  { container: { command: ['c'] }, words: ['c'] },
  { container: { command: ['c'], args: ['a'] }, words: ['c', 'a'] },
]
test.each([...replacements])(
  'command and args replace ENTRYPOINT and CMD: $container',
  ({ container, words }) => {
    expect(wordsOf({ entrypoint: ['entry'], cmd: ['cmd'] }, container)).toEqual(words)
  },
)

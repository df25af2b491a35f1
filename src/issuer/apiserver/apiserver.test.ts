import { describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { codeOf } from '../../lib/errors.ts'
import { generateSigningKey, publicKeysPem } from '../keys.ts'
import { type IssuerState, KEY_STATES, type KeyState, type RotationKey } from '../rotation/state.ts'
import {
  type Distribution,
  DISTRIBUTIONS,
  keysOf,
  snippetOf,
  snippetText,
} from './distributions.ts'
import { folderNotes, withFolder } from './folder-request.ts'
import { type ApiServerRequest, type ApiServerSetting, apiServerSetting } from './setting.ts'

const CASES = join(import.meta.dir, 'testdata')
const FOLDER = '/var/lib/podrole/issuer'

interface FolderCase {
  readonly keys: readonly KeyState[]
  readonly maxTokenSeconds: number
  readonly isInKms?: boolean
}
interface Case {
  readonly about: string
  readonly asked: Partial<ApiServerRequest> & { readonly clusterName?: string }
  readonly folder?: FolderCase
  readonly notes?: readonly string[]
}
type Outcome = string | { readonly refused: string }

const made = await Promise.all(
  KEY_STATES.map(async (state) => [state, await generateSigningKey()] as const),
)

function folderState({ keys, maxTokenSeconds, isInKms = false }: FolderCase): IssuerState {
  const keyOf = (state: KeyState): RotationKey => {
    const { kid = '', publicJwk } = made.find(([stage]) => stage === state)?.[1] ?? {}
    return {
      kid,
      publicJwk: publicJwk as RotationKey['publicJwk'],
      state,
      source: isInKms ? { kms: 'arn:aws:kms:us-east-1:1:key/a' } : { file: `${kid}.pem` },
      preparedAt: '2026-01-01T00:00:00.000Z',
    }
  }
  const issuer = 'https://idp.example.com/c1'
  return { version: 1, issuer, settleSeconds: 60, maxTokenSeconds, keys: keys.map(keyOf) }
}

/** Keys differ from run to run: the case files name them, and their PEM, by the key's state. */
const withKids = (text: string): string =>
  made.reduce(
    (all, [state, key]) =>
      all
        .replaceAll(`KID-OF-${state}`, key.kid)
        .replaceAll(new RegExp(`( *)PEM-OF-${state}`, 'g'), (_, indent: string) =>
          publicKeysPem([key]).trimEnd().replaceAll(/^/gm, indent),
        ),
    text,
  )

function settingOf({ asked, folder }: Case, distribution: Distribution): ApiServerSetting {
  const { clusterName: _, ...given } = asked
  const request = {
    oldIssuers: [],
    move: 'sign' as const,
    keyFiles: [],
    apiAudiences: [],
    issuer: '',
    keysAre: keysOf(distribution),
    ...given,
  }
  return apiServerSetting(
    folder === undefined
      ? request
      : withFolder(request, { folder: FOLDER, state: folderState(folder) }),
  )
}

function outcomeOf(one: Case, distribution: Distribution): Outcome {
  try {
    const setting = settingOf(one, distribution)
    const names = { cluster: one.asked.clusterName ?? 'my-cluster' }
    return snippetText(snippetOf(distribution, setting, names), setting)
  } catch (error) {
    return { refused: codeOf(error) ?? String(error) }
  }
}

const files = readdirSync(CASES).filter((file) => file.endsWith('.yaml'))
for (const file of files) {
  const one = parse(readFileSync(join(CASES, file), 'utf8')) as Case &
    Partial<Record<Distribution, Outcome>>
  describe(`${file}: ${one.about}`, () => {
    const named = DISTRIBUTIONS.flatMap((distribution) => {
      const outcome = one[distribution]
      return outcome === undefined ? [] : [[distribution, outcome] as const]
    })
    test.each(named)('%s', (distribution, outcome) => {
      const wanted = typeof outcome === 'string' ? withKids(outcome) : outcome
      expect(outcomeOf(one, distribution)).toEqual(wanted)
    })

    const { notes, folder } = one
    if (notes === undefined) return
    test('says what is to be known', () => {
      const setting = settingOf(one, 'flags')
      const keys = folder && { folder: FOLDER, state: folderState(folder) }
      const ofFolder = keys === undefined ? [] : folderNotes(keys, setting)
      expect([...setting.notes, ...ofFolder]).toEqual(notes.map(withKids))
    })
  })
}

test('every distribution is shown by a case', () => {
  const texts = files.map((file) => readFileSync(join(CASES, file), 'utf8'))
  const unshown = DISTRIBUTIONS.filter(
    (distribution) => !texts.some((text) => text.includes(`\n${distribution}: |`)),
  )
  expect(unshown).toEqual([])
})

describe('is refused', () => {
  const refused = JSON.parse(
    readFileSync(join(CASES, 'refused.json'), 'utf8'),
  ) as readonly (Case & {
    readonly refused: string
  })[]
  test.each(refused.map((one) => [one.about, one] as const))('%s', (_, one) => {
    expect(outcomeOf(one, 'flags')).toEqual({ refused: one.refused })
  })
})

/** An issuer whose keys `podrole issuer rotate` replaces, as typed, and time that goes by for it. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadSigningKey, type SigningKey } from '../../src/issuer/keys.ts'
import type { IssuerState, RotationKey } from '../../src/issuer/rotation/state.ts'
import { passTime } from './issuer-folder.ts'
import type { IssuerJourney, Ran } from './issuer-journey.ts'

export interface RotatedIssuer {
  readonly folder: string
  readonly url: string
  /** `issuer.json`. */
  read(): IssuerState
  write(state: IssuerState): void
  /** `podrole issuer rotate COMMAND --dir …` */
  rotate(command: string, ...words: string[]): Promise<Ran>
  init(...words: string[]): Promise<Ran>
  /** All that was recorded was so much earlier: the clock of the rotation is moved. */
  pass(ms: number): void
  /** Of the first key in that state that is not gone; empty where there is none. */
  kid(state: RotationKey['state']): string
  /** The kids whose private halves are there. */
  pems(): string[]
  /** The kids that are published. */
  published(): Promise<string[]>
  /** Exchanges a token at STS: see `IssuerJourney`. */
  exchange(kid: string): Promise<string>
  exchangeWith(key: SigningKey): Promise<string>
  keyOf(kid?: string): SigningKey
}

/** An issuer in a folder and a bucket of that name. */
export function rotatedIssuer(name: string, run: IssuerJourney): RotatedIssuer {
  const folder = run.at(name)
  const url = `https://s3.us-east-1.amazonaws.com/${name}`
  const file = join(folder, 'issuer.json')
  const read = (): IssuerState => JSON.parse(readFileSync(file, 'utf8')) as IssuerState
  const write = (state: IssuerState): void => writeFileSync(file, JSON.stringify(state))
  const keyOf = (kid = ''): SigningKey =>
    loadSigningKey(readFileSync(join(folder, `${kid}.pem`), 'utf8'))
  return {
    folder,
    url,
    read,
    write,
    rotate: (command: string, ...words: string[]): Promise<Ran> =>
      run.issuer('rotate', command, '--dir', folder, ...words),
    init: (...words: string[]): Promise<Ran> =>
      run.issuer(
        'rotate',
        'init',
        '--dir',
        folder,
        '--to',
        `s3://${name}`,
        '--create-bucket',
        '--longest-token',
        '24h',
        ...words,
      ),
    pass: (ms: number): void => passTime(folder, ms),
    kid: (state: RotationKey['state']): string =>
      read().keys.find((key) => key.state === state && key.removedAt === undefined)?.kid ?? '',
    pems: (): string[] =>
      readdirSync(folder)
        .filter((entry) => entry.endsWith('.pem'))
        .map((entry) => entry.slice(0, -4))
        .sort(),
    published: async (): Promise<string[]> => {
      const text = (await run.objectText(name, 'keys.json')) ?? '{"keys":[]}'
      return (JSON.parse(text) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid).sort()
    },
    exchange: (kid: string): Promise<string> => run.exchange(url, keyOf(kid)),
    exchangeWith: (key: SigningKey): Promise<string> => run.exchange(url, key),
    keyOf,
  }
}

/** Issuer folders as a rotation leaves them, without the outside that it looks at. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SigningKey } from '../../src/issuer/keys.ts'
import { openIssuerFolder } from '../../src/issuer/rotation/issuer-folder.ts'
import type { IssuerState, KeyState, RotationKey } from '../../src/issuer/rotation/state.ts'

/**
 * Writes a folder's state with these keys, each in its state. Files of keys that are there already
 * stay, also of those that are not named any more.
 */
export async function writeIssuerFolder(
  folder: string,
  issuer: Pick<IssuerState, 'issuer' | 'settleSeconds' | 'maxTokenSeconds'>,
  ...keys: readonly (readonly [SigningKey, KeyState])[]
): Promise<void> {
  const own = await openIssuerFolder(folder)
  try {
    const files = new Set((await own.read())?.keys.map(({ kid }) => kid))
    for (const [key] of keys) if (!files.has(key.kid)) await own.addKey(key)
    await own.write({
      version: 1,
      ...issuer,
      keys: keys.map(([{ kid, publicJwk }, state]) => ({
        kid,
        publicJwk: publicJwk as RotationKey['publicJwk'],
        state,
        source: { file: `${kid}.pem` },
        preparedAt: new Date().toISOString(),
      })),
    })
  } finally {
    own.close()
  }
}

/** All that was recorded was so much earlier: the clock of the rotation is moved. */
export function passTime(folder: string, ms: number): void {
  const file = join(folder, 'issuer.json')
  const state = JSON.parse(readFileSync(file, 'utf8')) as IssuerState
  const earlier = (key: RotationKey): RotationKey =>
    Object.fromEntries(
      Object.entries(key).map(([member, value]) => [
        member,
        member.endsWith('At') ? new Date(Date.parse(value as string) - ms).toISOString() : value,
      ]),
    ) as RotationKey
  writeFileSync(file, JSON.stringify({ ...state, keys: state.keys.map(earlier) }))
}

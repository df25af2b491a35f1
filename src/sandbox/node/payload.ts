/** What the files of a projected, config map, secret or downward API volume hold. */
import type { KeyToPath, Pod, ServiceAccountTokenProjection, Volume } from '../../kube/objects.ts'
import { messageOf, PodroleError } from '../../lib/errors.ts'
import type { Secret } from '../../lib/secret.ts'
import { readField } from './environment.ts'
import type { Payload } from './payload-files.ts'

/** Data of config maps and secrets by key; undefined where the object does not exist. */
export interface FileSources {
  configMapFiles(name: string): Promise<ReadonlyMap<string, Uint8Array> | undefined>
  secretFiles(name: string): Promise<ReadonlyMap<string, Uint8Array> | undefined>
  token(projection: ServiceAccountTokenProjection): Promise<Secret>
}

interface Selection {
  readonly items?: readonly KeyToPath[]
  readonly optional?: boolean
  readonly defaultMode?: number
}

interface DownwardItems {
  readonly items?: readonly { readonly path: string; readonly fieldRef?: { fieldPath: string } }[]
  readonly defaultMode?: number
}

const DEFAULT_MODE = 0o644

/** Whether a volume's files are written by the node, and kept up to date. */
export const isWritten = (volume: Volume): boolean =>
  [volume.projected, volume.configMap, volume.secret, downwardOf(volume)].some(
    (source) => source !== undefined,
  )

/** @throws PodroleError `FailedMount` for what is referred to and does not exist */
export async function readPayload(
  pod: Pod,
  volume: Volume,
  sources: FileSources,
): Promise<Payload> {
  const payload: Payload = new Map()
  const mode = modeOf(volume)
  const add = (path: string, data: Uint8Array): void => void payload.set(path, { data, mode })
  const { configMap, secret } = volume
  const downward = downwardOf(volume)
  if (configMap !== undefined) {
    select(
      await sources.configMapFiles(configMap.name),
      `configmap "${configMap.name}"`,
      configMap,
      add,
    )
  }
  if (secret !== undefined) {
    const name = secret.secretName
    select(await sources.secretFiles(name), `secret "${name}"`, secret, add)
  }
  if (downward !== undefined) writeFields(pod, downward, add)
  for (const source of volume.projected?.sources ?? []) {
    if (source.configMap !== undefined) {
      const { name } = source.configMap
      select(await sources.configMapFiles(name), `configmap "${name}"`, source.configMap, add)
    }
    if (source.secret !== undefined) {
      const { name } = source.secret
      select(await sources.secretFiles(name), `secret "${name}"`, source.secret, add)
    }
    if (source.downwardAPI !== undefined) writeFields(pod, source.downwardAPI, add)
    if (source.serviceAccountToken !== undefined) {
      const token = await sources.token(source.serviceAccountToken)
      add(source.serviceAccountToken.path, new TextEncoder().encode(token.reveal()))
    }
  }
  return payload
}

function select(
  files: ReadonlyMap<string, Uint8Array> | undefined,
  what: string,
  selection: Selection,
  add: (path: string, data: Uint8Array) => void,
): void {
  if (files === undefined) {
    if (selection.optional === true) return
    throw new PodroleError('FailedMount', `${what} not found`)
  }
  const items = selection.items ?? [...files.keys()].map((key) => ({ key, path: key }))
  for (const { key, path } of items) {
    const data = files.get(key)
    if (data !== undefined) add(path, data)
    else if (selection.optional !== true) {
      throw new PodroleError('FailedMount', `${what} has no key ${JSON.stringify(key)}`)
    }
  }
}

function writeFields(
  pod: Pod,
  downward: DownwardItems,
  add: (path: string, data: Uint8Array) => void,
): void {
  for (const { path, fieldRef } of downward.items ?? []) {
    try {
      add(path, new TextEncoder().encode(readField(pod, fieldRef?.fieldPath ?? '')))
    } catch (error) {
      throw new PodroleError('FailedMount', messageOf(error), { cause: error })
    }
  }
}

function downwardOf(volume: Volume): DownwardItems | undefined {
  return (volume as { downwardAPI?: DownwardItems }).downwardAPI
}

function modeOf(volume: Volume): number {
  const source = [volume.projected, volume.configMap, volume.secret, downwardOf(volume)].find(
    (one) => one !== undefined,
  ) as Selection | undefined
  return (source?.defaultMode ?? DEFAULT_MODE) & 0o777
}

import { chmodSync, existsSync, mkdirSync, realpathSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { CONFIG_MAPS, type KubeClient, SECRETS } from '../../kube/client.ts'
import type {
  Container,
  KubeObject,
  Pod,
  ServiceAccountTokenProjection,
  Volume,
  VolumeMount,
} from '../../kube/objects.ts'
import type { Clock } from '../../lib/clock.ts'
import { codeOf, messageOf, PodroleError } from '../../lib/errors.ts'
import { Secret } from '../../lib/secret.ts'
import type { ValueSources } from './environment.ts'
import { type FileSources, isWritten, readPayload } from './payload.ts'
import { writePayload } from './payload-files.ts'
import type { Bind } from './root.ts'
import { renewalTime } from './token-renewal.ts'

export interface VolumesOptions {
  readonly client: KubeClient
  readonly clock: Clock
  /** The pod's own folder for its volumes. */
  readonly folder: string
  /** What `hostPath` means by `/`. */
  readonly hostRoot: string
  readonly owner: { readonly uid: number; readonly gid: number } | undefined
}

interface HeldToken {
  readonly token: Secret
  readonly renewAtMs: number
}

interface StoredData extends KubeObject {
  data?: Record<string, string>
  binaryData?: Record<string, string>
}

/** The volumes of one pod: made once, and kept up to date while it lives. */
export class PodVolumes {
  readonly #options: VolumesOptions
  readonly #tokens = new Map<string, HeldToken>()

  constructor(options: VolumesOptions) {
    this.#options = options
  }

  /** @throws PodroleError `FailedMount` where one of them cannot be made (yet) */
  async prepare(pod: Pod): Promise<void> {
    for (const volume of pod.spec.volumes ?? []) {
      try {
        await this.#prepareOne(pod, volume)
      } catch (error) {
        throw new PodroleError(
          'FailedMount',
          `MountVolume.SetUp failed for volume "${volume.name}": ${messageOf(error)}`,
          { cause: error },
        )
      }
    }
  }

  /** Whether a token is old enough to be replaced. */
  isRenewalDue(): boolean {
    const now = this.#options.clock.now()
    return [...this.#tokens.values()].some(({ renewAtMs }) => renewAtMs <= now)
  }

  /** Writes again what changed: tokens that are due, config maps, secrets, labels. */
  async refresh(pod: Pod): Promise<void> {
    for (const volume of pod.spec.volumes ?? []) {
      if (isWritten(volume)) await this.#write(pod, volume)
    }
  }

  /**
   * What a container sees where.
   * @throws PodroleError `CreateContainerConfigError` for a mount that cannot be
   */
  bindsOf(pod: Pod, container: Container): readonly Bind[] {
    return (container.volumeMounts ?? []).map((mount) => {
      const volume = pod.spec.volumes?.find(({ name }) => name === mount.name)
      if (volume === undefined) {
        throw refusal(`volume mount "${mount.name}" names a volume that the pod does not have`)
      }
      const source = this.#sourceOf(volume, mount)
      return {
        source,
        target: mount.mountPath,
        readOnly: mount.readOnly === true || isWritten(volume),
        isFile: !statSync(source).isDirectory(),
      }
    })
  }

  /** The data of config maps and secrets for the environment. */
  values(namespace: string): ValueSources {
    const decode = (files: ReadonlyMap<string, Uint8Array> | undefined) =>
      files && Object.fromEntries([...files].map(([key, data]) => [key, decodeText(data)]))
    const sources = this.#sources(namespace, '')
    return {
      configMap: async (name) => decode(await sources.configMapFiles(name)),
      secret: async (name) => decode(await sources.secretFiles(name)),
    }
  }

  async #prepareOne(pod: Pod, volume: Volume): Promise<void> {
    const folder = this.#folderOf(volume)
    if (isWritten(volume)) {
      mkdirSync(folder, { recursive: true, mode: 0o755 })
      chmodSync(folder, 0o755)
      await this.#write(pod, volume)
    } else if (volume.hostPath !== undefined) {
      this.#keepInside(nearestExisting(folder), this.#options.hostRoot)
      makeHostPath(folder, volume.hostPath.type ?? '')
    } else if (volume.emptyDir !== undefined) {
      mkdirSync(folder, { recursive: true })
      chmodSync(folder, 0o777)
    } else {
      throw refusal('it is of a kind that this node does not have')
    }
  }

  async #write(pod: Pod, volume: Volume): Promise<void> {
    const sources = this.#sources(pod.metadata.namespace ?? 'default', volume.name, pod)
    const payload = await readPayload(pod, volume, sources)
    writePayload(this.#folderOf(volume), payload, this.#options.owner)
  }

  #folderOf(volume: Volume): string {
    const { hostRoot, folder } = this.#options
    if (volume.hostPath !== undefined) return join(hostRoot, normalize(`/${volume.hostPath.path}`))
    // The name is a DNS label by the API; nothing else may choose a folder.
    if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(volume.name)) {
      throw refusal(`volume name ${JSON.stringify(volume.name)} is no DNS label`)
    }
    return join(folder, volume.name)
  }

  #sourceOf(volume: Volume, mount: VolumeMount): string {
    const folder = this.#folderOf(volume)
    if (mount.subPath === undefined || mount.subPath === '') {
      return volume.hostPath === undefined
        ? folder
        : this.#keepInside(folder, this.#options.hostRoot)
    }
    if (mount.subPath.startsWith('/') || mount.subPath.split('/').includes('..')) {
      throw refusal(`sub-path ${JSON.stringify(mount.subPath)} leaves its volume`)
    }
    const path = join(folder, mount.subPath)
    if (!existsSync(path)) {
      if (isWritten(volume)) throw refusal(`volume "${volume.name}" has no ${mount.subPath}`)
      this.#keepInside(nearestExisting(path), folder)
      mkdirSync(path, { recursive: true })
      chmodSync(path, 0o777)
    }
    return this.#keepInside(path, folder)
  }

  /** A pod can put a symbolic link into a volume: what it leads to must not be mounted. */
  #keepInside(path: string, folder: string): string {
    const real = realpathSync(path)
    const top = realpathSync(folder)
    if (real === top || real.startsWith(`${top}/`)) return real
    throw refusal('a symbolic link in it leads out of it')
  }

  #sources(namespace: string, volume: string, pod?: Pod): FileSources {
    const { client } = this.#options
    return {
      configMapFiles: async (name) => {
        const found = await getIfThere(client, CONFIG_MAPS, { namespace, name })
        return found && filesOf(found.data, found.binaryData)
      },
      secretFiles: async (name) => {
        const found = await getIfThere(client, SECRETS, { namespace, name })
        return found && filesOf(undefined, found.data)
      },
      token: (projection) => this.#token(pod, volume, projection),
    }
  }

  async #token(
    pod: Pod | undefined,
    volume: string,
    projection: ServiceAccountTokenProjection,
  ): Promise<Secret> {
    const { client, clock } = this.#options
    const key = JSON.stringify([volume, projection.path])
    const held = this.#tokens.get(key)
    const now = clock.now()
    if (held !== undefined && held.renewAtMs > now) return held.token
    const { namespace = 'default', name = '', uid } = pod?.metadata ?? {}
    const text = await client.createToken(
      { namespace, name: pod?.spec.serviceAccountName ?? 'default' },
      {
        audiences: projection.audience === undefined ? [] : [projection.audience],
        ...(projection.expirationSeconds !== undefined && {
          expirationSeconds: projection.expirationSeconds,
        }),
        boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, ...(uid && { uid }) },
      },
    )
    const token = new Secret(text)
    const renewAtMs = renewalTime(text, now, projection.expirationSeconds)
    this.#tokens.set(key, { token, renewAtMs })
    return token
  }
}

function makeHostPath(path: string, type: string): void {
  const isThere = existsSync(path)
  if (type === '' || type === 'DirectoryOrCreate') {
    if (!isThere) mkdirSync(path, { recursive: true, mode: 0o755 })
  } else if (type === 'FileOrCreate') {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 })
    if (!isThere) writeFileSync(path, '')
  } else if (!isThere) {
    throw refusal(`hostPath type check failed: the node's root has no such ${type}`)
  }
}

async function getIfThere(
  client: KubeClient,
  type: typeof CONFIG_MAPS,
  ref: { readonly namespace: string; readonly name: string },
): Promise<StoredData | undefined> {
  try {
    return await client.get<StoredData>(type, ref)
  } catch (error) {
    if (codeOf(error) === 'NotFound') return undefined
    throw error
  }
}

function filesOf(
  text: Readonly<Record<string, string>> = {},
  base64: Readonly<Record<string, string>> = {},
): ReadonlyMap<string, Uint8Array> {
  const encoder = new TextEncoder()
  return new Map<string, Uint8Array>([
    ...Object.entries(text).map(([key, value]) => [key, encoder.encode(value)] as const),
    ...Object.entries(base64).map(([key, value]) => [key, Buffer.from(value, 'base64')] as const),
  ])
}

function nearestExisting(path: string): string {
  let at = path
  while (!existsSync(at)) at = dirname(at)
  return at
}

const decodeText = (data: Uint8Array): string => new TextDecoder().decode(data)

const refusal = (message: string): PodroleError =>
  new PodroleError('CreateContainerConfigError', message)

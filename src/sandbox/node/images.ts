import { existsSync } from 'node:fs'
import { delimiter, dirname, isAbsolute, join } from 'node:path'

/** What stands for a container image on a machine without a registry: programs it has already. */
export interface ImageEntry {
  /** The image's ENTRYPOINT; the first word is an absolute path or a name on the host's PATH. */
  readonly entrypoint?: readonly string[]
  /** The image's CMD: what `args` of a container replaces. */
  readonly cmd?: readonly string[]
  /** Folders put in front of the containers' PATH. */
  readonly path?: readonly string[]
  /** Folders of this machine that its containers must see even under `/tmp` and `/run`. */
  readonly folders?: readonly string[]
  /** The image's own environment. */
  readonly environment?: Readonly<Record<string, string>>
  /** How to get the program, one sentence, for a machine that lacks it. */
  readonly install?: string
}

export interface FoundImage {
  readonly entrypoint: readonly string[]
  readonly cmd: readonly string[]
  readonly path: readonly string[]
  readonly folders: readonly string[]
  readonly environment: Readonly<Record<string, string>>
}

export interface ImageTable {
  /** The image's programs, or why it cannot be had here, for people. */
  find(image: string): FoundImage | { readonly missing: string }
}

const DEBIAN = (name: string): string => `on Debian: apt-get install ${name}`

/**
 * Image names without registry host, tag and digest. A name without a slash stands for every
 * repository whose last part it is (`aws-cli`: `amazon/aws-cli`, `public.ecr.aws/aws-cli/aws-cli`).
 */
const WELL_KNOWN: Readonly<Record<string, ImageEntry>> = {
  'aws-cli': { entrypoint: ['aws'], install: 'pip install awscli, or AWS CLI 2 from AWS' },
  kubectl: { entrypoint: ['kubectl'], install: 'https://kubernetes.io/docs/tasks/tools/' },
  busybox: { cmd: ['sh'], install: DEBIAN('dash') },
  alpine: { cmd: ['sh'], install: DEBIAN('dash') },
  debian: { cmd: ['bash'], install: DEBIAN('bash') },
  ubuntu: { cmd: ['bash'], install: DEBIAN('bash') },
  bash: { cmd: ['bash'], install: DEBIAN('bash') },
  python: { cmd: ['python3'], install: DEBIAN('python3') },
  node: { cmd: ['node'], install: DEBIAN('nodejs') },
}

/**
 * The table of images: the well-known ones and the caller's, which go first. A list of words is an
 * entry point; the packages (folders with a `package.json`) of its files stay visible.
 * @param searchPath the folders in which programs are looked for; the process' PATH by default
 */
export function createImageTable(
  entries: Readonly<Record<string, ImageEntry | readonly string[]>> = {},
  searchPath: string = process.env['PATH'] ?? '',
): ImageTable {
  const own = Object.entries(entries).map(([name, entry]) => [name, entryOf(entry)] as const)
  const table = new Map<string, ImageEntry>([...Object.entries(WELL_KNOWN), ...own])
  return {
    find: (image) => {
      const repository = repositoryOf(image)
      const entry = table.get(repository) ?? table.get(repository.split('/').at(-1) ?? '')
      if (entry === undefined) {
        const known = [...table.keys()].sort().join(', ')
        return { missing: `no program of this machine stands for image ${image}; known: ${known}` }
      }
      return locate(image, entry, searchPath)
    },
  }
}

/**
 * An image reference without registry host, tag and digest: a first part with a dot or a colon, or
 * `localhost`, is a host (the reference grammar of github.com/distribution/reference).
 */
export function repositoryOf(image: string): string {
  const untagged = image.replace(/@.*$/, '').replace(/:[^/:]*$/, '')
  const parts = untagged.split('/')
  const first = parts[0] ?? ''
  const isHost = parts.length > 1 && (/[.:]/.test(first) || first === 'localhost')
  const rest = isHost ? parts.slice(1) : parts
  return (rest.length > 1 && rest[0] === 'library' ? rest.slice(1) : rest).join('/')
}

function entryOf(entry: ImageEntry | readonly string[]): ImageEntry {
  if (!isWords(entry)) return entry
  const folders = entry.filter((word) => isAbsolute(word)).map(packageOf)
  return { entrypoint: entry, folders: [...new Set(folders)] }
}

const isWords = (entry: ImageEntry | readonly string[]): entry is readonly string[] =>
  Array.isArray(entry)

/** The folder of the outermost package that a file belongs to, or its own. */
function packageOf(file: string): string {
  let found: string | undefined
  for (let at = dirname(file); at !== '/'; at = dirname(at)) {
    if (existsSync(join(at, 'package.json'))) found = at
  }
  return found ?? dirname(file)
}

function locate(
  image: string,
  entry: ImageEntry,
  searchPath: string,
): FoundImage | { readonly missing: string } {
  const name = entry.entrypoint?.[0] ?? entry.cmd?.[0] ?? ''
  const folders = [...(entry.path ?? []), ...searchPath.split(delimiter)].filter(isAbsolute)
  const program = isAbsolute(name)
    ? existsSync(name) && name
    : Bun.which(name, { PATH: folders.join(delimiter) })
  if (typeof program !== 'string') {
    const how = entry.install === undefined ? '' : `; ${entry.install}`
    return { missing: `image ${image} stands for program ${name}, which is not here${how}` }
  }
  const entrypoint = entry.entrypoint === undefined ? [] : [program, ...entry.entrypoint.slice(1)]
  return {
    entrypoint,
    cmd:
      entry.entrypoint === undefined ? [program, ...(entry.cmd ?? []).slice(1)] : (entry.cmd ?? []),
    path: [...new Set([...(entry.path ?? []), dirname(program)])],
    folders: [...new Set([...(entry.folders ?? []), ...(entry.path ?? []), dirname(program)])],
    environment: entry.environment ?? {},
  }
}

/**
 * The words that a container runs: `command` replaces ENTRYPOINT and CMD, `args` replaces CMD
 * (Kubernetes, "Define a Command and Arguments for a Container").
 */
export function wordsOf(
  image: Pick<FoundImage, 'entrypoint' | 'cmd'>,
  container: { readonly command?: readonly string[]; readonly args?: readonly string[] },
): string[] {
  const command = container.command ?? []
  const args = container.args ?? []
  if (command.length > 0) return [...command, ...args]
  return [...image.entrypoint, ...(args.length > 0 ? args : image.cmd)]
}

import { resolve } from 'node:path'
import { parseIssuerUrl } from '../issuer/issuer-url.ts'
import { loadSigningKey, type SigningKey } from '../issuer/keys.ts'
import { withNewKey } from '../issuer/rotation/decide.ts'
import { openIssuerFolder, type OwnIssuerFolder } from '../issuer/rotation/issuer-folder.ts'
import { publishAndSee } from '../issuer/rotation/rotate.ts'
import { type IssuerState, type NewKey, newKeyOf } from '../issuer/rotation/state.ts'
import { systemClock } from '../lib/clock.ts'
import { parseDurationMs } from '../lib/durations.ts'
import { codeOf, PodroleError } from '../lib/errors.ts'
import { readPrivateFile } from '../lib/private-files.ts'
import type { RotateInitFlags } from './commands/issuer-rotate.ts'
import { printNote } from './output.ts'
import {
  checkPlace,
  contradiction,
  type Destination,
  openDestination,
  waitMsOf,
} from './parts/publishing.ts'
import { fileOf, folderPorts, isInKms, makeFolderKey, takeKmsKey } from './parts/rotation.ts'
import { printKeyOutlooks } from './issuer-rotate-run.ts'

/**
 * A signer that cannot read the folder goes on for minutes, and one whose keys are copied to it for
 * as long as the copy takes.
 */
const FOLLOW_SECONDS = 3600
const MAX_KEY_BYTES = 100_000

/** Makes the folder, publishes its first key and sees it; killed, it goes on when asked again. */
export async function runInit(flags: RotateInitFlags): Promise<void> {
  const times = timesOf(flags)
  const { to, issuerUrl } = flags
  if (to === undefined) checkNoPlace(flags)
  else checkPlace({ ...flags, to })
  if (issuerUrl !== undefined) parseIssuerUrl(issuerUrl)
  // A place that is none leaves no folder behind.
  const destination = to === undefined ? undefined : await openDestination({ ...flags, to })
  try {
    const own = await openIssuerFolder(resolve(flags.dir))
    try {
      const empty = emptyState(flags, times, destination)
      printKeyOutlooks(flags, await init(own, empty, { flags, destination }))
    } finally {
      own.close()
    }
  } finally {
    destination?.s3?.open.close()
  }
}

async function init(
  own: OwnIssuerFolder,
  empty: IssuerState,
  { flags, destination }: { flags: RotateInitFlags; destination: Destination | undefined },
): Promise<IssuerState> {
  const state = await firstState(own, empty, flags)
  if (destination === undefined) {
    printNote(
      `nothing is published from here: have ${state.issuer} serve the keys of ${own.folder}, as podrole issuer serve does`,
    )
    return state
  }
  const waitMs = waitMsOf(flags, (state.publish?.maxAgeSeconds ?? 0) * 1000)
  const seen = await publishAndSee(folderPorts(own, state, { waitMs, destination }), state)
  printNote(`seen from outside at ${state.issuer}`)
  return seen.state
}

interface Times {
  readonly settleSeconds: number
  readonly maxTokenSeconds: number
  readonly maxAgeSeconds: number
}

function timesOf({ settle, longestToken, maxAge }: RotateInitFlags): Times {
  const [settleSeconds = 0, maxTokenSeconds = 0, maxAgeSeconds = 0] = [
    settle,
    longestToken,
    maxAge,
  ].map((text) => Math.ceil(parseDurationMs(text) / 1000))
  if (settleSeconds < maxAgeSeconds) {
    throw new PodroleError(
      'SettleTooShort',
      `--settle ${settle} is shorter than --max-age ${maxAge}: others keep the documents longer than that`,
      { hint: 'choose a longer settle time, or a shorter --max-age' },
    )
  }
  if (maxTokenSeconds < 600) {
    throw new PodroleError(
      'LongestTokenTooShort',
      `--longest-token ${longestToken} is shorter than any token: Kubernetes makes none under 10m`,
    )
  }
  return { settleSeconds, maxTokenSeconds, maxAgeSeconds }
}

function checkNoPlace({ issuerUrl, region, createBucket, acl }: RotateInitFlags): void {
  if (issuerUrl === undefined) {
    throw new PodroleError('NoIssuer', 'no issuer is named', {
      hint: '--to s3://BUCKET[/PREFIX] names one, or --issuer-url https://HOST[/PATH]',
    })
  }
  if (!createBucket && !acl && region === undefined) return
  throw contradiction(
    '--create-bucket, --acl and --region are for a place in S3, and none is named',
    'name it: --to s3://BUCKET[/PREFIX]',
  )
}

function emptyState(
  { to, issuerUrl, acl }: RotateInitFlags,
  { settleSeconds, maxTokenSeconds, maxAgeSeconds }: Times,
  destination: Destination | undefined,
): IssuerState {
  const s3 = destination?.s3
  return {
    version: 1,
    issuer: destination?.issuer.issuer ?? issuerUrl ?? '',
    ...(to !== undefined && {
      publish: {
        to: s3 === undefined ? resolve(to) : to,
        ...(s3 !== undefined && { region: s3.open.region }),
        ...(issuerUrl !== undefined && { issuerUrl }),
        ...(acl && { acl: true as const }),
        maxAgeSeconds,
      },
    }),
    settleSeconds,
    maxTokenSeconds,
    followSeconds: FOLLOW_SECONDS,
    keys: [],
  }
}

/** The state with its first key, written down; the one that is there if it is the same. */
async function firstState(
  own: OwnIssuerFolder,
  empty: IssuerState,
  flags: RotateInitFlags,
): Promise<IssuerState> {
  const taken =
    flags.privateKeyFile === undefined ? undefined : await readTaken(flags.privateKeyFile)
  const before = await own.read()
  if (before !== undefined) {
    const [key, ...more] = before.keys
    const isSame =
      JSON.stringify({ ...before, keys: [] }) === JSON.stringify(empty) &&
      key?.state === 'active' &&
      more.length === 0 &&
      (taken === undefined || taken.kid === key.kid) &&
      (flags.kmsKey === undefined || isInKms(key, flags.kmsKey))
    if (isSame) return before
    throw new PodroleError(
      'IssuerFolderExists',
      `${own.folder} is the folder of ${before.issuer} already, with ${before.keys.length} key(s)`,
      { hint: 'podrole issuer rotate status shows it; another issuer has a folder of its own' },
    )
  }
  const key = await firstKey(own, empty, { flags, taken })
  const state = withNewKey(empty, key, systemClock.now())
  await own.write(state)
  return state
}

async function firstKey(
  own: OwnIssuerFolder,
  empty: IssuerState,
  {
    flags: { keyKind, kmsKey },
    taken,
  }: { readonly flags: RotateInitFlags; readonly taken: SigningKey | undefined },
): Promise<NewKey> {
  if (taken !== undefined) return takeKey(own, taken)
  return kmsKey === undefined ? makeFolderKey(own, empty, keyKind) : takeKmsKey(empty, kmsKey)
}

/** A key that is in a file for its owner alone. */
async function readTaken(file: string): Promise<SigningKey> {
  return loadSigningKey(await readPrivateFile(file, MAX_KEY_BYTES))
}

async function takeKey(own: OwnIssuerFolder, key: SigningKey): Promise<NewKey> {
  try {
    await own.addKey(key)
  } catch (error) {
    // A command that was killed put it there; the name says which key it is.
    const left = await own.leftKeys({ keys: [] })
    if (codeOf(error) !== 'FileExists' || !left.some(({ kid }) => kid === key.kid)) throw error
  }
  return newKeyOf(key, fileOf(key))
}

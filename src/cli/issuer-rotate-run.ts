import { resolve } from 'node:path'
import {
  type Census,
  type Facts,
  FOLLOW_SECONDS,
  isoOf,
  preparedKeyOf,
  settledAtMs,
} from '../issuer/rotation/decide.ts'
import { openIssuerFolder, readIssuerFolder } from '../issuer/rotation/issuer-folder.ts'
import { commandOutlooks, keyOutlooks } from '../issuer/rotation/outlook.ts'
import {
  abort,
  activate,
  prepare,
  retire,
  type Rotated,
  type RotationPorts,
} from '../issuer/rotation/rotate.ts'
import { activeKeyOf, type IssuerState, type RotationKey } from '../issuer/rotation/state.ts'
import { systemClock } from '../lib/clock.ts'
import { PodroleError } from '../lib/errors.ts'
import type {
  RotateCensusFlags,
  RotateFlags,
  RotatePrepareFlags,
} from './commands/issuer-rotate.ts'
import { printData, printNote } from './output.ts'
import { type CensusFlags, takeCensus } from './parts/census.ts'
import { waitMsOf } from './parts/publishing.ts'
import { commandTable, keyTable } from './rotation-tables.ts'
import {
  folderPorts,
  isInKms,
  openStatePlace,
  readOwn,
  type RotationOptions,
} from './parts/rotation.ts'

const factsNow = (census: Census): Facts => ({ nowMs: systemClock.now(), census })

/** Prints how far each key is. */
export async function showStatus(flags: RotateCensusFlags): Promise<void> {
  const { state } = await readIssuerFolder(resolve(flags.dir))
  printKeyOutlooks(flags, state, await takeCensus(flags, state))
}

/** Prints what each command would do. */
export async function showPlan(flags: RotateCensusFlags): Promise<void> {
  const { state } = await readIssuerFolder(resolve(flags.dir))
  const outlooks = commandOutlooks(state, factsNow(await takeCensus(flags, state)))
  printData(flags.output, outlooks, commandTable(outlooks))
}

export async function runPrepare(flags: RotatePrepareFlags): Promise<void> {
  const { state } = await readIssuerFolder(resolve(flags.dir))
  const {
    issuerUrl = state.publish === undefined ? state.issuer : undefined,
    maxAgeSeconds = 300,
  } = state.publish ?? {}
  const { wait } = flags
  const waitMs = waitMsOf(
    { ...(wait !== undefined && { wait }), ...(issuerUrl !== undefined && { issuerUrl }) },
    maxAgeSeconds * 1000,
  )
  const { keyKind, kmsKey } = flags
  const before = preparedKeyOf(state)
  if (kmsKey !== undefined && before !== undefined && !isInKms(before, kmsKey)) {
    throw new PodroleError(
      'KeyPrepared',
      `key ${before.kid} is prepared already: wanted ${kmsKey}`,
      {
        hint: 'podrole issuer rotate abort takes it back',
      },
    )
  }
  const done = await rotate(flags, prepare, {
    waitMs,
    keyKind,
    ...(kmsKey !== undefined && { kmsKey }),
  })
  const prepared = preparedKeyOf(done.state)
  const fromMs = prepared?.seenAt === undefined ? 0 : settledAtMs(done.state, prepared.seenAt)
  printNote(
    `key ${prepared?.kid ?? ''} is published and was seen from outside${done.resumed ? ' (it was prepared already)' : ''}; it may sign from ${isoOf(fromMs)}`,
  )
  printKeyOutlooks(flags, done.state)
}

const STEPS = { activate, retire, abort } as const

/** @param asking of the steps that a token in use holds up */
export async function runStep(
  step: keyof typeof STEPS,
  flags: RotateFlags,
  asking?: CensusFlags,
): Promise<void> {
  let seen: Census = new Map()
  const census = async (current: IssuerState): Promise<Census> => {
    if (asking !== undefined) seen = await takeCensus(asking, current)
    return seen
  }
  const { state, kids, resumed } = await rotate(flags, STEPS[step], { census })
  const signing = activeKeyOf(state)
  if (resumed) printNote(`ended what was begun before: ${kids.join(', ')}; nothing else was done`)
  else if (signing !== undefined && kids.includes(signing.kid)) {
    printNote(`key ${signing.kid} signs from now on; ${whereOf(signing, state, flags)}`)
  } else printNote(`unpublished and deleted: ${kids.join(', ')}`)
  printKeyOutlooks(flags, state, seen)
}

function whereOf(
  { source }: RotationKey,
  { followSeconds = FOLLOW_SECONDS }: IssuerState,
  { dir }: RotateFlags,
): string {
  if ('kms' in source) return `it is ${source.kms}, which podrole issuer signer asks`
  const file = 'file' in source ? source.file : ''
  // So long may a signer be behind, and retirement counts on it.
  const minutes = Math.floor(followSeconds / 60)
  return `an API server that has its key in a file needs ${resolve(dir, file)} and a restart within ${minutes} minutes: podrole issuer apiserver-flags --dir ${dir}`
}

async function rotate(
  { dir }: RotateFlags,
  command: (ports: RotationPorts) => Promise<Rotated>,
  options: RotationOptions,
): Promise<Rotated> {
  const folder = resolve(dir)
  // One that is not there is not to be made.
  await readIssuerFolder(folder)
  const own = await openIssuerFolder(folder)
  try {
    const state = await readOwn(own)
    const destination = await openStatePlace(state)
    try {
      const more = destination === undefined ? {} : { destination }
      return await command(folderPorts(own, state, { ...options, ...more }))
    } finally {
      destination?.s3?.open.close()
    }
  } finally {
    own.close()
  }
}

/** Prints the keys that are not gone, and what they wait for. */
export function printKeyOutlooks(
  { output }: Pick<RotateFlags, 'output'>,
  state: IssuerState,
  census: Census = new Map(),
): void {
  const keys = keyOutlooks(state, factsNow(census))
  const { issuer, settleSeconds, maxTokenSeconds } = state
  printData(output, { issuer, settleSeconds, maxTokenSeconds, keys }, keyTable(keys))
}

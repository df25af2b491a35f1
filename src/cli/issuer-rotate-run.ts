import { resolve } from 'node:path'
import {
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
import { activeKeyOf, type IssuerState } from '../issuer/rotation/state.ts'
import { systemClock } from '../lib/clock.ts'
import type { RotateFlags, RotatePrepareFlags } from './commands/issuer-rotate.ts'
import { printData, printNote } from './output.ts'
import { waitMsOf } from './parts/publishing.ts'
import { folderPorts, openStatePlace, readOwn, type RotationOptions } from './parts/rotation.ts'

const factsNow = (): Facts => ({ nowMs: systemClock.now(), census: new Map() })

/** Prints how far each key is. */
export async function showStatus(flags: RotateFlags): Promise<void> {
  const { state } = await readIssuerFolder(resolve(flags.dir))
  printKeyOutlooks(flags, state)
}

/** Prints what each command would do. */
export async function showPlan(flags: RotateFlags): Promise<void> {
  const { state } = await readIssuerFolder(resolve(flags.dir))
  const outlooks = commandOutlooks(state, factsNow())
  printData(flags.output, outlooks, {
    columns: ['command', 'when', 'what'],
    rows: outlooks.map(({ command, when, until = when, why, does }) => [
      command,
      until,
      why ?? does.join('; '),
    ]),
  })
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
  const { keyKind } = flags
  const done = await rotate(flags, prepare, { waitMs, keyKind })
  const prepared = preparedKeyOf(done.state)
  const fromMs = prepared?.seenAt === undefined ? 0 : settledAtMs(done.state, prepared.seenAt)
  printNote(
    `key ${prepared?.kid ?? ''} is published and was seen from outside${done.resumed ? ' (it was prepared already)' : ''}; it may sign from ${isoOf(fromMs)}`,
  )
  printKeyOutlooks(flags, done.state)
}

const STEPS = { activate, retire, abort } as const

export async function runStep(step: keyof typeof STEPS, flags: RotateFlags): Promise<void> {
  const { state, kids, resumed } = await rotate(flags, STEPS[step], {})
  const signing = activeKeyOf(state)
  if (resumed) printNote(`ended what was begun before: ${kids.join(', ')}; nothing else was done`)
  else if (signing !== undefined && kids.includes(signing.kid)) {
    // So long may a signer be behind, and retirement counts on it.
    const minutes = Math.floor((state.followSeconds ?? FOLLOW_SECONDS) / 60)
    printNote(
      `key ${signing.kid} signs from now on; an API server that has its key in a file needs ${resolve(flags.dir, `${signing.kid}.pem`)} and a restart within ${minutes} minutes: podrole issuer apiserver-flags --dir ${flags.dir}`,
    )
  } else printNote(`unpublished and deleted: ${kids.join(', ')}`)
  printKeyOutlooks(flags, state)
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
): void {
  const keys = keyOutlooks(state, factsNow())
  const { issuer, settleSeconds, maxTokenSeconds } = state
  printData(
    output,
    { issuer, settleSeconds, maxTokenSeconds, keys },
    {
      columns: ['kid', 'algorithm', 'state', 'since', 'waits for', 'until'],
      rows: keys.map(({ kid, algorithm, state: stage, since, waitsFor = '', until = '' }) => [
        kid,
        algorithm,
        stage,
        since,
        waitsFor,
        until,
      ]),
    },
  )
}

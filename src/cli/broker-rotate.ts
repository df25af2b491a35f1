/** `podrole broker rotate`: the fleet issuer's signing keys, by the broker's own API. */
import type { CommandOutlook, KeyOutlook } from '../issuer/rotation/outlook.ts'
import { brokerEndpoint } from './broker-client.ts'
import type { BrokerAccessFlags } from './commands/broker.ts'
import { printData, printNote } from './output.ts'
import { callEks } from './parts/associations.ts'
import { commandTable, keyTable } from './rotation-tables.ts'

export type BrokerStep = 'prepare' | 'activate' | 'retire' | 'abort'

/** The broker looks at its issuer from outside meanwhile, and again. */
const STEP_MS = 120_000

/** What a broker tells of its issuer. */
interface FleetIssuer {
  readonly issuer: {
    readonly issuer: string
    readonly settleSeconds: number
    readonly maxTokenSeconds: number
  }
  readonly outlook: {
    readonly keys: readonly KeyOutlook[]
    readonly commands: readonly CommandOutlook[]
  }
}

/** What a step did. */
interface Taken {
  readonly kids: readonly string[]
  /** It found and ended what one before it had begun. */
  readonly resumed: boolean
}

/** Prints how far each key is. */
export async function showBrokerKeys(flags: BrokerAccessFlags): Promise<void> {
  printKeys(flags, await readIssuer(flags))
}

/** Prints what each command would do. */
export async function showBrokerPlan(flags: BrokerAccessFlags): Promise<void> {
  const { commands } = (await readIssuer(flags)).outlook
  printData(flags.output, commands, commandTable(commands))
}

/** Has the broker take a step. */
export async function runBrokerStep(step: BrokerStep, flags: BrokerAccessFlags): Promise<void> {
  const endpoint = { ...(await brokerEndpoint(flags)), timeoutMs: STEP_MS }
  const answer = await callEks(endpoint, 'POST', '/podrole/v1/issuer/rotation', { command: step })
  const told = answer as unknown as FleetIssuer & Taken
  printNote(noteOf(step, told))
  printKeys(flags, told)
}

function noteOf(step: BrokerStep, { kids, resumed, outlook }: FleetIssuer & Taken): string {
  const named = kids.join(', ')
  const signing = outlook.keys.find(({ state }) => state === 'active')?.kid ?? ''
  if (step === 'prepare') {
    return `key ${named} is published and was seen from outside${resumed ? ' (it was prepared already)' : ''}`
  }
  if (resumed) return `ended what was begun before: ${named}; nothing else was done`
  return kids.includes(signing)
    ? `key ${signing} signs from now on`
    : `unpublished and deleted: ${named}`
}

async function readIssuer(flags: BrokerAccessFlags): Promise<FleetIssuer> {
  const answer = await callEks(await brokerEndpoint(flags), 'GET', '/podrole/v1/issuer')
  return answer as unknown as FleetIssuer
}

function printKeys({ output }: BrokerAccessFlags, { issuer, outlook }: FleetIssuer): void {
  const { settleSeconds, maxTokenSeconds } = issuer
  const value = { issuer: issuer.issuer, settleSeconds, maxTokenSeconds, keys: outlook.keys }
  printData(output, value, keyTable(outlook.keys))
}

/** A load of tokens: issued, exchanged and verified at a rate, by a process of its own. */
import { join } from 'node:path'

export interface LoadJob {
  /** The `iss` of the tokens. */
  readonly issuer: string
  readonly apiServer: { readonly server: string; readonly ca: string; readonly token: string }
  /** Each token is exchanged at each of these. */
  readonly exchanges: readonly {
    readonly name: string
    readonly endpoint: string
    readonly roleArn: string
  }[]
  readonly serviceAccount: { readonly namespace: string; readonly name: string }
  /** New tokens. */
  readonly perSecond: number
  /** Uses of tokens that were issued earlier and may still be exchanged, beside the new ones. */
  readonly reusedPerSecond: number
  readonly tokenSeconds: number
  /** A token is used no more so long before it ends: a request takes its time. */
  readonly spareSeconds: number
  /** How long the program that verifies tokens keeps the issuer's keys. */
  readonly keysKeptSeconds: number
}

/** Who takes or refuses tokens: the STSs of the job by their names, and these two. */
export const API_SERVER = 'API server'
export const VERIFIER = 'verifier'

export interface Refusal {
  readonly by: string
  readonly kid: string
  readonly why: string
}

/** What was seen since it was asked for last. */
export interface LoadCounts {
  readonly seconds: number
  /** By kid. */
  readonly issued: Readonly<Record<string, number>>
  /** TokenRequests that failed, and were made again a second later. */
  readonly askedAgain: readonly string[]
  /** Tokens that were to be issued and were not: too many TokenRequests were waiting. */
  readonly missed: number
  readonly reused: number
  /** By who took them, then by kid. */
  readonly taken: Readonly<Record<string, Readonly<Record<string, number>>>>
  readonly refused: readonly Refusal[]
  /** Milliseconds of the slowest answer, by who was asked; TokenRequests too. */
  readonly slowest: Readonly<Record<string, number>>
}

export interface RotationLoad {
  counts(): Promise<LoadCounts>
  /** Ends when what is under way is answered. */
  stop(): Promise<LoadCounts>
  kill(): Promise<void>
}

export type LoadCommand =
  | { readonly kind: 'start'; readonly job: LoadJob }
  | { readonly kind: 'count' | 'stop' }

/** Starts it; `environment` names the issuer's host (PODROLE_RESOLVE, PODROLE_CA_FILE). */
export function startRotationLoad(
  job: LoadJob,
  environment: Readonly<Record<string, string>>,
): RotationLoad {
  let answer = Promise.withResolvers<LoadCounts>()
  const child = Bun.spawn(
    [process.execPath, '--no-env-file', join(import.meta.dir, 'rotation-load-process.ts')],
    {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: {
        PATH: process.env['PATH'] ?? '',
        // TokenRequests that wait for a signer keep no exchange waiting.
        BUN_CONFIG_MAX_HTTP_REQUESTS: '4096',
        ...environment,
      },
      ipc: (message) => answer.resolve(message as LoadCounts),
      onExit: (_child, code) => answer.reject(new Error(`the load ended with ${String(code)}`)),
    },
  )
  answer.promise.catch(() => undefined)
  const ask = (command: LoadCommand): Promise<LoadCounts> => {
    answer = Promise.withResolvers<LoadCounts>()
    answer.promise.catch(() => undefined)
    child.send(command)
    return answer.promise
  }
  child.send({ kind: 'start', job } satisfies LoadCommand)
  const kill = async (): Promise<void> => {
    child.kill()
    await child.exited
  }
  return {
    counts: () => ask({ kind: 'count' }),
    stop: async () => {
      const last = await ask({ kind: 'stop' })
      await kill()
      return last
    },
    kill,
  }
}

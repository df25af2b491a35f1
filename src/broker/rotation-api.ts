/** The fleet issuer's keys for admins: `GET /podrole/v1/issuer`, `POST /podrole/v1/issuer/rotation`. */
import { z } from 'zod'
import { commandOutlooks, keyOutlooks } from '../issuer/rotation/outlook.ts'
import { abort, activate, prepare, retire, type RotationPorts } from '../issuer/rotation/rotate.ts'
import type { IssuerState } from '../issuer/rotation/state.ts'
import type { Clock } from '../lib/clock.ts'
import { codeOf, PodroleError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { ManagementRoutes } from './authentication.ts'
import { EksFault, eksJson, pathSegments, readJsonBody } from './eks-wire.ts'
import type { FleetKeyStore } from './store.ts'

export interface RotationApiOptions {
  readonly store: Pick<FleetKeyStore, 'readIssuerState'>
  /** Undefined where nothing looks at the issuer from outside: then nothing can rotate. */
  readonly rotation: RotationPorts | undefined
  readonly clock: Clock
  readonly log: Log
}

const COMMANDS = { prepare, activate, retire, abort }
const schema = z.strictObject({ command: z.enum(['prepare', 'activate', 'retire', 'abort']) })

/** The operations on signing keys; the caller has been authenticated as an admin. */
export function rotationRoutes(options: RotationApiOptions): ManagementRoutes {
  return async (request, caller) => {
    const [root, version, collection, operation, ...more] = pathSegments(request) ?? []
    if (root !== 'podrole' || version !== 'v1' || collection !== 'issuer') return undefined
    if (more.length > 0) return undefined
    const { method } = request
    if (operation === undefined && method === 'GET') {
      const stored = await options.store.readIssuerState()
      return eksJson(stored === undefined ? {} : told(stored.state, options.clock))
    }
    if (operation !== 'rotation' || method !== 'POST') return undefined
    const ports = requirePorts(options)
    const body = schema.safeParse(await readJsonBody(request))
    if (!body.success) {
      throw new EksFault(
        'InvalidParameterException',
        'command: wanted prepare, activate, retire or abort',
      )
    }
    const { command } = body.data
    const { state, kids, resumed } = await carryOut(ports, command)
    options.log.info(`signing keys: ${command} done`, { kids, by: caller.accessKeyId })
    return eksJson({ ...told(state, options.clock), kids, resumed })
  }
}

function requirePorts({ rotation }: RotationApiOptions): RotationPorts {
  if (rotation !== undefined) return rotation
  throw new EksFault('InvalidRequestException', 'this broker does not look at its issuer')
}

async function carryOut(
  ports: RotationPorts,
  command: keyof typeof COMMANDS,
): Promise<Awaited<ReturnType<typeof prepare>>> {
  try {
    return await COMMANDS[command](ports)
  } catch (error) {
    if (!(error instanceof PodroleError) || error instanceof EksFault) throw error
    const { code, message, hint } = error
    const text = `${message} (${code})${hint === undefined ? '' : `: ${hint}`}`
    const isRace = codeOf(error) === 'IssuerStateChanged'
    throw new EksFault(isRace ? 'ResourceInUseException' : 'InvalidRequestException', text, {
      cause: error,
    })
  }
}

/** The issuer as it is, and by the broker's clock what each key waits for and each command does. */
function told(state: IssuerState, clock: Clock): Readonly<Record<string, unknown>> {
  const facts = { nowMs: clock.now(), census: new Map() }
  const outlook = { keys: keyOutlooks(state, facts), commands: commandOutlooks(state, facts) }
  return { issuer: described(state), outlook }
}

/** Keys that are gone are told too: they say when. */
const described = ({ keys, ...rest }: IssuerState): Readonly<Record<string, unknown>> => ({
  ...rest,
  keys: keys.map(({ publicJwk, ...key }) => ({ ...key, algorithm: publicJwk.alg })),
})

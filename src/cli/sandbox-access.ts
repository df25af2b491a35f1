/** How a command finds the sandbox that it asks: by its ready file, or by its environment. */
import { readFileSync } from 'node:fs'
import { messageOf, PodroleError } from '../lib/errors.ts'

export interface SandboxAccess {
  readonly endpoint: string
  readonly token: string
}

/**
 * @param file the ready file; AWS_ENDPOINT_URL and PODROLE_SANDBOX_TOKEN of the environment if undefined
 * @throws PodroleError `SandboxUnknown`, `UnreadableFile`
 */
export function sandboxAccess(file: string | undefined): SandboxAccess {
  const values = file === undefined ? process.env : readReadyFile(file)
  const endpoint = values['AWS_ENDPOINT_URL']
  const token = values['PODROLE_SANDBOX_TOKEN']
  if (typeof endpoint === 'string' && typeof token === 'string' && URL.canParse(endpoint)) {
    return { endpoint: endpoint.replace(/\/+$/, ''), token }
  }
  throw new PodroleError(
    'SandboxUnknown',
    `${file ?? 'the environment'} names no sandbox: wanted AWS_ENDPOINT_URL and PODROLE_SANDBOX_TOKEN`,
    {
      hint: 'name the file that podrole sandbox --ready-file wrote, or export what the sandbox printed',
    },
  )
}

/**
 * Asks one of the sandbox's own endpoints; the answer may be a refusal.
 * @param path after `/_podrole/`
 * @throws PodroleError `SandboxUnreachable`
 */
export async function askSandbox(
  { endpoint, token }: SandboxAccess,
  path: string,
  init: { readonly method?: string; readonly body?: string; readonly signal: AbortSignal },
): Promise<Response> {
  return fetch(`${endpoint}/_podrole/${path}`, {
    ...init,
    headers: { authorization: `Bearer ${token}` },
    proxy: false,
    redirect: 'error',
  }).catch((error: unknown) => {
    throw new PodroleError(
      'SandboxUnreachable',
      `no sandbox answers at ${endpoint}: ${messageOf(error)}`,
      { cause: error },
    )
  })
}

function readReadyFile(file: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Readonly<Record<string, unknown>>
  } catch (error) {
    throw new PodroleError(
      'UnreadableFile',
      `ready file ${file} cannot be read: ${messageOf(error)}`,
      { cause: error },
    )
  }
}

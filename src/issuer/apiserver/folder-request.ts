/** What an issuer folder's state adds to what a user asks for. Pure. */
import { join } from 'node:path'
import { PodroleError } from '../../lib/errors.ts'
import {
  activeKeyOf,
  type IssuerState,
  publishedKeysOf,
  type RotationKey,
} from '../rotation/state.ts'
import type { ApiServerRequest, ApiServerSetting } from './setting.ts'

/** Of a folder: whose keys they are, and where the API server's machine has them. */
export interface FolderKeys {
  readonly folder: string
  readonly state: IssuerState
}

/** The file of a folder that the public keys are put into, for the API server alone. */
export const PUBLIC_KEYS_FILE = 'sa.pub'

/** How long the API server extends a token that pods use with it. */
const EXTENDED_SECONDS = 365 * 86_400

/** Which keys an API server has to know, and what each is for. */
export interface FolderKeyUse {
  readonly kid: string
  readonly state: RotationKey['state']
  readonly signs: boolean
}

/** The keys that tokens are verified with in this state: all that are published. */
export function folderKeyUses(state: IssuerState): readonly FolderKeyUse[] {
  return publishedKeysOf(state).map(({ kid }) => {
    const stage = state.keys.find((key) => key.kid === kid)?.state ?? 'active'
    return { kid, state: stage, signs: stage === 'active' }
  })
}

/**
 * The request with the folder's issuer, keys and longest token. A key file is one of the folder's
 * own unless the user named another; a signer needs none.
 * @throws PodroleError `NoActiveKey`, `KeyNotInFile`, `OldKeySigns`, `SeveralKeys`, `TokensTooLong`,
 *   `TokensTooShort`
 */
export function withFolder(
  request: Omit<ApiServerRequest, 'issuer'>,
  { folder, state }: FolderKeys,
): ApiServerRequest {
  const withIssuer = { ...request, issuer: state.issuer }
  if (request.signingEndpoint !== undefined) {
    checkLongest(request, state)
    return withIssuer
  }
  const { keysAre = 'files', keyFiles } = request
  if (keysAre === 'texts') return withTexts(withIssuer, { folder, state })
  if (keysAre === 'signing-key') checkOneKey(state)
  return {
    ...withIssuer,
    signingKeyFile: request.signingKeyFile ?? signingFile(folder, state, request),
    keyFiles: [...(keysAre === 'files' ? [join(folder, PUBLIC_KEYS_FILE)] : []), ...keyFiles],
    ...lifeOfTokens(request, state),
  }
}

/** While the old issuer signs, it does so with the key that it has. */
function withTexts(request: ApiServerRequest, { folder, state }: FolderKeys): ApiServerRequest {
  const isAccepted = request.move === 'accept'
  const signing = isAccepted ? undefined : activeKeyOf(state)?.kid
  const others = new Map(
    [...publishedKeysOf(state), ...(request.publicKeys ?? [])].map((key) => [key.kid, key]),
  )
  if (signing !== undefined) others.delete(signing)
  return {
    ...request,
    ...(!isAccepted && {
      signingKeyFile: request.signingKeyFile ?? signingFile(folder, state, request),
    }),
    publicKeys: [...others.values()],
    ...lifeOfTokens(request, state),
  }
}

function checkOneKey(state: IssuerState): void {
  const kids = publishedKeysOf(state).map(({ kid }) => kid)
  if (kids.length < 2) return
  throw new PodroleError(
    'SeveralKeys',
    `tokens are to be verified with ${kids.length} keys (${kids.join(', ')}), and cluster.serviceAccount.key is one`,
    {
      hint: 'a configuration that Talos 1.14 or later has made takes several: --for talos',
    },
  )
}

function signingFile(
  folder: string,
  state: IssuerState,
  { move }: Pick<ApiServerRequest, 'move'>,
): string {
  if (move === 'accept') {
    throw new PodroleError(
      'OldKeySigns',
      '--move accept has the key from before sign, and the folder does not hold it',
      {
        hint: 'name it with --service-account-signing-key-file, its public half with --service-account-key-file',
      },
    )
  }
  const active = activeKeyOf(state)
  if (active === undefined) {
    throw new PodroleError('NoActiveKey', `no key of ${folder} signs`, {
      hint: `podrole issuer rotate status --dir ${folder} says how far each is`,
    })
  }
  if ('file' in active.source) return join(folder, active.source.file)
  throw new PodroleError('KeyNotInFile', `key ${active.kid} is in no file of ${folder}`, {
    hint: 'podrole issuer signer signs with it: --service-account-signing-endpoint',
  })
}

/** Retirement counts on no token living longer than the folder says. */
function lifeOfTokens(
  request: Pick<ApiServerRequest, 'maxTokenSeconds' | 'extendTokens'>,
  state: IssuerState,
): Pick<ApiServerRequest, 'maxTokenSeconds' | 'extendTokens'> {
  const longest = state.maxTokenSeconds
  checkLongest(request, state)
  if (longest < 3600) {
    throw new PodroleError(
      'TokensTooShort',
      `the issuer's longest token lives ${longest} s, and an API server with a key file cannot be held to less than 1h`,
      { hint: 'podrole issuer signer can: --service-account-signing-endpoint' },
    )
  }
  const maxTokenSeconds = request.maxTokenSeconds ?? longest
  if (longest >= EXTENDED_SECONDS) {
    const { extendTokens } = request
    return { maxTokenSeconds, ...(extendTokens !== undefined && { extendTokens }) }
  }
  if (request.extendTokens !== true) return { maxTokenSeconds, extendTokens: false }
  throw new PodroleError(
    'TokensTooLong',
    `the API server is to extend tokens to a year, and the issuer's longest token lives ${longest} s`,
    { hint: 'its keys are retired by then: leave --service-account-extend-token-expiration out' },
  )
}

function checkLongest(
  { maxTokenSeconds }: Pick<ApiServerRequest, 'maxTokenSeconds'>,
  state: IssuerState,
): void {
  if (maxTokenSeconds === undefined || maxTokenSeconds <= state.maxTokenSeconds) return
  throw new PodroleError(
    'TokensTooLong',
    `--service-account-max-token-expiration is ${maxTokenSeconds} s, and the issuer's longest token lives ${state.maxTokenSeconds} s`,
    { hint: 'its keys are retired by then: ask for no more than the issuer folder says' },
  )
}

/** What has to be done about the key files of a setting in this state, a sentence each. */
export function folderNotes(
  { folder, state }: FolderKeys,
  { keyFiles, publicKeys }: Pick<ApiServerSetting, 'keyFiles' | 'publicKeys'>,
): readonly string[] {
  const file = join(folder, PUBLIC_KEYS_FILE)
  const isInFile = keyFiles.includes(file)
  if (!isInFile && publicKeys === undefined) return []
  const uses = folderKeyUses(state)
  const kidsOf = (stage: RotationKey['state']): string =>
    uses.flatMap((use) => (use.state === stage ? [use.kid] : [])).join(', ')
  const [prepared, retiring] = [kidsOf('prepared'), kidsOf('retiring')]
  return [
    ...(isInFile
      ? [
          `${file} is what podrole issuer keys ${folder} -o pem prints: write it now, and start every API server anew after each change`,
        ]
      : []),
    ...(prepared === ''
      ? []
      : [
          `key ${prepared} is prepared: every API server verifies with it before podrole issuer rotate activate`,
        ]),
    ...(retiring === ''
      ? []
      : [
          `key ${retiring} is retiring: API servers verify with it until podrole issuer rotate retire`,
        ]),
  ]
}

/** What an API server is to be told of its service account tokens: a value, whoever prints it. Pure. */
import { isAbsolute } from 'node:path'
import { checkAll } from '../../lib/collect-faults.ts'
import { PodroleError } from '../../lib/errors.ts'
import { checkJwksUri, JWKS_PATH } from '../documents.ts'
import { parseIssuerUrl } from '../issuer-url.ts'
import type { PublicSigningKey } from '../keys.ts'

/** How far a move from old issuers is: the new one is accepted alone, or signs. */
export const MOVES = ['accept', 'sign'] as const
export type Move = (typeof MOVES)[number]

/** What a user asks for. Paths are those of the API server's machine. */
export interface ApiServerRequest {
  /** The issuer that is published. */
  readonly issuer: string
  /** Those whose tokens are still in use. */
  readonly oldIssuers: readonly string[]
  readonly move: Move
  /** Where the keys are published; `ISSUER/keys.json` if not given. */
  readonly jwksUri?: string
  readonly signingKeyFile?: string
  /** Public keys that tokens are verified with. */
  readonly keyFiles: readonly string[]
  /**
   * Keys are files of the API server's machine if not given; or the signing key verifies too, alone,
   * or beside others whose texts are told.
   */
  readonly keysAre?: 'files' | 'signing-key' | 'texts'
  /** Where keys are texts: those that verify beside the signing key. */
  readonly publicKeys?: readonly PublicSigningKey[]
  /** The Unix socket of an ExternalJWTSigner, which has the keys in place of files. */
  readonly signingEndpoint?: string
  readonly apiAudiences: readonly string[]
  readonly maxTokenSeconds?: number
  /** Whether tokens that pods use with the API server itself live for a year; it decides if not given. */
  readonly extendTokens?: boolean
}

/** What is told to the API server, in the words of its flags. */
export interface ApiServerSetting {
  /** The first one signs, all are accepted. */
  readonly issuers: readonly string[]
  readonly jwksUri?: string
  readonly signingKeyFile?: string
  readonly keyFiles: readonly string[]
  /** Left out where keys are files, and where nothing is known of them. */
  readonly publicKeys?: readonly PublicSigningKey[]
  readonly signingEndpoint?: string
  readonly apiAudiences: readonly string[]
  readonly maxTokenSeconds?: number
  readonly extendTokens?: boolean
  /** What whoever sets it should know. */
  readonly notes: readonly string[]
}

/** One flag of kube-apiserver, without its hyphens. */
export interface ApiServerFlag {
  readonly name: string
  readonly value: string
}

/** kubernetes/kubernetes pkg/controlplane/apiserver/options, completeServiceAccountOptions. */
const MIN_LIMIT_SECONDS = 3600
const MAX_LIMIT_SECONDS = 2 ** 32
const STS_AUDIENCE = 'sts.amazonaws.com'

/**
 * The setting that is asked for.
 * @throws PodroleError with every fault: those of `parseIssuerUrl`, `InvalidJwksUri`,
 *   `InvalidOldIssuer`, `NothingToAccept`, `SignerAndKeyFiles`, `NoKeyFile`, `PathNotAbsolute`,
 *   `InvalidApiAudience`, `MaxTokenExpirationOutOfRange`
 */
export function apiServerSetting(request: ApiServerRequest): ApiServerSetting {
  checkAll('InvalidApiServerSetting', [
    () => parseIssuerUrl(request.issuer),
    () => checkOldIssuers(request),
    () => request.jwksUri !== undefined && checkJwksUri(request.jwksUri),
    () => checkKeys(request),
    () => checkAudiences(request.apiAudiences),
    () => checkLimit(request.maxTokenSeconds),
  ])
  const { issuer, oldIssuers, move, maxTokenSeconds, extendTokens } = request
  const { keyFiles, publicKeys, signingKeyFile, signingEndpoint, apiAudiences } = request
  // The keys are told of with the issuer that signs, and an old one's are where they were.
  const jwksUri = request.jwksUri ?? (move === 'sign' ? issuer + JWKS_PATH : undefined)
  return {
    issuers: move === 'sign' ? [issuer, ...oldIssuers] : [...oldIssuers, issuer],
    ...(jwksUri !== undefined && { jwksUri }),
    ...(signingKeyFile !== undefined && { signingKeyFile }),
    keyFiles: [...new Set(keyFiles)],
    ...(publicKeys !== undefined && { publicKeys }),
    ...(signingEndpoint !== undefined && { signingEndpoint }),
    apiAudiences,
    ...(maxTokenSeconds !== undefined && { maxTokenSeconds }),
    ...(extendTokens !== undefined && { extendTokens }),
    notes: notesOf(request),
  }
}

/** The flags of a setting, in the order in which they are printed. */
export function flagsOf(setting: ApiServerSetting): readonly ApiServerFlag[] {
  const { issuers, jwksUri, signingKeyFile, keyFiles, signingEndpoint } = setting
  const { apiAudiences, maxTokenSeconds, extendTokens } = setting
  const flag = (name: string, value: string | undefined): ApiServerFlag[] =>
    value === undefined ? [] : [{ name, value }]
  return [
    ...issuers.flatMap((issuer) => flag('service-account-issuer', issuer)),
    ...flag('service-account-jwks-uri', jwksUri),
    ...flag('service-account-signing-key-file', signingKeyFile),
    ...keyFiles.flatMap((file) => flag('service-account-key-file', file)),
    ...flag('service-account-signing-endpoint', signingEndpoint),
    ...flag('api-audiences', apiAudiences.length === 0 ? undefined : apiAudiences.join(',')),
    ...flag('service-account-max-token-expiration', durationOf(maxTokenSeconds)),
    ...flag('service-account-extend-token-expiration', extendTokens?.toString()),
  ]
}

/** As Go reads a duration. */
function durationOf(seconds: number | undefined): string | undefined {
  if (seconds === undefined) return undefined
  return seconds % 3600 === 0 ? `${seconds / 3600}h` : `${seconds}s`
}

function checkOldIssuers({ issuer, oldIssuers, move }: ApiServerRequest): void {
  const all = [issuer, ...oldIssuers]
  for (const [at, old] of oldIssuers.entries()) {
    const quoted = JSON.stringify(old.slice(0, 300))
    // Kubernetes takes any text: an old one need not be an issuer that STS could read.
    if (!/^[\u0021-\u007E]{1,1000}$/.test(old)) {
      throw new PodroleError(
        'InvalidOldIssuer',
        `old issuer ${quoted} is none: wanted iss as it is in tokens, without spaces`,
      )
    }
    if (all.indexOf(old) !== at + 1) {
      throw new PodroleError('InvalidOldIssuer', `issuer ${quoted} is named twice`, {
        hint: 'the API server does not start with an issuer that is given twice',
      })
    }
  }
  if (move === 'accept' && oldIssuers.length === 0) {
    throw new PodroleError(
      'NothingToAccept',
      '--move accept has the old issuer sign, and none is named',
      { hint: 'name it: --old-issuer, as it is in the iss of tokens that are in use' },
    )
  }
}

function checkKeys(request: ApiServerRequest): void {
  const { signingKeyFile, keyFiles, keysAre = 'files', signingEndpoint } = request
  const files = [...(signingKeyFile === undefined ? [] : [signingKeyFile]), ...keyFiles]
  if (signingEndpoint !== undefined && files.length > 0) {
    throw new PodroleError(
      'SignerAndKeyFiles',
      '--service-account-signing-endpoint is given beside key files: wanted one of them',
      {
        hint: 'the API server does not start with both; further keys go to the signer: --verify-only',
      },
    )
  }
  if (signingKeyFile !== undefined && keyFiles.length === 0 && keysAre === 'files') {
    throw new PodroleError(
      'NoKeyFile',
      '--service-account-signing-key-file is given without --service-account-key-file',
      { hint: 'name the public keys that tokens are verified with, that of the signing key too' },
    )
  }
  for (const path of [...files, ...(signingEndpoint === undefined ? [] : [signingEndpoint])]) {
    if (isAbsolute(path) && !/[\p{Cc}]/u.test(path)) continue
    throw new PodroleError(
      'PathNotAbsolute',
      `path ${JSON.stringify(path.slice(0, 300))} is not absolute: wanted it as the API server's machine has it`,
    )
  }
}

function checkAudiences(audiences: readonly string[]): void {
  const wrong = audiences.find(
    (audience) => !/^[\u0021-\u002B\u002D-\u007E]{1,1000}$/.test(audience),
  )
  if (wrong === undefined) return
  throw new PodroleError(
    'InvalidApiAudience',
    `audience ${JSON.stringify(wrong.slice(0, 300))} is none: wanted a text without spaces and commas`,
  )
}

function checkLimit(seconds: number | undefined): void {
  if (seconds === undefined) return
  if (seconds >= MIN_LIMIT_SECONDS && seconds <= MAX_LIMIT_SECONDS) return
  throw new PodroleError(
    'MaxTokenExpirationOutOfRange',
    `--service-account-max-token-expiration is ${seconds} s: wanted 1h to 2^32 s`,
    {
      hint: 'the API server does not start with another; a signer may allow less: podrole issuer signer',
    },
  )
}

function notesOf({ issuer, oldIssuers, move, ...request }: ApiServerRequest): readonly string[] {
  const { apiAudiences, signingEndpoint } = request
  return [
    ...(oldIssuers.length === 0
      ? []
      : move === 'accept'
        ? [
            `${issuer} is accepted and does not sign yet: when every API server has this, go on with --move sign`,
          ]
        : [
            `${issuer} signs: when no token of the old issuer is in use any more, leave --old-issuer out`,
          ]),
    ...(apiAudiences.includes(STS_AUDIENCE)
      ? [
          `tokens for ${STS_AUDIENCE} are good for the API server too when it is one of --api-audiences; leave it out unless you want that`,
        ]
      : []),
    ...(signingEndpoint === undefined
      ? []
      : [
          'Kubernetes 1.34 and later; 1.32 and 1.33 also need --feature-gates=ExternalServiceAccountTokenSigner=true',
        ]),
  ]
}

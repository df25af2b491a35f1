import type { HttpHandler } from '@smithy/protocol-http'
import { PodroleError } from '../lib/errors.ts'
import { parseArn } from '../iam/arn.ts'
import { type Environment, hasProxy } from '../lib/proxy.ts'
import { Secret } from '../lib/secret.ts'
import type { AwsCredentials, CredentialProvider } from './credentials.ts'
import { callSdk } from './sdk-fault.ts'

/** How an account is chosen; what is not named comes from the environment, as for every AWS tool. */
export interface AwsAccess {
  /** In place of the SDK's own, which knows no proxy. */
  readonly requestHandler?: HttpHandler
  /** Of `~/.aws/config` and `~/.aws/credentials`; it wins over keys of the environment. */
  readonly profile?: string
  readonly region?: string
  /** In place of every service's own. */
  readonly endpoint?: string
  readonly credentials?: {
    readonly accessKeyId: string
    readonly secretAccessKey: string
    readonly sessionToken?: string
  }
}

/** An account that the standard credential chain reaches. */
export interface AwsAccount {
  readonly accountId: string
  readonly partition: string
  /** Whose credentials they are: a user, a role's session, … */
  readonly callerArn: string
  /** Where services that have regions are asked. */
  readonly region: string
  /** What every client of the AWS SDK for this account is made with. */
  readonly clientConfig: AwsAccess
  readonly credentials: CredentialProvider
}

/**
 * Finds out whose credentials they are (STS GetCallerIdentity, which no policy can refuse).
 * @throws ServiceFault; PodroleError `NoAwsCredentials`, `NoAwsRegion`, `AwsUnreachable`
 */
export async function openAccount(given: AwsAccess): Promise<AwsAccount> {
  const access = await throughProxy(given, process.env)
  const { GetCallerIdentityCommand, STSClient } = await import('@aws-sdk/client-sts')
  const sts = new STSClient(access)
  const whose = access.profile === undefined ? '' : ` of profile ${access.profile}`
  const identity = await callSdk(`GetCallerIdentity${whose}`, () =>
    sts.send(new GetCallerIdentityCommand({})),
  )
  const { accountId, partition } = parseArn(identity.Arn ?? '')
  if (identity.Account !== accountId) {
    throw new PodroleError('InvalidServiceAnswer', 'STS names no account for these credentials')
  }
  return {
    accountId,
    partition,
    callerArn: identity.Arn ?? '',
    region: await sts.config.region(),
    clientConfig: access,
    credentials: async () => ownCredentials(await sts.config.credentials()),
  }
}

/** Only where a proxy is named: the SDK's handler is the one that everybody else has. */
async function throughProxy(access: AwsAccess, environment: Environment): Promise<AwsAccess> {
  if (access.requestHandler !== undefined || !hasProxy(environment)) return access
  const { proxiedHandler } = await import('./proxied-handler.ts')
  return { ...access, requestHandler: proxiedHandler(environment) }
}

function ownCredentials(found: {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
  readonly expiration?: Date
}): AwsCredentials {
  const { accessKeyId, expiration, secretAccessKey, sessionToken } = found
  return {
    accessKeyId,
    secretAccessKey: new Secret(secretAccessKey),
    ...(sessionToken !== undefined && { sessionToken: new Secret(sessionToken) }),
    ...(expiration !== undefined && { expirationMs: expiration.getTime() }),
  }
}

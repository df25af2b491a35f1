import { codeOf, messageOf, PodroleError } from '../lib/errors.ts'
import { ServiceFault } from './service-fault.ts'

const MAX_TEXT = 1000

/**
 * Does a call of an AWS SDK client, whose faults become ours: what a service answered as
 * ServiceFault with AWS's code (`NoSuchEntity`, `AccessDenied`, `LimitExceeded`, …; without the
 * `Exception` that some have), what never reached one as PodroleError.
 * @param what the call in few words: `GetRole orders`
 * @throws ServiceFault; PodroleError `NoAwsCredentials`, `NoAwsRegion`, `AwsUnreachable`
 */
export async function callSdk<T>(what: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    throw faultOf(what, error)
  }
}

function faultOf(what: string, error: unknown): unknown {
  if (error instanceof PodroleError || !(error instanceof Error)) return error
  const text = messageOf(error).slice(0, MAX_TEXT)
  const metadata = metadataOf(error)
  if (metadata?.httpStatusCode !== undefined) {
    const status = metadata.httpStatusCode
    const code = error.name.replace(/Exception$/, '')
    return new ServiceFault(code, `${what}: ${code}: ${text}`, {
      status,
      fault: status >= 500 ? 'server' : 'client',
      requestId: metadata.requestId,
    })
  }
  if (error.name === 'CredentialsProviderError' || error.name === 'TokenProviderError') {
    return new PodroleError('NoAwsCredentials', `no AWS credentials for ${what}: ${text}`, {
      hint: 'Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or log in.',
    })
  }
  if (/region is missing/i.test(text)) {
    return new PodroleError('NoAwsRegion', `no AWS region for ${what}`, {
      hint: 'Set AWS_REGION or --region, or give the profile a region.',
    })
  }
  return new PodroleError(
    'AwsUnreachable',
    `${what}: AWS cannot be reached (${codeOf(error) ?? error.name}): ${text}`,
    { cause: error },
  )
}

interface Metadata {
  readonly httpStatusCode?: number
  readonly requestId?: string
}

function metadataOf(error: Error): Metadata | undefined {
  const metadata: unknown = Reflect.get(error, '$metadata')
  return typeof metadata === 'object' && metadata !== null ? metadata : undefined
}

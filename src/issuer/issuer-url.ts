import { PodroleError } from '../lib/errors.ts'

/** An issuer that podrole makes, and the forms of its name that others ask for. */
export interface IssuerUrl {
  /** As in `iss`, byte for byte. */
  readonly issuer: string
  /** Lower case, without a port. */
  readonly host: string
  /** Empty, or `/` and more without a terminating slash. */
  readonly path: string
  /** Without `https://`: in provider ARNs and in condition keys. */
  readonly hostPath: string
}

/** What is wrong with a URL as an issuer. */
export interface IssuerUrlFault {
  readonly code: IssuerUrlFaultCode
  readonly message: string
  readonly hint: string
}

export type IssuerUrlFaultCode =
  | 'IssuerNotUrl'
  | 'IssuerNotHttps'
  | 'IssuerTooLong'
  | 'IssuerWithUser'
  | 'IssuerWithPort'
  | 'IssuerWithQuery'
  | 'IssuerWithFragment'
  | 'IssuerWithTrailingSlash'
  | 'IssuerHostNotLowerCase'
  | 'IssuerNotCanonical'

/** IAM API Reference, CreateOpenIDConnectProvider, Url. */
const MAX_LENGTH = 255
const EXAMPLE = 'for example https://s3.eu-central-1.amazonaws.com/my-issuer'

/**
 * An issuer's URL by IAM's rules ("Create an OpenID Connect (OIDC) identity provider in IAM"), and
 * strictly: STS compares `iss` byte for byte, so there must be one way to write it. Issuers of
 * others are read with `issuerBase`, which takes what OpenID Connect Discovery takes.
 * @throws PodroleError with an `IssuerUrlFaultCode`
 */
export function parseIssuerUrl(text: string): IssuerUrl {
  const fault = faultOfIssuerUrl(text)
  if (fault !== undefined) throw new PodroleError(fault.code, fault.message, { hint: fault.hint })
  const hostPath = text.slice('https://'.length)
  const slash = hostPath.indexOf('/')
  const [host, path] =
    slash === -1 ? [hostPath, ''] : [hostPath.slice(0, slash), hostPath.slice(slash)]
  return { issuer: text, host, path, hostPath }
}

/** The first thing that is wrong with a URL as an issuer; undefined where nothing is. */
export function faultOfIssuerUrl(text: string): IssuerUrlFault | undefined {
  const quoted = JSON.stringify(text.slice(0, 300))
  const [, scheme = '', authority = '', path = ''] =
    /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)([^?#]*)/i.exec(text) ?? []
  if (!URL.canParse(text) || authority === '' || /[\s\\]/.test(text)) {
    return fault('IssuerNotUrl', `issuer ${quoted} is no URL: wanted https://HOST[/PATH]`, EXAMPLE)
  }
  if (authority.includes('@')) {
    // What comes before the @ may be a password.
    return fault(
      'IssuerWithUser',
      'the issuer has a user in it: wanted https://HOST[/PATH]',
      'the documents are public: STS reads them without a name or a password',
    )
  }
  if (scheme !== 'https') {
    return fault(
      'IssuerNotHttps',
      `issuer ${quoted} begins with ${scheme}://: wanted https://`,
      'STS reads an issuer over TLS alone',
    )
  }
  const wrong = UNWANTED.find(({ isIn }) => isIn(text, authority, path))
  if (wrong !== undefined) {
    return fault(wrong.code, `issuer ${quoted} ${wrong.has}: wanted none`, wrong.hint)
  }
  return faultOfSpelling(text, quoted)
}

/** What a URL may have and an issuer may not. */
const UNWANTED: readonly {
  readonly code: IssuerUrlFaultCode
  readonly isIn: (text: string, authority: string, path: string) => boolean
  readonly has: string
  readonly hint: string
}[] = [
  {
    code: 'IssuerWithPort',
    isIn: (_text, authority) => /:\d*$/.test(authority),
    has: 'has a port',
    hint: "IAM's providers and condition keys have no port: serve the issuer on 443",
  },
  {
    code: 'IssuerWithQuery',
    isIn: (text) => text.includes('?'),
    has: 'has a query',
    hint: 'IAM takes no query: tell issuers apart by their paths',
  },
  {
    code: 'IssuerWithFragment',
    isIn: (text) => text.includes('#'),
    has: 'has a fragment',
    hint: 'a fragment is never sent to a server: tell issuers apart by their paths',
  },
  {
    code: 'IssuerWithTrailingSlash',
    isIn: (_text, _authority, path) => path.endsWith('/'),
    has: 'ends with a slash',
    hint: 'STS compares iss byte for byte, and the slash is soon forgotten in one place: leave it out',
  },
]

function faultOfSpelling(text: string, quoted: string): IssuerUrlFault | undefined {
  if (text.length > MAX_LENGTH) {
    return fault(
      'IssuerTooLong',
      `issuer ${quoted} is ${text.length} characters long: wanted at most ${MAX_LENGTH}`,
      'IAM takes no longer URL of a provider: choose a shorter path',
    )
  }
  const url = new URL(text)
  const spelled = url.pathname === '/' ? url.href.slice(0, -1) : url.href
  if (spelled === text) return undefined
  return spelled.toLowerCase() === text.toLowerCase()
    ? fault(
        'IssuerHostNotLowerCase',
        `issuer ${quoted} has capitals in its host: wanted ${JSON.stringify(spelled)}`,
        'STS compares iss byte for byte: write the host as clients send it',
      )
    : fault(
        'IssuerNotCanonical',
        `issuer ${quoted} can be written in two ways: wanted ${JSON.stringify(spelled)}`,
        'STS compares iss byte for byte: write it as clients send it',
      )
}

const fault = (code: IssuerUrlFaultCode, message: string, hint: string): IssuerUrlFault => ({
  code,
  message,
  hint,
})

import { publicKeysPem } from '../keys.ts'
import { type ApiServerFlag, type ApiServerSetting, flagsOf } from './setting.ts'
import { refuse, type Snippet } from './snippet.ts'

const SIGNING_ENDPOINT =
  'it always passes key files, and the API server does not start with both: rotate by the key of its configuration'
const PATCH = 'talosctl patch machineconfig --nodes CONTROL-PLANE-NODES --patch @issuer.yaml'

/** Takes a list away, in a patch. */
const GONE = { $patch: 'delete' }

/** These are of a KubeServiceAccountConfig: as extra arguments they would be said twice. */
const SERVICE_ACCOUNT_FLAGS = [
  'service-account-issuer',
  'service-account-key-file',
  'service-account-signing-key-file',
  'api-audiences',
]

/**
 * A patch of a machine configuration that Talos 1.14 or later has made: it has documents for the API
 * server and for service accounts, and refuses `cluster.apiServer` beside them (siderolabs/talos
 * pkg/machinery/config/types/k8s). A patch adds to lists, so what was accepted before is taken away
 * first. Tokens without an audience are for `accepted.audiences`, the issuer that signs if it is not
 * given: those of the old one would be refused.
 */
export function talosSnippet(setting: ApiServerSetting): Snippet {
  refuse(setting, 'Talos', { signingEndpoint: SIGNING_ENDPOINT })
  const { issuers, publicKeys, signingKeyFile } = setting
  const [issuerURL, ...others] = issuers
  const given = setting.apiAudiences
  const audiences = given.length > 0 ? given : others.length > 0 ? [...issuers] : []
  const keys = publicKeys?.map((key) => publicKeysPem([key])) ?? []
  const accepted = {
    ...(keys.length > 0 && { publicKeys: keys }),
    ...(others.length > 0 && { issuers: others }),
    ...(audiences.length > 0 && { audiences }),
  }
  const serviceAccounts = { apiVersion: 'v1alpha1', kind: 'KubeServiceAccountConfig' }
  const flags = flagsOf(setting).filter(({ name }) => !SERVICE_ACCOUNT_FLAGS.includes(name))
  return {
    documents: [
      {
        ...serviceAccounts,
        accepted: {
          ...(publicKeys !== undefined && { publicKeys: { ...GONE } }),
          issuers: { ...GONE },
          audiences: { ...GONE },
        },
      },
      {
        ...serviceAccounts,
        issuer: { issuerURL },
        ...(Object.keys(accepted).length > 0 && { accepted }),
      },
      ...(flags.length === 0
        ? []
        : [{ apiVersion: 'v1alpha1', kind: 'KubeAPIServerConfig', extraArgs: argsOf(flags) }]),
    ],
    notes: ['Talos 1.13 and earlier have made another configuration: --for talos-1.13'],
    commands: [
      // It is secret, so it is not printed.
      ...(signingKeyFile === undefined
        ? []
        : [`issuer.privateKey of the KubeServiceAccountConfig: the text of ${signingKeyFile}`]),
      PATCH,
    ],
  }
}

/**
 * A patch of a machine configuration that Talos 1.13 or earlier has made, whichever version runs
 * with it. Extra arguments take the place of Talos' own; a flag with several values is a list
 * (siderolabs/talos control_plane_final.go). The key is one for both signing and verification.
 */
export function oldTalosSnippet(setting: ApiServerSetting): Snippet {
  refuse(setting, 'Talos', {
    signingEndpoint: SIGNING_ENDPOINT,
    keyFiles:
      'it verifies with cluster.serviceAccount.key; a configuration that Talos 1.14 or later has made takes further keys: --for talos',
  })
  const flags = flagsOf(setting).filter(
    ({ name }) => !['service-account-key-file', 'service-account-signing-key-file'].includes(name),
  )
  const { signingKeyFile, issuers } = setting
  return {
    documents: [{ cluster: { apiServer: { extraArgs: argsOf(flags) } } }],
    notes: [
      ...(issuers.length > 1
        ? ['several values of a flag, as here, need Talos 1.14 or later to run with it']
        : []),
      ...(signingKeyFile === undefined
        ? []
        : ['tokens that another key has signed are refused then: for a new cluster']),
    ],
    commands: [
      ...(signingKeyFile === undefined
        ? []
        : [`cluster.serviceAccount.key: what base64 --wrap=0 ${signingKeyFile} prints`]),
      PATCH,
    ],
  }
}

/** A flag that is given several times is a list. */
function argsOf(flags: readonly ApiServerFlag[]): Readonly<Record<string, unknown>> {
  const names = [...new Set(flags.map(({ name }) => name))]
  return Object.fromEntries(
    names.map((name) => {
      const [value, ...more] = flags.flatMap((flag) => (flag.name === name ? [flag.value] : []))
      return [name, more.length === 0 ? value : [value, ...more]] as const
    }),
  )
}

import { type ApiServerSetting, flagsOf } from './setting.ts'
import { refuse, type Snippet } from './snippet.ts'

/** These are of `cluster.serviceAccount`: as extra arguments Talos refuses them. */
const KEY_FLAGS = ['service-account-key-file', 'service-account-signing-key-file']

/**
 * A patch of a Talos machine configuration. Extra arguments take the place of Talos' own; a flag
 * with several values is a list (siderolabs/talos control_plane_final.go). The key is one for both
 * signing and verification.
 */
export function talosSnippet(setting: ApiServerSetting): Snippet {
  refuse(setting, 'Talos', {
    signingEndpoint:
      'it always passes key files, and the API server does not start with both: rotate by cluster.serviceAccount.key',
    keyFiles:
      'it verifies with cluster.serviceAccount.key; since 1.14 further public keys go into accepted.publicKeys of a KubeServiceAccountConfig',
  })
  const flags = flagsOf(setting).filter(({ name }) => !KEY_FLAGS.includes(name))
  const names = [...new Set(flags.map(({ name }) => name))]
  const extraArgs = names.map((name) => {
    const [value, ...more] = flags.flatMap((flag) => (flag.name === name ? [flag.value] : []))
    return [name, more.length === 0 ? value : [value, ...more]] as const
  })
  const { signingKeyFile, issuers } = setting
  return {
    document: { cluster: { apiServer: { extraArgs: Object.fromEntries(extraArgs) } } },
    notes: [
      ...(issuers.length > 1
        ? ['several values of a flag, as here, need Talos 1.14 or later']
        : []),
      ...(signingKeyFile === undefined
        ? []
        : [
            'tokens that another key has signed are refused then: for a new cluster; one that runs takes both keys as a KubeServiceAccountConfig (Talos 1.14 or later)',
          ]),
    ],
    commands: [
      // It is secret, so it is not printed.
      ...(signingKeyFile === undefined
        ? []
        : [`cluster.serviceAccount.key: what base64 --wrap=0 ${signingKeyFile} prints`]),
      'talosctl patch machineconfig --nodes CONTROL-PLANE-NODES --patch @issuer.yaml',
    ],
  }
}

import { type ApiServerSetting, flagsOf } from './setting.ts'
import { refuse, type Snippet, wordsOf } from './snippet.ts'

/** The key that k3s makes: its controllers sign with it, and so were tokens from before. */
const OWN_KEY = '/var/lib/rancher/k3s/server/tls/service.key'

/**
 * A part of /etc/rancher/k3s/config.yaml. A flag that is named takes the place of k3s's own, and
 * one that is named several times is passed several times, in that order (k3s-io/k3s
 * pkg/util/args.go, GetArgs).
 */
export function k3sSnippet(setting: ApiServerSetting): Snippet {
  refuse(setting, 'k3s', {
    signingEndpoint:
      'it always passes key files, and the API server does not start with both: rotate by key files',
  })
  const { keyFiles } = setting
  const own = keyFiles.length === 0 || keyFiles.includes(OWN_KEY) ? [] : [OWN_KEY]
  return {
    documents: [
      {
        'kube-apiserver-arg': wordsOf(flagsOf({ ...setting, keyFiles: [...keyFiles, ...own] })),
      },
    ],
    notes: [],
    commands: ['systemctl restart k3s, on each server, with this in /etc/rancher/k3s/config.yaml'],
  }
}

import { dirname } from 'node:path'
import { type ApiServerSetting, flagsOf } from './setting.ts'
import { refuse, type Snippet } from './snippet.ts'

/** kubeadm mounts it into the API server's pod, and keeps the cluster's own key there. */
const PKI = '/etc/kubernetes/pki'
const OWN_KEY = `${PKI}/sa.pub`

/**
 * A kubeadm ClusterConfiguration (v1beta4: `extraArgs` is a list, and a flag may be given several
 * times). A flag that is named takes the place of all of kubeadm's own of that name
 * (kubernetes/kubernetes cmd/kubeadm/app/util/arguments.go).
 */
export function kubeadmSnippet(setting: ApiServerSetting): Snippet {
  refuse(setting, 'kubeadm', {
    signingEndpoint:
      'it always passes key files, and the API server does not start with both: edit /etc/kubernetes/manifests/kube-apiserver.yaml by --for flags, again after each kubeadm upgrade',
  })
  const { keyFiles, signingKeyFile } = setting
  // kube-controller-manager signs with the cluster's own key, and so were tokens from before.
  const own = keyFiles.length === 0 || keyFiles.includes(OWN_KEY) ? [] : [OWN_KEY]
  const files = [...keyFiles, ...(signingKeyFile === undefined ? [] : [signingKeyFile])]
  const folders = [...new Set(files.map((file) => dirname(file)))].filter(
    (folder) => !`${folder}/`.startsWith(`${PKI}/`),
  )
  return {
    documents: [
      {
        apiVersion: 'kubeadm.k8s.io/v1beta4',
        kind: 'ClusterConfiguration',
        apiServer: {
          extraArgs: flagsOf({ ...setting, keyFiles: [...keyFiles, ...own] }),
          ...(folders.length > 0 && {
            extraVolumes: folders.map((folder, at) => ({
              name: `service-account-keys-${at}`,
              hostPath: folder,
              mountPath: folder,
              readOnly: true,
              pathType: 'Directory',
            })),
          }),
        },
      },
    ],
    notes: [],
    commands: [
      'kubeadm init --config kubeadm.yaml',
      'a cluster that runs: kubeadm init phase control-plane apiserver --config kubeadm.yaml, on each control plane node',
    ],
  }
}

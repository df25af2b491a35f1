import { stringify } from 'yaml'
import { eksAnywhereSnippet } from './eks-anywhere.ts'
import { k3sSnippet } from './k3s.ts'
import { kopsSnippet } from './kops.ts'
import { kubeadmSnippet } from './kubeadm.ts'
import { type ApiServerRequest, type ApiServerSetting, flagsOf } from './setting.ts'
import { type Snippet, type SnippetNames, wordsOf } from './snippet.ts'
import { oldTalosSnippet, talosSnippet } from './talos.ts'

/** What a setting can be written for; `flags` are kube-apiserver's own. */
export const DISTRIBUTIONS = [
  'flags',
  'kubeadm',
  'kops',
  'k3s',
  'talos',
  'talos-1.13',
  'eks-anywhere',
] as const
export type Distribution = (typeof DISTRIBUTIONS)[number]

/** How a distribution is told of keys. */
export const keysOf = (distribution: Distribution): NonNullable<ApiServerRequest['keysAre']> =>
  distribution === 'talos' ? 'texts' : distribution === 'talos-1.13' ? 'signing-key' : 'files'

const SNIPPETS: Readonly<
  Record<Distribution, (setting: ApiServerSetting, names: SnippetNames) => Snippet>
> = {
  flags: () => ({ documents: [], notes: [], commands: [] }),
  kubeadm: kubeadmSnippet,
  kops: kopsSnippet,
  k3s: k3sSnippet,
  talos: talosSnippet,
  'talos-1.13': oldTalosSnippet,
  'eks-anywhere': eksAnywhereSnippet,
}

/**
 * A setting as a distribution takes it, its notes those of both.
 * @throws PodroleError `NotOfDistribution`
 */
export function snippetOf(
  distribution: Distribution,
  setting: ApiServerSetting,
  names: SnippetNames,
): Snippet {
  const snippet = SNIPPETS[distribution](setting, names)
  return { ...snippet, notes: [...setting.notes, ...snippet.notes] }
}

/** What is printed: flags a line each, or a part of a YAML file that ends with what is run then. */
export function snippetText({ documents, commands }: Snippet, setting: ApiServerSetting): string {
  if (documents.length === 0)
    return wordsOf(flagsOf(setting))
      .map((word) => `--${word}\n`)
      .join('')
  const texts = documents.map((one) => stringify(one, { lineWidth: 0 }))
  return texts.join('---\n') + commands.map((line) => `# ${line}\n`).join('')
}

import { stringify } from 'yaml'

/** Objects as one YAML text, a document each, as `kubectl apply -f -` takes them. */
export function toYaml(objects: readonly object[]): string {
  return objects
    .map((object) => `---\n${stringify(object, { lineWidth: 0, aliasDuplicateObjects: false })}`)
    .join('')
}

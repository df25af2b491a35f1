import { Secret } from '../lib/secret.ts'
import type { AwsCredentials } from './credentials.ts'

/**
 * The static keys of a profile in a shared credentials file (AWS SDKs and Tools Reference Guide,
 * "Shared config and credentials files"), or why there are none. Never a part of the file's text.
 */
export function readProfile(text: string, profile: string, file: string): AwsCredentials | string {
  const section = sectionsOf(text).get(profile)
  if (section === undefined) return `${file} has no profile ${JSON.stringify(profile)}`
  const accessKeyId = section.get('aws_access_key_id')
  const secretAccessKey = section.get('aws_secret_access_key')
  const sessionToken = section.get('aws_session_token')
  if (!accessKeyId || !secretAccessKey) {
    return `profile ${JSON.stringify(profile)} in ${file} has no static keys`
  }
  return {
    accessKeyId,
    secretAccessKey: new Secret(secretAccessKey),
    ...(sessionToken && { sessionToken: new Secret(sessionToken) }),
  }
}

function sectionsOf(text: string): Map<string, Map<string, string>> {
  const sections = new Map<string, Map<string, string>>()
  let current: Map<string, string> | undefined
  for (const line of text.split(/\r?\n/)) {
    const header = /^\[\s*([^\]]*?)\s*\]/.exec(line)
    const name = header?.[1]?.replace(/^profile\s+/, '')
    if (name !== undefined) {
      current = sections.get(name) ?? new Map<string, string>()
      sections.set(name, current)
      continue
    }
    // Comments, and lines that go on from the one before: no key of ours has such.
    if (/^\s*(?:[#;]|$)/.test(line) || /^\s/.test(line)) continue
    const at = line.indexOf('=')
    if (at > 0) current?.set(line.slice(0, at).trim().toLowerCase(), line.slice(at + 1).trim())
  }
  return sections
}

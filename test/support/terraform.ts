/** Terraform and its AWS provider, where a machine has both: no package registry has them. */
import { existsSync, readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Missing } from './once.ts'

/** A CLI configuration that takes providers from a folder, or what is missing (for `lacks`). */
export type TerraformFound =
  | { readonly configuration: string; readonly missing?: never }
  | { readonly configuration?: never; readonly missing: Missing & { readonly isOptional: true } }

const PROVIDER = join('registry.terraform.io', 'hashicorp', 'aws')

/**
 * Looks where Terraform itself does for providers that were put on a machine, and in the folders
 * of /opt. Source: Terraform, "CLI configuration", "Implied local mirror directories".
 */
export function findTerraform(): TerraformFound {
  const data = process.env['XDG_DATA_HOME'] || join(homedir(), '.local', 'share')
  const mirror = [
    join(homedir(), '.terraform.d', 'plugins'),
    join(data, 'terraform', 'plugins'),
    '/usr/local/share/terraform/plugins',
    '/usr/share/terraform/plugins',
    ...foldersOf('/opt'),
  ].find((folder) => existsSync(join(folder, PROVIDER)))
  const tool = Bun.which('terraform') === null ? 'terraform' : `a folder of providers with aws`
  if (mirror === undefined || Bun.which('terraform') === null) {
    const get = 'from HashiCorp; `terraform providers mirror` makes the folder'
    return { missing: { tool, get, isOptional: true } }
  }
  const configuration = `provider_installation {\n  filesystem_mirror {\n    path = ${JSON.stringify(mirror)}\n  }\n}\n`
  return { configuration }
}

const foldersOf = (folder: string): readonly string[] =>
  existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : []

/** A call of the provider's, and how it was answered. */
export interface ProviderCall {
  /** Such as `aws_s3_bucket`; empty for the provider's own. */
  readonly resource: string
  /** `S3 GetBucketTagging`. */
  readonly operation: string
  readonly status: number
  /** Of an error with a body. */
  readonly code: string
}

/** The calls in a log that Terraform wrote with `TF_LOG=JSON`. */
export function readCalls(log: string): readonly ProviderCall[] {
  return log.split('\n').flatMap((line) => {
    if (!line.includes('"HTTP Response Received"')) return []
    const entry = JSON.parse(line) as Readonly<Record<string, unknown>>
    const text = (name: string): string => {
      const value = entry[name]
      return typeof value === 'string' ? value : ''
    }
    const status = Number(entry['http.status_code'])
    const [, xml = ''] = /<Code>(\w+)</.exec(text('http.response.body')) ?? []
    const code = xml || text('http.response.header.x_amzn_errortype')
    return [
      {
        resource: text('tf_resource_type') || text('tf_data_source_type'),
        operation: `${text('rpc.service')} ${text('rpc.method')}`,
        status,
        code: status < 400 ? '' : code,
      },
    ]
  })
}

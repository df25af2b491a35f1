/**
 * Makes `src/sandbox/cluster/protobuf/fields.json`, the compact table that the protobuf decoder
 * runs on, from the `generated.proto` and `types.go` files of the Go modules k8s.io/api and
 * k8s.io/apimachinery (Apache-2.0). Run it after a change of version:
 *
 *     bun test/generate/protobuf-fields.ts
 *
 * It needs Go, to download the two modules; Go's module cache is what it reads.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FieldTable } from '../../src/sandbox/cluster/protobuf/fields.ts'

export const VERSION = 'v0.36.3'
export const FIELDS_FILE = join(import.meta.dir, '../../src/sandbox/cluster/protobuf/fields.json')
const NOTICE =
  'Made by test/generate/protobuf-fields.ts from k8s.io/api and k8s.io/apimachinery ' +
  `${VERSION}. Copyright The Kubernetes Authors, licensed under the Apache License, Version 2.0.`

/** Groups whose kinds clients write, each with the messages that are asked for beside its kinds. */
const GROUPS: Readonly<Record<string, readonly string[]>> = {
  'admissionregistration/v1': [
    'MutatingWebhookConfiguration',
    'ValidatingWebhookConfiguration',
    'ValidatingAdmissionPolicy',
    'ValidatingAdmissionPolicyBinding',
  ],
  'apps/v1': ['ControllerRevision', 'DaemonSet', 'Deployment', 'ReplicaSet', 'StatefulSet'],
  'authentication/v1': ['SelfSubjectReview', 'TokenRequest', 'TokenReview'],
  'authorization/v1': [
    'LocalSubjectAccessReview',
    'SelfSubjectAccessReview',
    'SelfSubjectRulesReview',
    'SubjectAccessReview',
  ],
  'autoscaling/v1': ['HorizontalPodAutoscaler', 'Scale'],
  'autoscaling/v2': ['HorizontalPodAutoscaler'],
  'batch/v1': ['CronJob', 'Job'],
  'certificates/v1': ['CertificateSigningRequest'],
  'coordination/v1': ['Lease'],
  'core/v1': [
    'Binding',
    'ConfigMap',
    'Endpoints',
    'Event',
    'LimitRange',
    'Namespace',
    'Node',
    'PersistentVolume',
    'PersistentVolumeClaim',
    'Pod',
    'PodTemplate',
    'ReplicationController',
    'ResourceQuota',
    'Secret',
    'Service',
    'ServiceAccount',
  ],
  'discovery/v1': ['EndpointSlice'],
  'events/v1': ['Event'],
  'networking/v1': ['Ingress', 'IngressClass', 'NetworkPolicy'],
  'policy/v1': ['Eviction', 'PodDisruptionBudget'],
  'rbac/v1': ['ClusterRole', 'ClusterRoleBinding', 'Role', 'RoleBinding'],
  'scheduling/v1': ['PriorityClass'],
  'storage/v1': ['CSIDriver', 'CSINode', 'StorageClass', 'VolumeAttachment'],
}
const META_FOLDERS = ['pkg/apis/meta/v1', 'pkg/api/resource', 'pkg/runtime', 'pkg/util/intstr']
/** Messages that Go gives a JSON form of their own, and their letters in the table. */
const SPECIAL: Readonly<Record<string, string>> = {
  'resource.Quantity': 'q',
  'intstr.IntOrString': 'o',
  'runtime.RawExtension': 'r',
  'meta.v1.FieldsV1': 'r',
  'meta.v1.Time': 't',
  'meta.v1.MicroTime': 'u',
}
const SCALARS: Readonly<Record<string, string>> = {
  string: 's',
  int32: 'i',
  int64: 'i',
  uint32: 'i',
  uint64: 'i',
  bool: 'b',
  bytes: 'y',
  double: 'd',
}

/** The folder of a module in Go's cache, or undefined where it was never downloaded. */
export function moduleFolder(name: 'api' | 'apimachinery'): string | undefined {
  const root =
    process.env['GOMODCACHE'] ??
    join(process.env['GOPATH'] ?? `${process.env['HOME']}/go`, 'pkg/mod')
  const folder = join(root, `k8s.io/${name}@${VERSION}`)
  return existsSync(folder) ? folder : undefined
}

interface GoField {
  readonly json: string
  readonly isInline: boolean
  readonly isPointer: boolean
  readonly omitsEmpty: boolean
}

interface Message {
  readonly scope: string
  readonly fields: readonly string[]
  readonly go: ReadonlyMap<string, GoField>
}

/** The table, from the two modules' folders. */
export function generateFields(api: string, apimachinery: string): FieldTable {
  const messages = new Map<string, Message>()
  for (const folder of META_FOLDERS)
    readPackage(join(apimachinery, folder), scopeOf(folder), messages)
  for (const group of Object.keys(GROUPS)) readPackage(join(api, group), scopeOf(group), messages)
  const kinds: Record<string, string> = { DeleteOptions: 'meta.v1.DeleteOptions' }
  for (const [group, names] of Object.entries(GROUPS)) {
    const owner = groupNameOf(join(api, group))
    for (const name of names) {
      kinds[`${[owner, group.split('/')[1]].filter(Boolean).join('/')}/${name}`] =
        `${scopeOf(group)}.${name}`
    }
  }
  const table: Record<string, string[]> = {}
  const open = Object.values(kinds)
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (table[name] !== undefined) continue
    const message = messages.get(name)
    if (message === undefined) throw new Error(`there is no message ${name}`)
    table[name] = message.fields.map((line) =>
      encodeField(line, message, (used) => open.push(used)),
    )
  }
  const sorted = Object.entries(table).sort(([left], [right]) => (left < right ? -1 : 1))
  return { notice: NOTICE, kinds, messages: Object.fromEntries(sorted) }
}

/** `core/v1` and `pkg/apis/meta/v1` as `core.v1` and `meta.v1`; `pkg/runtime` as `runtime`. */
function scopeOf(folder: string): string {
  const parts = folder.split('/')
  return /^v\d/.test(parts.at(-1) ?? '') ? parts.slice(-2).join('.') : (parts.at(-1) ?? '')
}

function groupNameOf(folder: string): string {
  const found = /GroupName = "([^"]*)"/.exec(readFileSync(join(folder, 'register.go'), 'utf8'))
  if (found === null) throw new Error(`no group name in ${folder}`)
  return found[1] ?? ''
}

function readPackage(folder: string, scope: string, messages: Map<string, Message>): void {
  const proto = readFileSync(join(folder, 'generated.proto'), 'utf8')
  const go = readGo(folder)
  for (const [, name = '', body = ''] of proto.matchAll(/^message (\w+) \{\n([^]*?)^\}/gm)) {
    const fields = body
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => / = \d+;$/.test(line))
    messages.set(`${scope}.${name}`, { scope, fields, go: go.get(name) ?? new Map() })
  }
}

/** What Go's struct tags say of each field, by struct and protobuf number. */
function readGo(folder: string): Map<string, Map<string, GoField>> {
  const structs = new Map<string, Map<string, GoField>>()
  for (const file of ['types.go', 'time.go', 'micro_time.go']) {
    const path = join(folder, file)
    if (!existsSync(path)) continue
    const text = readFileSync(path, 'utf8')
    for (const [, name = '', body = ''] of text.matchAll(/^type (\w+) struct \{\n([^]*?)^\}/gm)) {
      const fields = new Map<string, GoField>()
      const tagged = /^\s*([^/`\n]*?)\s*`json:"([^"]*)"[^`\n]*?protobuf:"[a-z]+,(\d+),[^"]*"/gm
      for (const [, declared = '', json = '', number = ''] of body.matchAll(tagged)) {
        const [own = '', ...options] = json.split(',')
        fields.set(number, {
          json: own,
          isInline: options.includes('inline'),
          isPointer: (declared.trim().split(/\s+/).at(-1) ?? '').startsWith('*'),
          omitsEmpty: options.includes('omitempty'),
        })
      }
      structs.set(name, fields)
    }
  }
  return structs
}

/** One field of the table: `NUMBER NAME TYPE FLAGS`, as fields.ts reads it. */
function encodeField(line: string, message: Message, use: (name: string) => void): string {
  const map = /^map<string, ([\w.]+)> (\w+) = (\d+);$/.exec(line)
  const plain = /^(optional|repeated) ([\w.]+) (\w+) = (\d+);$/.exec(line)
  const found = map ?? plain?.slice(1)
  if (found === null || found === undefined) throw new Error(`unknown field: ${line}`)
  const [, type = '', name = '', number = ''] = found
  const go = message.go.get(number)
  const letter = typeLetter(type, message.scope, use)
  const flags = [
    map !== null && 'm',
    plain?.[1] === 'repeated' && 'l',
    go?.isInline === true && go.json === '' && 'e',
    // A message that stands for a slice type of Go's.
    message.go.size === 0 && name === 'items' && number === '1' && 'a',
    (go === undefined || go.isPointer || !go.omitsEmpty) && 'k',
  ]
  return [number, go?.json || name, letter, flags.filter(Boolean).join('')].join(' ').trim()
}

function typeLetter(type: string, scope: string, use: (name: string) => void): string {
  const scalar = SCALARS[type]
  if (scalar !== undefined) return scalar
  const parts = type.split('.')
  const name = parts.at(-1) ?? ''
  const own = parts.length === 1 ? scope : scopeOf(parts.slice(0, -1).join('/'))
  const full = `${own}.${name}`
  const special = SPECIAL[full]
  if (special !== undefined) return special
  use(full)
  return full
}

async function download(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'podrole-fields-'))
  try {
    writeFileSync(join(folder, 'go.mod'), 'module fields\n\ngo 1.22\n')
    const modules = ['api', 'apimachinery'].map((name) => `k8s.io/${name}@${VERSION}`)
    const child = Bun.spawn(['go', 'mod', 'download', ...modules], {
      cwd: folder,
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    if ((await child.exited) !== 0) throw new Error('go mod download failed')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

if (import.meta.main) {
  await download()
  const [api, apimachinery] = [moduleFolder('api'), moduleFolder('apimachinery')]
  if (api === undefined || apimachinery === undefined) throw new Error('the modules are not there')
  writeFileSync(FIELDS_FILE, `${JSON.stringify(generateFields(api, apimachinery), null, 1)}\n`)
}

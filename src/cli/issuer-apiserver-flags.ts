import { resolve } from 'node:path'
import { keysOf, snippetOf, snippetText } from '../issuer/apiserver/distributions.ts'
import {
  type FolderKeys,
  folderKeyUses,
  folderNotes,
  withFolder,
} from '../issuer/apiserver/folder-request.ts'
import { type ApiServerRequest, apiServerSetting, flagsOf } from '../issuer/apiserver/setting.ts'
import { readKeyFile } from '../issuer/key-files.ts'
import { readIssuerFolder } from '../issuer/rotation/issuer-folder.ts'
import { parseDurationMs } from '../lib/durations.ts'
import { PodroleError } from '../lib/errors.ts'
import type { ApiServerFlagsFlags } from './commands/issuer-apiserver-flags.ts'
import { printData, printNote } from './output.ts'
import { contradiction } from './parts/publishing.ts'

/** Prints what an API server is to be told, for one distribution; notes go to standard error. */
export async function printApiServerFlags(flags: ApiServerFlagsFlags): Promise<void> {
  const { dir, issuer, output } = flags
  if (dir !== undefined && issuer !== undefined) {
    throw contradiction(
      '--issuer is given beside --dir',
      'the folder knows its issuer: leave it out',
    )
  }
  const keys = dir === undefined ? undefined : await readIssuerFolder(resolve(dir))
  const setting = apiServerSetting(await requestOf(flags, keys))
  const snippet = snippetOf(flags.for, setting, { cluster: flags.clusterName })
  const notes = [...snippet.notes, ...(keys === undefined ? [] : folderNotes(keys, setting))]
  if (output === 'snippet') {
    for (const note of notes) printNote(note)
    process.stdout.write(snippetText(snippet, setting))
    return
  }
  const value = {
    for: flags.for,
    flags: flagsOf(setting),
    documents: snippet.documents,
    ...(keys !== undefined && { keys: folderKeyUses(keys.state) }),
    commands: snippet.commands,
    notes,
  }
  printData(output, value, { columns: [], rows: [] })
}

async function requestOf(
  flags: ApiServerFlagsFlags,
  keys: FolderKeys | undefined,
): Promise<ApiServerRequest> {
  const { oldIssuer, move, jwksUri, apiAudiences } = flags
  const {
    serviceAccountSigningKeyFile: signingKeyFile,
    serviceAccountKeyFile: keyFiles,
    serviceAccountSigningEndpoint: signingEndpoint,
    serviceAccountMaxTokenExpiration: longest,
    serviceAccountExtendTokenExpiration: extendTokens,
  } = flags
  const keysAre = keysOf(flags.for)
  const request = {
    ...(keysAre === 'texts' ? await withKeyTexts(keyFiles) : { keyFiles }),
    oldIssuers: oldIssuer,
    move,
    apiAudiences,
    keysAre,
    ...(jwksUri !== undefined && { jwksUri }),
    ...(signingKeyFile !== undefined && { signingKeyFile }),
    ...(signingEndpoint !== undefined && { signingEndpoint }),
    ...(longest !== undefined && { maxTokenSeconds: Math.floor(parseDurationMs(longest) / 1000) }),
    ...(extendTokens !== undefined && { extendTokens }),
  }
  if (keys !== undefined) return withFolder(request, keys)
  if (flags.issuer !== undefined) return { ...request, issuer: flags.issuer }
  throw new PodroleError('NoIssuer', 'no issuer is named', {
    hint: '--dir FOLDER names one that is kept in a folder, --issuer https://HOST[/PATH] any other',
  })
}

/** Files of this machine, whose texts go into what is printed. */
async function withKeyTexts(
  files: readonly string[],
): Promise<Pick<ApiServerRequest, 'keyFiles' | 'publicKeys'>> {
  if (files.length === 0) return { keyFiles: [] }
  const read = await Promise.all(files.map((file) => readKeyFile(file)))
  return { keyFiles: [], publicKeys: read.flat() }
}

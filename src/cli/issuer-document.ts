import { algorithmsOf, checkJwksUri, discoveryDocument } from '../issuer/documents.ts'
import { parseIssuerUrl } from '../issuer/issuer-url.ts'
import { publishedJwks } from '../issuer/key-lists.ts'
import type { DocumentFlags } from './commands/issuer.ts'
import { printData } from './output.ts'
import { readKeySources } from './parts/key-sources.ts'

/** Prints the discovery document; the keys are read for their algorithms alone. */
export async function printDocument(files: readonly string[], flags: DocumentFlags): Promise<void> {
  const { issuer } = parseIssuerUrl(flags.issuer)
  const { jwksUri } = flags
  if (jwksUri !== undefined) checkJwksUri(jwksUri)
  const keys = await readKeySources([...files, ...flags.jwks], flags)
  const document = discoveryDocument(issuer, {
    algorithms: algorithmsOf(publishedJwks(keys)),
    ...(jwksUri !== undefined && { jwksUri }),
  })
  printData(flags.output, document, {
    columns: ['member', 'value'],
    rows: Object.entries(document).map(([name, value]) => [name, [value].flat().join(', ')]),
  })
}

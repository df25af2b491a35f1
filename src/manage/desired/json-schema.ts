import { z } from 'zod'
import { DOCUMENT_SCHEMAS } from './schema.ts'

/**
 * The documents that podrole reads as one JSON Schema (draft 2020-12), for editors. It knows the
 * shapes; what depends on several fields, or on the cluster's region, is said when a file is read.
 */
export function desiredJsonSchema(): object {
  const { eksctl, fragment, mk8s, podrole, rafay } = DOCUMENT_SCHEMAS
  const schema = z.toJSONSchema(z.union([eksctl, rafay, podrole, mk8s, fragment]), {
    io: 'input',
  })
  return { title: 'What podrole reads about a cluster', ...schema }
}

import { boundedText } from '../lib/bounded-text.ts'
import { PodroleError } from '../lib/errors.ts'
import type { KubeClient, ResourceType } from './client.ts'
import type { KubeObject } from './objects.ts'
import { apiPath } from './transport.ts'

const MAX_ANSWER_BYTES = 4 << 20

/**
 * Applies an object as `podrole` (server-side apply): fields that podrole applied before and that
 * are no more in the object go, fields of others stay, a field that others set to something else
 * is taken over.
 * @throws PodroleError what the client throws
 */
export async function applyObject<T extends KubeObject>(
  kube: KubeClient,
  type: ResourceType,
  object: T,
): Promise<T> {
  const { name = '', namespace } = object.metadata
  const path = apiPath(type, { name, ...(namespace !== undefined && { namespace }) })
  const response = await kube.raw('PATCH', path, {
    query: { fieldManager: 'podrole', force: 'true' },
    body: { apiVersion: type.apiVersion, kind: type.kind, ...object },
    contentType: 'application/apply-patch+yaml',
  })
  const text = await boundedText(response.body, MAX_ANSWER_BYTES)
  if (text !== undefined) return JSON.parse(text) as T
  throw new PodroleError(
    'AnswerTooLarge',
    `PATCH ${path} answers more than ${MAX_ANSWER_BYTES} bytes`,
  )
}

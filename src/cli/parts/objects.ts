/** Objects that a start finds where an earlier one left them. */
import type { KubeClient, ResourceType } from '../../kube/client.ts'
import type { KubeObject } from '../../kube/objects.ts'
import { codeOf } from '../../lib/errors.ts'

/** Makes the object; one of its name that is there stays as it is. */
export async function ensureObject(
  client: KubeClient,
  type: ResourceType,
  object: KubeObject,
): Promise<void> {
  try {
    await client.create(type, object)
  } catch (error) {
    if (codeOf(error) !== 'AlreadyExists') throw error
  }
}

/** Makes the object, or puts it in the place of the one of its name. */
export async function putObject(
  client: KubeClient,
  type: ResourceType,
  object: KubeObject,
): Promise<void> {
  try {
    await client.create(type, object)
  } catch (error) {
    if (codeOf(error) !== 'AlreadyExists') throw error
    const { namespace, name = '' } = object.metadata
    const there = await client.get(type, { name, ...(namespace !== undefined && { namespace }) })
    const { resourceVersion } = there.metadata
    await client.replace(type, {
      ...object,
      metadata: { ...object.metadata, ...(resourceVersion !== undefined && { resourceVersion }) },
    })
  }
}

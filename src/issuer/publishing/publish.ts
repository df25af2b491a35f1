import { codeOf } from '../../lib/errors.ts'
import { DISCOVERY_PATH, JWKS_PATH } from '../documents.ts'
import { planPublish, type Publication, type Published, type PublishPlan } from './plan.ts'
import type { DocumentPath, DocumentStore } from './store.ts'

/** How often it starts again when somebody else publishes at the same time. */
const MAX_ATTEMPTS = 8

export interface Preparing {
  /**
   * Is awaited when it is decided what is published, before anything is written: makes the place
   * ready. `isFirst` says that nothing is published there yet.
   */
  readonly prepare?: (isFirst: boolean) => Promise<void>
}

/**
 * Publishes: two reads, then the writes of the plan, none where nothing changed. Somebody else who
 * publishes meanwhile is noticed, and what they published is read and kept or refused as ever.
 * It may be killed at any point: the next one goes on from what is there.
 * @throws PodroleError what `planPublish` and the store throw; `DocumentChanged` after eight attempts
 */
export async function publish(
  store: DocumentStore,
  wanted: Publication,
  { prepare }: Preparing = {},
): Promise<PublishPlan> {
  for (let attempt = 1; ; attempt += 1) {
    const published = await readPublished(store)
    const plan = planPublish(wanted, published)
    if (attempt === 1) await prepare?.(Object.values(published).every((one) => one === undefined))
    try {
      await write(store, plan, published)
      return plan
    } catch (error) {
      if (codeOf(error) !== 'DocumentChanged' || attempt === MAX_ATTEMPTS) throw error
    }
  }
}

async function readPublished(store: DocumentStore): Promise<Published> {
  const [jwks, discovery] = await Promise.all([store.read(JWKS_PATH), store.read(DISCOVERY_PATH)])
  return { [JWKS_PATH]: jwks, [DISCOVERY_PATH]: discovery }
}

async function write(store: DocumentStore, plan: PublishPlan, published: Published): Promise<void> {
  const versions = new Map<DocumentPath, string | undefined>([
    [JWKS_PATH, published[JWKS_PATH]?.version],
    [DISCOVERY_PATH, published[DISCOVERY_PATH]?.version],
  ])
  for (const { path, document } of plan.writes) {
    versions.set(path, await store.write(path, document, versions.get(path)))
  }
}

import { type KubeClient, PODS } from '../../kube/client.ts'
import type { Pod, PodStatus } from '../../kube/objects.ts'
import { codeOf, PodroleError } from '../../lib/errors.ts'
import { faultFields, type Log } from '../../lib/log.ts'
import { sleep } from './waiting.ts'

/** Keeps the status of one pod at the API server what it is here: one write at a time. */
export class StatusReport {
  readonly #client: KubeClient
  readonly #log: Log
  readonly #make: (before: PodStatus | undefined) => { pod: Pod; status: PodStatus }
  readonly #over = new AbortController()
  #last: PodStatus | undefined
  #sent = ''
  #isDirty = false
  #running: Promise<void> | undefined

  constructor(
    client: KubeClient,
    log: Log,
    make: (before: PodStatus | undefined) => { pod: Pod; status: PodStatus },
  ) {
    this.#client = client
    this.#log = log
    this.#make = make
  }

  /** The status has changed. */
  touch(): void {
    this.#isDirty = true
    this.#running ??= this.#drain().finally(() => {
      this.#running = undefined
      if (this.#isDirty && !this.#over.signal.aborted) this.touch()
    })
  }

  /** Resolves when what is known now has been written, or cannot be. */
  async settle(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  /** Nothing is written from now on. */
  close(): void {
    this.#over.abort()
  }

  async #drain(): Promise<void> {
    const { signal } = this.#over
    let waitMs = 100
    while (this.#isDirty && !signal.aborted) {
      this.#isDirty = false
      const { pod, status } = this.#make(this.#last)
      this.#last = status
      const text = JSON.stringify(status)
      if (text === this.#sent) continue
      try {
        await this.#write(pod, status)
        this.#sent = text
        waitMs = 100
      } catch (error) {
        const code = codeOf(error)
        const isChanged = code === 'Conflict' && pod.metadata.deletionTimestamp !== undefined
        if (code === 'NotFound' || (code === 'Conflict' && !isChanged)) return this.close()
        if (!isChanged) this.#log.warn('status of pod not written', faultFields(error))
        this.#isDirty = true
        await sleep(waitMs, signal)
        waitMs = Math.min(5000, waitMs * 2)
      }
    }
  }

  async #write(pod: Pod, status: PodStatus): Promise<void> {
    const { namespace = 'default', name = '', uid } = pod.metadata
    const resourceVersion = await markedVersion(this.#client, pod)
    // The uid makes it fail for another pod of the same name.
    const metadata = { uid, ...(resourceVersion !== undefined && { resourceVersion }) }
    const ref = { namespace, name, subresource: 'status' }
    await this.#client.mergePatch(PODS, ref, { metadata, status })
  }
}

/**
 * The resourceVersion of a pod that is being deleted; undefined of another. What is written of its
 * end with this version is not written to the pod as it was before, which a restore may have put in
 * its place under the same uid.
 * @throws PodroleError `NotFound` where it is gone, or is not being deleted any more
 */
export async function markedVersion(client: KubeClient, pod: Pod): Promise<string | undefined> {
  const { namespace = 'default', name = '', uid, deletionTimestamp } = pod.metadata
  if (deletionTimestamp === undefined) return undefined
  const { metadata } = await client.get<Pod>(PODS, { namespace, name })
  if (metadata.uid === uid && metadata.deletionTimestamp !== undefined) {
    return metadata.resourceVersion
  }
  throw new PodroleError('NotFound', `pod ${namespace}/${name} is not being deleted`)
}

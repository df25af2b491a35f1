import type { Change, State, Table } from '../state.ts'
import { expired, futureVersion } from './faults.ts'
import type { ApiObject } from './objects.ts'
import { apiVersionOf, type ResourceType, viewOf } from './resource-types.ts'

/** One change of an object. */
export interface StoreEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly revision: number
  readonly resource: ResourceType
  /** As it is now; of a deletion, as it was last, with the deletion's resourceVersion. */
  readonly object: ApiObject
  readonly previous: ApiObject | undefined
}

interface Collection {
  readonly rows: Table<ApiObject>
  readonly history: StoreEvent[]
  /** The newest revision that is no longer in the history. */
  forgotten: number
}

const HISTORY_MAX = 2000

/** `NAMESPACE/NAME`, or `NAME`: the order of lists is the order of these. */
export function keyOf(namespace: string | undefined, name: string): string {
  return namespace === undefined || namespace === '' ? name : `${namespace}/${name}`
}

/**
 * A cluster's objects in the sandbox's tables, under one revision counter as etcd has it, with a
 * bounded history of each type for watches and continued lists.
 */
export class ObjectStore {
  readonly #state: State
  readonly #prefix: string
  readonly #collections = new Map<string, Collection>()
  readonly #listeners = new Set<(event: StoreEvent) => void>()
  readonly #revisions: string
  readonly #meta: Table<number>
  readonly #historyMax: number
  #revision = 1

  constructor(
    state: State,
    cluster: string,
    types: readonly ResourceType[],
    historyMax = HISTORY_MAX,
  ) {
    this.#state = state
    this.#prefix = `cluster/${cluster}`
    this.#historyMax = historyMax
    this.#revisions = `cluster-revision/${cluster}`
    this.#meta = state.table<number>(this.#revisions)
    this.#revision = this.#meta.get('revision') ?? 1
    this.include(types)
    for (const collection of this.#collections.values()) collection.forgotten = this.#revision
  }

  /** Takes up types whose objects may be in the tables already. */
  include(types: readonly ResourceType[]): void {
    for (const type of types) {
      if (this.#collections.has(collectionOf(type))) continue
      const collection = this.#collection(type)
      for (const object of collection.rows.values()) {
        this.#revision = Math.max(this.#revision, versionOf(object))
      }
      collection.forgotten = this.#revision
    }
  }

  get revision(): number {
    return this.#revision
  }

  get(type: ResourceType, namespace: string | undefined, name: string): ApiObject | undefined {
    const found = this.#collection(type).rows.get(keyOf(namespace, name))
    return found && viewOf(type, found)
  }

  /** All objects of a type, in one namespace where one is named, in the order of their keys. */
  list(type: ResourceType, namespace?: string): ApiObject[] {
    const found = sorted(this.#collection(type).rows.entries(), namespace)
    return type.custom === undefined ? found : found.map((object) => viewOf(type, object))
  }

  /**
   * The list as it was at a revision.
   * @throws ApiFault Expired
   */
  listAt(type: ResourceType, namespace: string | undefined, revision: number): ApiObject[] {
    this.checkRevision(revision)
    const { rows, history, forgotten } = this.#collection(type)
    if (revision < forgotten) throw tooOld(revision, forgotten)
    const then = new Map(rows.entries())
    for (const event of history.toReversed()) {
      if (event.revision <= revision) break
      const key = keyOf(event.object.metadata.namespace, event.object.metadata.name ?? '')
      if (event.previous === undefined) then.delete(key)
      else then.set(key, event.previous)
    }
    const found = sorted(then.entries(), namespace)
    return type.custom === undefined ? found : found.map((object) => viewOf(type, object))
  }

  /** @throws ApiFault Timeout, for a revision that is not reached yet. */
  checkRevision(revision: number): void {
    if (revision > this.#revision) throw futureVersion(revision, this.#revision)
  }

  /** Writes an object under the next revision and tells the listeners. */
  put(type: ResourceType, object: ApiObject): ApiObject {
    const { rows } = this.#collection(type)
    const key = keyOf(object.metadata.namespace, object.metadata.name ?? '')
    const previous = rows.get(key)
    this.#revision += 1
    const stored: ApiObject = {
      apiVersion: apiVersionOf(type),
      kind: type.kind,
      ...(type.custom?.toStorage(object) ?? object),
      metadata: { ...object.metadata, resourceVersion: String(this.#revision) },
    }
    rows.set(key, stored)
    this.#record({
      type: previous === undefined ? 'ADDED' : 'MODIFIED',
      revision: this.#revision,
      resource: type,
      object: stored,
      previous,
    })
    return viewOf(type, stored)
  }

  /** Removes an object; the revision of the deletion is its last resourceVersion. */
  remove(type: ResourceType, object: ApiObject): void {
    const { rows } = this.#collection(type)
    const key = keyOf(object.metadata.namespace, object.metadata.name ?? '')
    const previous = rows.get(key)
    if (previous === undefined) return
    this.#revision += 1
    rows.delete(key)
    this.#meta.set('revision', this.#revision)
    const last = {
      ...previous,
      metadata: { ...previous.metadata, resourceVersion: String(this.#revision) },
    }
    this.#record({
      type: 'DELETED',
      revision: this.#revision,
      resource: type,
      object: last,
      previous,
    })
  }

  /**
   * Events of a type after a revision.
   * @throws ApiFault Expired, where the history does not reach back so far
   */
  eventsSince(type: ResourceType, revision: number): StoreEvent[] {
    const { history, forgotten } = this.#collection(type)
    if (revision < forgotten) throw tooOld(revision, forgotten)
    return history.filter((event) => event.revision > revision)
  }

  /** The state's table behind a collection. */
  tableOf(collection: string): string {
    return `${this.#prefix}/${collection}`
  }

  /** What keeps a revision that no object may show. */
  revisionChange(revision: number): Change {
    return { table: this.#revisions, key: 'revision', value: revision }
  }

  /** Takes in what is in the tables already: the history, and the listeners. */
  tell(event: StoreEvent): void {
    this.#revision = Math.max(this.#revision, event.revision)
    this.#record(event)
  }

  /** Calls a listener at each change, until the returned function is called. */
  subscribe(listener: (event: StoreEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #record(event: StoreEvent): void {
    const collection = this.#collection(event.resource)
    collection.history.push(event)
    if (collection.history.length > this.#historyMax) {
      const dropped = collection.history.splice(0, Math.ceil(this.#historyMax / 4))
      collection.forgotten = dropped.at(-1)?.revision ?? collection.forgotten
    }
    for (const listener of this.#listeners) listener(event)
  }

  #collection(type: ResourceType): Collection {
    const name = collectionOf(type)
    const known = this.#collections.get(name)
    if (known !== undefined) return known
    const made: Collection = {
      rows: this.#state.table<ApiObject>(this.tableOf(name)),
      history: [],
      forgotten: 0,
    }
    this.#collections.set(name, made)
    return made
  }
}

/** What a type's objects are kept under: `pods`, `deployments.apps`. */
export const collectionOf = ({ group, plural }: Pick<ResourceType, 'group' | 'plural'>): string =>
  group === '' ? plural : `${plural}.${group}`

/** An object's resourceVersion as a number. */
export function versionOf(object: ApiObject): number {
  return Number(object.metadata.resourceVersion ?? 0)
}

const tooOld = (revision: number, forgotten: number): Error =>
  expired(`too old resource version: ${revision} (${forgotten})`)

function sorted(entries: Iterable<[string, ApiObject]>, namespace?: string): ApiObject[] {
  const prefix = namespace === undefined ? '' : `${namespace}/`
  return [...entries]
    .filter(([key]) => key.startsWith(prefix))
    .sort(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0))
    .map(([, object]) => object)
}

/** Where an issuer's two documents are kept: the port that publishing writes through. */
import { DISCOVERY_PATH, JWKS_PATH } from '../documents.ts'

/** The two documents, by their path below the issuer. */
export const DOCUMENT_PATHS = [JWKS_PATH, DISCOVERY_PATH] as const
export type DocumentPath = (typeof DOCUMENT_PATHS)[number]

export interface PublishedDocument {
  readonly text: string
  readonly contentType: string
  readonly cacheControl: string
}

export interface StoredDocument {
  readonly text: string
  /** Undefined where the store keeps none: a folder's server decides. */
  readonly contentType?: string | undefined
  readonly cacheControl?: string | undefined
  /** Another one after every write that changes something. */
  readonly version: string
}

export interface DocumentStore {
  /** For messages: `s3://BUCKET/PREFIX`, or a folder. */
  readonly place: string
  /** @throws PodroleError `DocumentTooLarge` over 1 MB, and the store's own */
  read(path: DocumentPath): Promise<StoredDocument | undefined>
  /**
   * Writes one document, whole or not at all, over the version that was read, or where nothing was
   * (`undefined`). The new version is the answer.
   * @throws PodroleError `DocumentChanged`: something else is there by now; and the store's own
   */
  write(
    path: DocumentPath,
    document: PublishedDocument,
    replaces: string | undefined,
  ): Promise<string>
}

/** What is read of a document; 100 RSA and 100 EC keys have 120,000 bytes. */
export const MAX_DOCUMENT_BYTES = 1_000_000

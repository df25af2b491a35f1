import { PodroleError } from '../../lib/errors.ts'
import { MAX_DOCUMENT_BYTES } from './store.ts'

export const documentChanged = (what: string): PodroleError =>
  new PodroleError(
    'DocumentChanged',
    `${what} is not what it was a moment ago: somebody else publishes there too`,
    { hint: 'let one of the two end, and publish again' },
  )

export const documentTooLarge = (what: string): PodroleError =>
  new PodroleError(
    'DocumentTooLarge',
    `${what} has more than ${MAX_DOCUMENT_BYTES} bytes: wanted a document of an issuer`,
  )

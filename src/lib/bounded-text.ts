/**
 * The UTF-8 text of a stream; undefined where it has more than `maxBytes`, and then the rest is
 * neither read nor kept.
 */
export async function boundedText(
  chunks: AsyncIterable<Uint8Array> | null,
  maxBytes: number,
): Promise<string | undefined> {
  const kept: Uint8Array[] = []
  let size = 0
  for await (const chunk of chunks ?? []) {
    size += chunk.byteLength
    if (size > maxBytes) return undefined
    kept.push(chunk)
  }
  return new TextDecoder().decode(Buffer.concat(kept))
}

/**
 * An answer that breaks off in the middle: its head and the first half of its body, then the
 * connection closes before the announced length is reached.
 */
export async function halfAnswer(response: Response): Promise<Response> {
  const bytes = new Uint8Array(await response.arrayBuffer())
  const first = bytes.subarray(0, Math.ceil(bytes.length / 2))
  let sent = false
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (!sent && first.length > 0) {
        sent = true
        controller.enqueue(first)
        return
      }
      // The head and the first half are on their way before the connection ends.
      await new Promise((resolve) => setTimeout(resolve, 20))
      controller.error(new Error('the answer was ordered to break off'))
    },
  })
  const headers = new Headers(response.headers)
  headers.delete('content-length')
  return new Response(body, { status: response.status === 204 ? 200 : response.status, headers })
}

/** The admission webhooks of the contract suite: one HTTPS server that API servers call. */
import { createCertificateAuthority } from '../../src/lib/certificates.ts'
import { jsonResponse } from '../../src/lib/handler.ts'
import { serveTls } from '../../src/lib/serve.ts'

/**
 * What a webhook answers: the `response` of an AdmissionReview without its uid, `patch` as a list
 * of operations; or, where `text` is there, that text with `status` in place of a review.
 */
export interface WebhookAnswer {
  /** How long it takes. */
  readonly delayMs?: number
  readonly allowed?: boolean
  readonly patch?: readonly object[]
  readonly text?: string
  readonly status?: unknown
}

/** Webhooks that are there once they have an answer, each at a path of its own. */
export interface ContractWebhooks {
  /** `https://127.0.0.1:PORT` */
  readonly url: string
  /** PEM of the authority that signed its certificate. */
  readonly certificateAuthority: string
  answerWith(path: string, answer: WebhookAnswer): void
  /** The `request` of every AdmissionReview that came to a path, oldest first. */
  askedAt(path: string): readonly unknown[]
  stop(): Promise<void>
}

export async function startContractWebhooks(): Promise<ContractWebhooks> {
  const answers = new Map<string, WebhookAnswer>()
  const asked = new Map<string, unknown[]>()
  const authority = await createCertificateAuthority({ commonName: 'contract webhooks' })
  const server = await serveTls({
    hostname: '127.0.0.1',
    port: 0,
    certificate: await authority.issue({ names: ['127.0.0.1'] }),
    handler: async (request) => {
      const path = new URL(request.url).pathname
      const review = (await request.json()) as { request: { uid: string } }
      asked.set(path, [...(asked.get(path) ?? []), review.request])
      const answer = answers.get(path)
      if (answer?.delayMs !== undefined) await Bun.sleep(answer.delayMs)
      return answerReview(answer, review.request.uid)
    },
  })
  return {
    url: server.url,
    certificateAuthority: authority.cert,
    answerWith: (path, answer) => answers.set(path, answer),
    askedAt: (path) => asked.get(path) ?? [],
    stop: () => server.stop(0),
  }
}

function answerReview(answer: WebhookAnswer | undefined, uid: string): Response {
  if (answer === undefined) return new Response('no such webhook', { status: 404 })
  if (answer.text !== undefined) {
    return new Response(answer.text, { status: Number(answer.status ?? 200) })
  }
  const { patch, delayMs: _delay, ...rest } = answer
  return jsonResponse({
    kind: 'AdmissionReview',
    apiVersion: 'admission.k8s.io/v1',
    response: {
      uid,
      ...rest,
      ...(patch !== undefined && {
        patchType: 'JSONPatch',
        patch: Buffer.from(JSON.stringify(patch)).toString('base64'),
      }),
    },
  })
}

/**
 * Runs inside a pod: asks its agent N times at once with the pod's own token, and prints how many
 * answers there were and how many different keys they held.
 */
import { readFileSync } from 'node:fs'

const count = Number(process.argv[2])
const url = process.env['AWS_CONTAINER_CREDENTIALS_FULL_URI'] ?? ''
const token = readFileSync(process.env['AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE'] ?? '', 'utf8')

const answers = await Promise.all(
  Array.from({ length: count }, async () => {
    const response = await fetch(url, {
      headers: { authorization: token },
      proxy: false,
      redirect: 'error',
      signal: AbortSignal.timeout(20_000),
    })
    const body = (await response.json()) as { AccessKeyId?: string }
    return response.ok ? (body.AccessKeyId ?? '') : `status ${response.status}`
  }),
)
process.stdout.write(
  `${JSON.stringify({ answers: answers.length, keys: [...new Set(answers)] })}\n`,
)

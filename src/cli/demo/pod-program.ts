/**
 * What runs inside the demo's pods: the AWS SDK as anybody uses it, with its default credential
 * chain and no option that names a credential. One JSON line tells what came of it.
 *
 *   pod-program.ts check BUCKET KEY       GetCallerIdentity, then GetObject
 *   pod-program.ts ask [URL -]            the credential endpoint itself, with the pod's token, or
 *                                         with one from standard input
 *   pod-program.ts idle                   nothing, until it is stopped
 */
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts'

const [mode, first = '', second = ''] = process.argv.slice(2)

try {
  if (mode === 'check') await check(first, second)
  else if (mode === 'ask') await ask(first)
  else setInterval(() => undefined, 60_000)
} catch (error) {
  const { name, message } = error as Error
  report({ ok: false, error: name, message })
  process.exitCode = 1
}

async function check(bucket: string, key: string): Promise<void> {
  const identity = await new STSClient({}).send(new GetCallerIdentityCommand({}))
  const s3 = new S3Client({ forcePathStyle: true })
  try {
    const object = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }))
    report({ ok: true, arn: identity.Arn, content: await object.Body?.transformToString() })
  } catch (error) {
    const { name, message } = error as Error
    report({ ok: false, arn: identity.Arn, error: name, message })
    process.exitCode = 1
  }
}

/** The answer without the credentials in it: what the demo prints holds no secret. */
async function ask(given: string): Promise<void> {
  const { AWS_CONTAINER_CREDENTIALS_FULL_URI: url, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: file } =
    process.env
  const token = given === '' ? await Bun.file(file ?? '').text() : await Bun.stdin.text()
  const response = await fetch(given === '' ? (url ?? '') : given, {
    headers: { authorization: token.trim() },
    proxy: false,
    redirect: 'error',
    signal: AbortSignal.timeout(10_000),
  })
  const body = (await response.json()) as Record<string, unknown>
  const isGiven = response.ok && typeof body['AccessKeyId'] === 'string'
  report(
    isGiven
      ? { ok: true, status: response.status }
      : { ok: false, status: response.status, error: body['Code'], message: body['Message'] },
  )
  if (!isGiven) process.exitCode = 1
}

function report(outcome: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify(outcome)}\n`)
}

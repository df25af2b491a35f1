import { afterEach, describe, expect, test } from 'bun:test'
import { type Listening, serveHttp } from '../lib/serve.ts'
import { Secret } from '../lib/secret.ts'
import { createSts, mayBeDuration, readStsRefusal, type StsPort } from './sts.ts'

interface Seen {
  readonly authorization: string | null
  readonly parameters: Record<string, string>
}

let server: Listening | undefined
afterEach(async () => {
  await server?.stop()
  server = undefined
})

const credentialsXml = (
  action: string,
): string => `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <${action}Result>
    <AssumedRoleUser><AssumedRoleId>AROA:s</AssumedRoleId><Arn>arn:aws:sts::1:assumed-role/r/s</Arn></AssumedRoleUser>
    <Credentials><AccessKeyId>ASIAX</AccessKeyId><SecretAccessKey>sk</SecretAccessKey><SessionToken>st</SessionToken><Expiration>2026-01-01T01:00:00Z</Expiration></Credentials>
  </${action}Result><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>
</${action}Response>`

const errorXml = (code: string): string =>
  `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>${code}</Code><Message>why not</Message></Error><RequestId>r</RequestId></ErrorResponse>`

/** An STS on loopback that answers with one status and text. */
function start(status: number, text: string): { sts: StsPort; seen: Seen[] } {
  const seen: Seen[] = []
  server = serveHttp({
    hostname: '127.0.0.1',
    port: 0,
    handler: async (request) => {
      seen.push({
        authorization: request.headers.get('authorization'),
        parameters: Object.fromEntries(new URLSearchParams(await request.text())),
      })
      return new Response(text, { status, headers: { 'content-type': 'text/xml' } })
    },
  })
  return { sts: createSts({ region: 'eu-west-1', endpoint: server.url }), seen }
}

const request = {
  roleArn: 'arn:aws:iam::111122223333:role/r',
  sessionName: 'podrole-edge-p-1',
  token: new Secret('a.b.c'),
  durationSeconds: 3600,
}

describe('STS through the SDK', () => {
  test('the web identity call is not signed and carries what it should', async () => {
    const { sts, seen } = start(200, credentialsXml('AssumeRoleWithWebIdentity'))
    const session = await sts.assumeRoleWithWebIdentity({ ...request, policy: '{}' })
    expect(session).toMatchObject({
      accessKeyId: 'ASIAX',
      expiresAtMs: Date.UTC(2026, 0, 1, 1),
      assumedRoleArn: 'arn:aws:sts::1:assumed-role/r/s',
      assumedRoleId: 'AROA:s',
    })
    expect(session.sessionToken.reveal()).toBe('st')
    expect(seen).toEqual([
      {
        authorization: null,
        parameters: {
          Action: 'AssumeRoleWithWebIdentity',
          Version: '2011-06-15',
          RoleArn: request.roleArn,
          RoleSessionName: request.sessionName,
          WebIdentityToken: 'a.b.c',
          DurationSeconds: '3600',
          Policy: '{}',
        },
      },
    ])
  })

  test("the target role is assumed with the first session's key", async () => {
    const { sts, seen } = start(200, credentialsXml('AssumeRole'))
    const session = {
      accessKeyId: 'ASIAFIRST',
      secretAccessKey: new Secret('x'),
      sessionToken: new Secret('y'),
      expiresAtMs: 0,
      assumedRoleArn: '',
      assumedRoleId: '',
    }
    const { roleArn, sessionName, durationSeconds } = request
    await sts.assumeTargetRole({
      session,
      roleArn,
      sessionName,
      durationSeconds,
      externalId: 'e/1',
    })
    expect(seen[0]?.authorization).toContain('Credential=ASIAFIRST/')
    expect(seen[0]?.parameters).toMatchObject({ Action: 'AssumeRole', ExternalId: 'e/1' })
  })

  test('a refusal keeps its code, reason and status', async () => {
    const { sts, seen } = start(403, errorXml('AccessDenied'))
    const thrown = await sts.assumeRoleWithWebIdentity(request).catch((error: unknown) => error)
    expect(readStsRefusal(thrown)).toMatchObject({
      name: 'AccessDenied',
      message: 'why not',
      status: 403,
    })
    expect(seen).toHaveLength(1)
    expect(mayBeDuration(thrown)).toBe(false)
  })

  test('a ValidationError may be about the duration', async () => {
    const { sts } = start(400, errorXml('ValidationError'))
    const thrown = await sts.assumeRoleWithWebIdentity(request).catch((error: unknown) => error)
    expect(mayBeDuration(thrown)).toBe(true)
  })

  test('an answer without credentials is a fault', async () => {
    const { sts } = start(200, '<AssumeRoleWithWebIdentityResponse/>')
    expect(sts.assumeRoleWithWebIdentity(request)).rejects.toMatchObject({
      code: 'InternalServerException',
    })
  })

  test('nobody there is no answer', async () => {
    const { sts } = start(200, '')
    await server?.stop()
    const thrown = await sts.assumeRoleWithWebIdentity(request).catch((error: unknown) => error)
    expect(readStsRefusal(thrown).status).toBeUndefined()
  })
})

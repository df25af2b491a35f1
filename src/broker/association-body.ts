/** Reads the bodies of the association operations: wrong JSON types are refused, all in one pass. */
import { z } from 'zod'
import { EksFault } from './eks-wire.ts'

const changeable = {
  // The SDKs leave a member out; a null is the same thing to AWS's JSON parsers.
  disableSessionTags: z.boolean().nullish(),
  targetRoleArn: z.string().nullish(),
  policy: z.string().nullish(),
  clientRequestToken: z.string().max(256).nullish(),
}

const createSchema = z.object({
  namespace: z.string(),
  serviceAccount: z.string(),
  roleArn: z.string(),
  tags: z.record(z.string(), z.string()).nullish(),
  ...changeable,
})

const updateSchema = z.object({ roleArn: z.string().nullish(), ...changeable })

type Present<T> = { [K in keyof T]: Exclude<T[K], null> }

export interface AssociationBody {
  readonly namespace: string
  readonly serviceAccount: string
  readonly roleArn: string
  readonly tags?: Readonly<Record<string, string>>
  readonly disableSessionTags?: boolean
  readonly targetRoleArn?: string
  readonly policy?: string
  readonly clientRequestToken?: string
}

export interface AssociationUpdateBody {
  readonly roleArn?: string
  readonly disableSessionTags?: boolean
  /** Empty takes it away. */
  readonly targetRoleArn?: string
  /** Empty takes it away. */
  readonly policy?: string
  readonly clientRequestToken?: string
}

/** @throws EksFault `InvalidParameterException` naming each member of a wrong type */
export function readCreateBody(body: Readonly<Record<string, unknown>>): AssociationBody {
  const read = withoutNulls(parse(createSchema, body))
  // An empty string means nothing at create, as at update.
  const { targetRoleArn, policy, ...rest } = read
  return {
    ...rest,
    ...(targetRoleArn && { targetRoleArn }),
    ...(policy && { policy }),
  } as AssociationBody
}

/** @throws EksFault `InvalidParameterException` naming each member of a wrong type */
export function readUpdateBody(body: Readonly<Record<string, unknown>>): AssociationUpdateBody {
  return withoutNulls(parse(updateSchema, body)) as AssociationUpdateBody
}

function parse<T>(schema: z.ZodType<T>, body: unknown): T {
  const read = schema.safeParse(body)
  if (read.success) return read.data
  const faults = read.error.issues
    .slice(0, 20)
    .map((issue) => `${issue.path.map(String).join('.')}: ${issue.message}`)
  throw new EksFault('InvalidParameterException', faults.join('; '))
}

function withoutNulls<T extends object>(value: T): Present<T> {
  const entries = Object.entries(value).filter(
    ([, member]) => member !== null && member !== undefined,
  )
  return Object.fromEntries(entries) as Present<T>
}

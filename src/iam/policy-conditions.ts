import { duplicateKeyOf } from './json-document.ts'
import type { JsonMember, JsonNode } from './json-document.ts'
import { BASE_OPERATORS } from './policy-document.ts'
import type { ConditionOperator, PolicyCondition } from './policy-document.ts'
import { malformedPolicy, quoteValue, SYNTAX_ERRORS } from './policy-faults.ts'

const IF_EXISTS = 'ifexists'
const SETS = ['ForAllValues', 'ForAnyValue'] as const
const CONDITION_PAGE_RULE =
  'A condition key has a prefix and a name, such as aws:SourceIp or ISSUER:sub.'

/**
 * Reads a Condition block. Operator names are read without regard to case, as key names are.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition.html
 * @throws PodroleError `MalformedPolicyDocument`.
 */
export function readConditions(node: JsonNode): readonly PolicyCondition[] {
  return readBlock(node, 'Condition').flatMap(({ key: operatorName, value }) => {
    const operator = readOperator(operatorName)
    return readBlock(value, operatorName).map(({ key, value: values }) => {
      if (!/^[^:]+:./.test(key)) {
        throw malformedPolicy(
          'Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.',
          `${CONDITION_PAGE_RULE} ${quoteValue(key)} is none.`,
        )
      }
      return { operatorName, operator, key, values: readValues(values, key) }
    })
  })
}

/**
 * Reads an operator's name with its set prefix and `IfExists` suffix.
 * @throws PodroleError `MalformedPolicyDocument`.
 */
export function readOperator(name: string): ConditionOperator {
  const colon = name.indexOf(':')
  const prefix = colon === -1 ? '' : name.slice(0, colon)
  const set = SETS.find((known) => known.toLowerCase() === prefix.toLowerCase())
  const rest = name.slice(colon + 1).toLowerCase()
  const ifExists = rest.endsWith(IF_EXISTS)
  const baseName = ifExists ? rest.slice(0, -IF_EXISTS.length) : rest
  const base = BASE_OPERATORS.find((known) => known.toLowerCase() === baseName)
  const isKnown = base !== undefined && (colon === -1 || set !== undefined)
  if (!isKnown || (base === 'Null' && (ifExists || set !== undefined))) {
    throw malformedPolicy(
      `Invalid Condition type : ${name.slice(0, 100)}.`,
      'Known are the operators of the IAM user guide, with ForAllValues: or ForAnyValue: before and IfExists behind (neither with Null).',
    )
  }
  return set === undefined ? { base, ifExists } : { set, base, ifExists }
}

function readBlock(node: JsonNode, name: string): readonly JsonMember[] {
  if (node.kind !== 'object') {
    throw malformedPolicy(SYNTAX_ERRORS, `${quoteValue(name)} must be an object, not ${node.kind}.`)
  }
  const twice = duplicateKeyOf(node.members, (key) => key.toLowerCase())
  if (twice !== undefined) {
    throw malformedPolicy(
      SYNTAX_ERRORS,
      `${quoteValue(name)} must not contain multiple instances of the same key: ${quoteValue(twice)} occurs twice (letter case does not count).`,
    )
  }
  return node.members
}

function readValues(node: JsonNode, key: string): readonly string[] {
  const items = node.kind === 'array' ? node.items : [node]
  return items.map((item) => readValue(item, key))
}

/** Quotes are optional for numbers and booleans. */
function readValue(node: JsonNode, key: string): string {
  switch (node.kind) {
    case 'string':
      return node.value
    case 'number':
      return node.text
    case 'boolean':
      return String(node.value)
    case 'array':
    case 'object':
    case 'null':
      throw malformedPolicy(
        SYNTAX_ERRORS,
        `The values of ${quoteValue(key)} must be strings, numbers or booleans, not ${node.kind}.`,
      )
    default:
      return node satisfies never
  }
}

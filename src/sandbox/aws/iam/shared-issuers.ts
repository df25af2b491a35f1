/**
 * Issuers that many organizations share: trust in one must look at a claim that tells whose token
 * it is. Source: IAM User Guide, "Identity-provider controls for shared OIDC providers".
 */
import type { PolicyDocument, PolicyStatement } from '../../../iam/policy-document.ts'

/** The best known of AWS's list. */
const SHARED_ISSUERS = ['token.actions.githubusercontent.com', 'gitlab.com', 'app.terraform.io']

/** The first shared issuer that a statement lets in without asking whose token it is. */
export function findOpenIssuer(trust: PolicyDocument): string | undefined {
  return SHARED_ISSUERS.find((issuer) =>
    trust.statements.some(
      (statement) => trustsIssuer(statement, issuer) && !narrowsIssuer(statement, issuer),
    ),
  )
}

function trustsIssuer(statement: PolicyStatement, issuer: string): boolean {
  if (statement.effect !== 'Allow') return false
  return (statement.principals ?? []).some(
    ({ type, value }) => type === 'Federated' && value.endsWith(`:oidc-provider/${issuer}`),
  )
}

/** Every customer of the issuer chooses the audience, so that it narrows nothing. */
function narrowsIssuer(statement: PolicyStatement, issuer: string): boolean {
  return statement.conditions.some(({ key, operator, values }) => {
    const { base, ifExists, set } = operator
    const name = key.toLowerCase()
    return (
      name.startsWith(`${issuer}:`) &&
      name !== `${issuer}:aud` &&
      /^String(?:Equals|EqualsIgnoreCase|Like)$/.test(base) &&
      !ifExists &&
      set !== 'ForAllValues' &&
      values.length > 0 &&
      values.every((value) => base !== 'StringLike' || !/^[*?]*$/.test(value))
    )
  })
}

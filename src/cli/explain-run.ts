/** `podrole explain`. */
import { openAccount } from '../aws/account.ts'
import { explain, explainToken, type Explanation } from '../doctor/explain/explain.ts'
import { renderExplanation, renderFix } from '../doctor/explain/render.ts'
import { errorFact } from '../doctor/facts/error-fact.ts'
import { gatherFacts, type Subject } from '../doctor/facts/gather.ts'
import { iamPort } from '../doctor/facts/iam-adapter.ts'
import type { AccountPlace, ExplainPlaces } from '../doctor/facts/ports.ts'
import { parseSdk } from '../doctor/facts/sdk.ts'
import { tokenFact } from '../doctor/facts/token-fact.ts'
import { parseServiceAccountName, type ServiceAccountName } from '../iam/service-account-name.ts'
import { gatherOutside } from '../issuer/outside/gather.ts'
import { readOutsideNames } from '../issuer/outside/issuer-names.ts'
import { type KubeClient, PODS } from '../kube/client.ts'
import type { Pod } from '../kube/objects.ts'
import { systemClock } from '../lib/clock.ts'
import { PodroleError } from '../lib/errors.ts'
import type { ExplainFlags } from './commands/explain.ts'
import { printData } from './output.ts'
import { openClusterPort } from './parts/explain-cluster.ts'
import { openKube } from './parts/kube-cluster.ts'
import { accessOf, readText } from './role-run.ts'

/** How long one place may take; STS itself waits 5 seconds for an issuer's document. */
const TIMEOUT_MS = 20_000

/** Prints what is found; the exit code is 1 where it is as bad as `--fail-on` says. */
export async function runExplain(
  argument: string | undefined,
  flags: ExplainFlags,
): Promise<number> {
  const token = flags.token === undefined ? undefined : tokenFact(await readText(flags.token))
  const isAlone = [argument, flags.serviceAccount, flags.pod].every((one) => one === undefined)
  if (token !== undefined && isAlone) {
    const explanation = explainToken(token, systemClock.now())
    print(explanation, flags)
    return exitCodeOf(explanation, flags)
  }
  const asked = { ...readSubject(argument, flags), ...(token !== undefined && { token }) }
  const kube = await openKube(flags)
  const [subject, places] = await Promise.all([
    completeSubject(asked, kube),
    openExplainPlaces(flags, kube),
  ])
  const explanation = explain(await gatherFacts(subject, places))
  print(explanation, flags)
  return exitCodeOf(explanation, flags)
}

type Asked = Omit<Subject, 'serviceAccount'> &
  ({ readonly serviceAccount: ServiceAccountName } | { readonly podNamespace: string })

/** @throws PodroleError `InvalidSubject`, `InvalidQuestion`, `InvalidServiceAccountName` */
function readSubject(argument: string | undefined, flags: ExplainFlags): Asked {
  const given = [argument, flags.serviceAccount, flags.pod].filter((one) => one !== undefined)
  if (given.length !== 1) {
    throw new PodroleError(
      'InvalidSubject',
      `wanted one service account NAMESPACE/NAME, or one --pod NAMESPACE/NAME, and ${given.length} are given`,
    )
  }
  const { container, pod } = flags
  const error = flags.error === undefined ? undefined : errorFact(flags.error)
  const { action = error?.action, resource = error?.resource } = flags
  if (error === undefined && (action === undefined) !== (resource === undefined)) {
    throw new PodroleError('InvalidQuestion', '--action and --resource go together')
  }
  const more = {
    ...(container !== undefined && { container }),
    ...(error !== undefined && { error }),
    ...(flags.sdk !== undefined && { sdk: parseSdk(flags.sdk) }),
    ...(action !== undefined && resource !== undefined && { question: { action, resource } }),
  }
  if (pod === undefined) {
    return { serviceAccount: parseServiceAccountName(given[0] ?? ''), ...more }
  }
  const { name, namespace } = parseServiceAccountName(pod)
  return { podNamespace: namespace, pod: name, ...more }
}

/** A pod names its service account. @throws PodroleError Kubernetes' own: `NotFound`, `Forbidden` */
async function completeSubject(asked: Asked, kube: KubeClient): Promise<Subject> {
  if ('serviceAccount' in asked) return asked
  const { podNamespace: namespace, ...more } = asked
  const pod = await kube.get<Pod>(PODS, { namespace, name: asked.pod ?? '' })
  const name = pod.spec.serviceAccountName ?? 'default'
  return { ...more, serviceAccount: { namespace, name } }
}

async function openExplainPlaces(flags: ExplainFlags, kube: KubeClient): Promise<ExplainPlaces> {
  const { region } = flags
  const [account, ...further] = await Promise.all([
    openAccount(accessOf(flags)),
    ...flags.roleProfile.map((profile) => openPlace({ profile, ...(region && { region }) })),
  ])
  const names = readOutsideNames(process.env)
  return {
    account,
    kube,
    iam: await iamPort(account, TIMEOUT_MS),
    others: further,
    cluster: await openClusterPort(flags, account),
    look: (issuer) => gatherOutside(issuer, { names, clock: systemClock }),
    nowMs: systemClock.now(),
    timeoutMs: TIMEOUT_MS,
  }
}

/** An account that commands reach by its profile alone. */
async function openPlace(access: {
  readonly profile: string
  readonly region?: string
}): Promise<AccountPlace> {
  const account = await openAccount(access)
  return {
    account: { ...account, profile: access.profile },
    iam: await iamPort(account, TIMEOUT_MS),
  }
}

function print(explanation: Explanation, { fix, output }: ExplainFlags): void {
  if (output !== 'table') printData(output, explanation, { columns: [], rows: [] })
  else process.stdout.write(fix ? renderFix(explanation) : renderExplanation(explanation))
}

function exitCodeOf({ links, verdict }: Explanation, { failOn }: ExplainFlags): number {
  if (failOn === 'never') return 0
  const isDoubtful =
    verdict === 'open' || links.some((link) => link.status === 'ok' && link.warnings.length > 0)
  return verdict === 'broken' || (failOn === 'warning' && isDoubtful) ? 1 : 0
}

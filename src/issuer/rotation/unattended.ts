/** What a rotation that nobody attends does next. Pure. */
import { inUseUntilMs, isStopping, leftToDo, msOf, preparedKeyOf, settledAtMs } from './decide.ts'
import { activeKeyOf, type IssuerState } from './state.ts'

export type UnattendedStep = 'prepare' | 'activate' | 'retire'

/**
 * The next step that time allows; undefined while there is nothing to do. One rotation is ended
 * before the next begins, so that three keys at most are published.
 * @param rotateEverySeconds how long a key signs before the next one is prepared
 */
export function unattendedStep(
  state: IssuerState,
  { nowMs, rotateEverySeconds }: { readonly nowMs: number; readonly rotateEverySeconds: number },
): UnattendedStep | undefined {
  // What a broker that was killed had begun: every command ends that first.
  if (leftToDo(state).remove.length > 0 || state.keys.some(isStopping)) return 'retire'
  const prepared = preparedKeyOf(state)
  if (prepared !== undefined) {
    if (prepared.seenAt === undefined) return 'prepare'
    return settledAtMs(state, prepared.seenAt) <= nowMs ? 'activate' : undefined
  }
  const retiring = state.keys.filter((key) => key.state === 'retiring')
  // A broker's tokens are its own: how long they live is known, and no census tells more.
  if (retiring.some((key) => inUseUntilMs(state, key, new Map()) <= nowMs)) return 'retire'
  if (retiring.length > 0) return undefined
  const active = activeKeyOf(state)
  const signsSinceMs = msOf(active?.activatedAt ?? active?.preparedAt ?? '')
  return signsSinceMs + rotateEverySeconds * 1000 <= nowMs ? 'prepare' : undefined
}

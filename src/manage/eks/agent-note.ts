import type { Addon } from './addon-port.ts'
import { AGENT_ADDON } from './eks-addons.ts'

/**
 * What EKS's agent still lacks until pods of a cluster get credentials, one sentence; undefined
 * where it is ACTIVE. That it is there in some other state is no sign that it serves.
 */
export function agentNote(addon: Addon | undefined, clusterName: string): string | undefined {
  const what = `${AGENT_ADDON} --cluster ${clusterName}`
  if (addon === undefined) {
    return `cluster ${clusterName} has no add-on ${AGENT_ADDON}: unless an agent runs there by other means, its pods get no credentials (podrole addon enable ${what})`
  }
  const { issues, status } = addon
  if (status === 'ACTIVE') return undefined
  const state = [status, ...issues].join('; ')
  return `add-on ${AGENT_ADDON} of cluster ${clusterName} is not ACTIVE but ${state}: until it is, pods may get no credentials (podrole addon status ${what})`
}

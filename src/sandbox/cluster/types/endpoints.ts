import { checkSubdomainName } from '../names.ts'
import { listAt, recordAt, stringAt, type ApiObject } from '../objects.ts'
import { OBJECT_VERBS, type ResourceType } from '../resource-types.ts'
import { atomic, int, keptStr, list, obj, str } from '../schema.ts'
import { AGE_COLUMN, column, formatSome, NAME_COLUMN } from './columns.ts'
import { OBJECT_REFERENCE } from './metadata.ts'

const ADDRESSES = list(
  atomic(obj({ ip: str, hostname: str, nodeName: keptStr, targetRef: OBJECT_REFERENCE })),
)

function shownAddresses(object: ApiObject): string {
  const all = listAt(object, 'subsets').flatMap((subset) =>
    listAt(subset, 'addresses').flatMap((address) =>
      listAt(subset, 'ports').map(
        (port) => `${stringAt(address, 'ip')}:${String(recordAt({ port }, 'port')['port'])}`,
      ),
    ),
  )
  return formatSome(all, '<none>')
}

export const ENDPOINTS: ResourceType = {
  group: '',
  version: 'v1',
  kind: 'Endpoints',
  plural: 'endpoints',
  singular: 'endpoints',
  shortNames: ['ep'],
  namespaced: true,
  verbs: OBJECT_VERBS,
  subresources: [],
  nameRule: checkSubdomainName,
  schema: obj({
    subsets: list(
      obj({
        addresses: ADDRESSES,
        notReadyAddresses: ADDRESSES,
        ports: list(atomic(obj({ name: str, port: int, protocol: str, appProtocol: keptStr }))),
      }),
    ),
  }),
  columns: [NAME_COLUMN, column('Endpoints', shownAddresses), AGE_COLUMN],
}

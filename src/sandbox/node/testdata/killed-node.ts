/** A sandbox that is killed: it tells where its node is, then waits. */
import { dirname } from 'node:path'
import { shell, startTestNode } from '../node.suite.ts'

const [mark = '', mounts = 'auto'] = process.argv.slice(2)
const t = await startTestNode({ mounts: mounts as 'auto' | 'mapped' })
const env = [{ name: 'MARK', value: mark }]
await t.run('long', { containers: [shell('sleep 1000 & sleep 1000 & echo up; wait', { env })] })
for (;;) if ((await t.log('long').catch(() => '')).includes('up')) break
process.stdout.write(`${JSON.stringify({ folder: dirname(t.folder) })}\n`)
setInterval(() => undefined, 1000)

/** Runs one pod that reads its token on a node of this process' user; tells of it in one line. */
import { shell, startTestNode } from '../node.suite.ts'

const t = await startTestNode()
try {
  const volumeMounts = [{ name: 'token', mountPath: '/var/run/secrets/x' }]
  const sources = [{ serviceAccountToken: { audience: 'sts.amazonaws.com', path: 'token' } }]
  const script =
    'wc -w </var/run/secrets/x/token; cat /proc/net/fib_trie | grep -c 169.254.170.23; ls /proc | grep -c "^[0-9]"'
  await t.run('reads', {
    volumes: [{ name: 'token', projected: { sources } }],
    containers: [shell(script, { volumeMounts })],
  })
  const { phase, log } = await t.outcome('reads')
  await t.run('stays', { containers: [shell('sleep 1000')] })
  await t.pod('stays', ({ status }) => status?.phase === 'Running')
  const command = ['sh', '-c', 'ls /tmp; echo in; exit 3']
  const exec = await t.node.exec({ namespace: 'team', pod: 'stays', command })
  process.stdout.write(JSON.stringify({ isolation: t.node.isolation, phase, log, exec }))
} finally {
  await t.stop()
}
process.exit(0)

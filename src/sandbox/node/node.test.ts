/** A node with namespaces, in the sandbox's cluster. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { CONFIG_MAPS, EVENTS, NODES, PODS, SECRETS } from '../../kube/client.ts'
import type { KubeNode, KubeObject, Pod, PodSpec, Volume } from '../../kube/objects.ts'
import { decodeFrames, readExitCode } from './frames.ts'
import {
  missingNamespaces,
  NAMESPACE,
  NODE,
  processesWith,
  shell,
  startTestNode,
  type TestNode,
  until,
} from './node.suite.ts'

const missing = await missingNamespaces()
if (missing !== undefined) process.stderr.write(`${import.meta.file}: ${missing}\n`)

const AUDIENCE = 'sts.amazonaws.com'
const TOKEN_FILE = '/var/run/secrets/eks.amazonaws.com/serviceaccount/token'

/** What AWS's webhook adds to a pod. */
const irsaVolume = (expirationSeconds = 86_400): Volume => ({
  name: 'aws-iam-token',
  projected: {
    defaultMode: 420,
    sources: [{ serviceAccountToken: { audience: AUDIENCE, expirationSeconds, path: 'token' } }],
  },
})
const irsaMount = {
  name: 'aws-iam-token',
  mountPath: '/var/run/secrets/eks.amazonaws.com/serviceaccount',
  readOnly: true,
}

const claimsOf = (token: string): Record<string, never> =>
  JSON.parse(Buffer.from(token.trim().split('.')[1] ?? '', 'base64url').toString())

describe.skipIf(missing !== undefined)('a node with namespaces', () => {
  let t: TestNode
  beforeAll(async () => {
    t = await startTestNode()
  })
  afterAll(async () => {
    await t.stop()
  })

  const exec = (pod: string, script: string, stdin?: string) =>
    t.node.exec({
      namespace: NAMESPACE,
      pod,
      command: ['sh', '-c', script],
      ...(stdin !== undefined && { stdin }),
    })

  test('has a network and mounts of its own', () => {
    expect(t.node.isolation).toMatchObject({ network: 'namespace', mounts: 'namespace' })
  })

  test('registers itself as a ready node', async () => {
    const node = await t.client.get<KubeNode>(NODES, { name: NODE })
    expect(node.metadata.labels).toMatchObject({ 'kubernetes.io/hostname': NODE })
    expect(node.status?.conditions).toMatchObject([{ type: 'Ready', status: 'True' }])
    expect(node.status?.daemonEndpoints?.kubeletEndpoint?.Port).toBe(t.node.port)
  })

  test('a pod sees its token at the real path, and sees it rotate', async () => {
    await t.run('token', {
      volumes: [irsaVolume()],
      containers: [shell('sleep 1000', { volumeMounts: [irsaMount] })],
    })
    const pod = await t.pod('token', ({ status }) => status?.phase === 'Running')
    const first = await exec('token', `cat ${TOKEN_FILE}`)
    expect(first).toMatchObject({ exitCode: 0, stderr: '' })
    expect(claimsOf(first.stdout)).toMatchObject({
      aud: [AUDIENCE],
      sub: `system:serviceaccount:${NAMESPACE}:default`,
      'kubernetes.io': { pod: { name: 'token', uid: pod.metadata.uid! } },
    })
    expect(existsSync(TOKEN_FILE)).toBe(false)
    t.advance(86_400_000 * 0.79)
    await Bun.sleep(700)
    expect((await exec('token', `cat ${TOKEN_FILE}`)).stdout).toBe(first.stdout)
    t.advance(86_400_000 * 0.02)
    const later = await until(async () => {
      const { stdout } = await exec('token', `cat ${TOKEN_FILE}`)
      return stdout !== first.stdout && stdout
    })
    expect(claimsOf(later)['exp']).toBeGreaterThan(claimsOf(first.stdout)['exp']!)
  })

  test('a pod of the host network serves 169.254.170.23, and the other pods reach it', async () => {
    const server = (host: string): string =>
      `Bun.serve({ hostname: '${host}', port: 80, fetch: () => new Response('agent on ' + '${host}') })`
    await t.run('agent', {
      hostNetwork: true,
      containers: [
        {
          name: 'agent',
          image: 'bun',
          args: ['-e', server('169.254.170.23')],
          securityContext: { capabilities: { add: ['NET_BIND_SERVICE'] } },
          readinessProbe: { tcpSocket: { host: '169.254.170.23', port: 80 } },
        } as Pod['spec']['containers'][number],
      ],
    })
    await t.pod('agent', ({ status }) =>
      Boolean(status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True')),
    )
    const ask = `console.log(await (await fetch('http://169.254.170.23/')).text())`
    await t.run('client', {
      containers: [{ name: 'main', image: 'bun', args: ['-e', ask] }],
    })
    expect(await t.outcome('client')).toEqual({
      phase: 'Succeeded',
      log: 'agent on 169.254.170.23\n',
    })
    // The machine itself has no such address.
    const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
    expect(addresses.map(({ address }) => address)).not.toContain('169.254.170.23')
  })

  test('the API of the cluster and added ports are reached, and no other', async () => {
    const serve = (text: string) =>
      Bun.serve({
        hostname: '127.0.0.1',
        port: 0,
        development: false,
        error: () => new Response(null, { status: 500 }),
        fetch: () => new Response(text),
      })
    const [added, other] = [serve('added'), serve('other')]
    await t.node.addForward(added.port!)
    const ask = `for (const port of [${added.port}, ${other.port}]) {
      console.log(await fetch('http://127.0.0.1:' + port).then((r) => r.text(), (e) => e.code)) }
      const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = process.env
      const folder = '/var/run/secrets/kubernetes.io/serviceaccount/'
      const answer = await fetch('https://' + host + ':' + port + '/api', {
        tls: { ca: await Bun.file(folder + 'ca.crt').text() },
        headers: { authorization: 'Bearer ' + await Bun.file(folder + 'token').text() } })
      console.log(answer.status)`
    await t.run('ports', {
      containers: [{ name: 'main', image: 'bun', args: ['-e', ask] }],
    })
    const { log } = await t.outcome('ports')
    expect(log.split('\n').slice(0, 3)).toEqual(['added', 'ECONNREFUSED', '200'])
    await added.stop(true)
    await other.stop(true)
  })

  test('no pod sees the processes, files or environment of another or of the machine', async () => {
    process.env['AWS_SECRET_ACCESS_KEY'] = 'of-the-machine'
    process.env['HTTPS_PROXY'] = 'http://127.0.0.1:9'
    try {
      await t.run('victim', {
        containers: [
          shell('echo secret >/tmp/mine; exec sleep 1000', {
            env: [{ name: 'KEY', value: 'hidden-key' }],
          }),
        ],
      })
      await t.pod('victim', ({ status }) => status?.phase === 'Running')
      await t.run('spy', {
        containers: [
          shell(
            'cat /proc/[0-9]*/environ /proc/[0-9]*/root/tmp/mine 2>/dev/null | tr "\\0" "\\n"; env; ls /tmp /run; ' +
              `ls ${t.folder}/pods ${join(t.folder, '..')} 2>&1; ps ax`,
          ),
        ],
      })
      const { log } = await t.outcome('spy')
      expect(log).not.toMatch(/hidden-key|secret$|of-the-machine|PROXY|sleep 1000/m)
      expect(log).toContain('AWS_EC2_METADATA_DISABLED=true')
      expect(log).toContain('AWS_REGION=eu-west-1')
      expect(log).toContain('No such file or directory')
    } finally {
      delete process.env['AWS_SECRET_ACCESS_KEY']
      delete process.env['HTTPS_PROXY']
    }
  })

  test('a container cannot write to the machine, and has only the rights it asked for', async () => {
    await t.run('rights', {
      containers: [
        shell('touch /etc/x /usr/x 2>&1; grep -E "CapEff|CapBnd|NoNewPrivs" /proc/self/status', {
          securityContext: {
            runAsUser: 0,
            capabilities: { add: ['CAP_NET_BIND_SERVICE', 'SYS_ADMIN'] },
          },
        }),
      ],
    })
    const { log } = await t.outcome('rights')
    expect(log.match(/Read-only file system/g)).toHaveLength(2)
    expect(log).toMatch(/CapEff:\s+0*400\nCapBnd:\s+0*400\nNoNewPrivs:\s+1/)
  })

  test('environment, arguments and volumes come from the pod, config maps and secrets', async () => {
    const meta = (name: string) => ({ name, namespace: NAMESPACE })
    await t.client.create(CONFIG_MAPS, {
      metadata: meta('settings'),
      data: { color: 'blue', 'app.yaml': 'a: 1\n' },
    } as KubeObject)
    await t.client.create(SECRETS, {
      metadata: meta('keys'),
      data: { password: Buffer.from('s3cret').toString('base64') },
    } as KubeObject)
    await t.run('configured', {
      volumes: [
        { name: 'settings', configMap: { name: 'settings' } },
        { name: 'scratch', emptyDir: {} },
      ],
      initContainers: [
        shell('echo from-init >/scratch/file', {
          name: 'init',
          volumeMounts: [{ name: 'scratch', mountPath: '/scratch' }],
        }),
      ],
      containers: [
        {
          name: 'main',
          image: 'docker.io/library/busybox:1.36',
          command: ['sh', '-c'],
          args: [
            "echo $(COLOR) $(POD) $PASSWORD '$$(COLOR)'; cat /etc/app/app.yaml /scratch/file; pwd; ls -L /etc/app",
          ],
          workingDir: '/scratch',
          env: [
            { name: 'COLOR', valueFrom: { configMapKeyRef: { name: 'settings', key: 'color' } } },
            { name: 'PASSWORD', valueFrom: { secretKeyRef: { name: 'keys', key: 'password' } } },
            { name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
          ],
          volumeMounts: [
            { name: 'settings', mountPath: '/etc/app' },
            { name: 'scratch', mountPath: '/scratch' },
          ],
        },
      ],
    })
    expect(await t.outcome('configured')).toEqual({
      phase: 'Succeeded',
      log: 'blue configured s3cret $(COLOR)\na: 1\nfrom-init\n/scratch\napp.yaml\ncolor\n',
    })
  })

  test('a container waits, with the reason, for what does not exist yet', async () => {
    await t.run('waits', {
      containers: [
        shell('echo "$LATE"', {
          env: [{ name: 'LATE', valueFrom: { configMapKeyRef: { name: 'late', key: 'k' } } }],
        }),
      ],
    })
    const pod = await t.pod('waits', ({ status }) =>
      Boolean(status?.containerStatuses?.[0]?.state?.waiting?.message),
    )
    expect(pod.status?.phase).toBe('Pending')
    expect(pod.status?.containerStatuses?.[0]?.state?.waiting).toEqual({
      reason: 'CreateContainerConfigError',
      message: 'configmap "late" not found',
    })
    await t.client.create(CONFIG_MAPS, {
      metadata: { name: 'late', namespace: NAMESPACE },
      data: { k: 'v' },
    } as KubeObject)
    expect((await t.outcome('waits')).log).toBe('v\n')
  })

  test('an image that nothing stands for is told of in status and events', async () => {
    await t.run('unknown', { containers: [{ name: 'main', image: 'ghcr.io/acme/app:1' }] })
    const pod = await t.pod(
      'unknown',
      ({ status }) => status?.containerStatuses?.[0]?.state?.waiting?.reason === 'ImagePullBackOff',
    )
    const message = pod.status?.containerStatuses?.[0]?.state?.waiting?.message
    expect(message).toStartWith('no program of this machine stands for image ghcr.io/acme/app:1')
    const events = await until(async () => {
      const list = await t.client.list<
        KubeObject & { message: string; involvedObject: { name: string } }
      >(EVENTS, { namespace: NAMESPACE })
      return list.items.filter(({ involvedObject }) => involvedObject.name === 'unknown').at(0)
    })
    expect(events.message).toContain('ghcr.io/acme/app:1')
  })

  test('a container that fails is restarted with back-off, one that is done is not', async () => {
    await t.run('fails', { restartPolicy: 'Always', containers: [shell('echo try; exit 4')] })
    const pod = await t.pod(
      'fails',
      ({ status }) =>
        (status?.containerStatuses?.[0]?.restartCount ?? 0) >= 2 &&
        status?.containerStatuses?.[0]?.state?.waiting !== undefined,
    )
    const [status] = pod.status?.containerStatuses ?? []
    expect(pod.status?.phase).toBe('Running')
    expect(status?.state?.waiting?.reason).toBe('CrashLoopBackOff')
    expect(status).toMatchObject({ lastState: { terminated: { exitCode: 4, reason: 'Error' } } })
    await t.client.delete(PODS, { namespace: NAMESPACE, name: 'fails' })
    await t.run('on-failure', {
      restartPolicy: 'OnFailure',
      volumes: [{ name: 'v', emptyDir: {} }],
      containers: [
        shell('if [ -e /v/x ]; then echo second; else touch /v/x; exit 1; fi', {
          volumeMounts: [{ name: 'v', mountPath: '/v' }],
        }),
      ],
    })
    expect(await t.outcome('on-failure')).toEqual({ phase: 'Succeeded', log: 'second\n' })
  })

  test('a failed init container fails a pod that never restarts; a native sidecar ends with it', async () => {
    const init = (script: string, more: object = {}): PodSpec['containers'][number] =>
      shell(script, { name: 'init', ...more })
    await t.run('bad-init', { initContainers: [init('exit 9')], containers: [shell('echo no')] })
    const bad = await t.pod('bad-init', ({ status }) => status?.phase === 'Failed')
    expect(bad.status?.containerStatuses?.[0]?.state?.waiting?.reason).toBe('PodInitializing')
    await t.run('sidecar', {
      initContainers: [
        init('trap "echo stopped; exit 0" TERM; echo up; while :; do sleep 0.05; done', {
          restartPolicy: 'Always',
        }),
      ],
      containers: [shell('sleep 0.3; echo main')],
    })
    expect((await t.outcome('sidecar')).phase).toBe('Succeeded')
    expect(await t.log('sidecar', 'init')).toBe('up\nstopped\n')
  })

  test('a deleted pod gets SIGTERM, then SIGKILL, and leaves no process', async () => {
    const env = [{ name: 'MARK', value: `mark-${crypto.randomUUID()}` }]
    const ignoring = 'trap "" TERM; sleep 1000 & sleep 1000 & wait; wait'
    await t.run('stubborn', { containers: [shell(ignoring, { env })] })
    await t.pod('stubborn', ({ status }) => status?.phase === 'Running')
    await until(() => processesWith(env[0]!.value).length >= 3)
    await t.client.delete(PODS, { namespace: NAMESPACE, name: 'stubborn' })
    await until(() =>
      t.client.get(PODS, { namespace: NAMESPACE, name: 'stubborn' }).then(
        () => false,
        () => true,
      ),
    )
    expect(processesWith(env[0]!.value)).toEqual([])
  })

  test('exec has the pod’s environment, its own input and the exit code', async () => {
    await t.run('exec', {
      containers: [shell('sleep 1000', { env: [{ name: 'WORD', value: 'pod' }] })],
    })
    await t.pod('exec', ({ status }) => status?.phase === 'Running')
    expect(await exec('exec', 'cat; echo "$WORD $(id -u)" >&2; exit 6', 'input')).toEqual({
      exitCode: 6,
      stdout: 'input',
      stderr: `pod ${t.node.isolation.user ?? 0}\n`,
    })
    await expect(exec('no-such-pod', 'true')).rejects.toMatchObject({ code: 'NotFound' })
  })

  test('the kubelet API gives logs and exec to whoever has the secret', async () => {
    await t.run('api', { containers: [shell('echo one; echo two; sleep 1000')] })
    await until(async () => (await t.log('api').catch(() => '')).includes('two'))
    const base = `http://127.0.0.1:${t.node.port}`
    const bearer = `Bearer ${t.cluster.kubeletSecret(NODE).reveal()}`
    const ask = (path: string, init: RequestInit = {}, authorization = bearer): Promise<Response> =>
      fetch(base + path, { ...init, headers: { authorization }, proxy: false })
    expect(await (await ask('/healthz', {}, 'none')).text()).toBe('ok')
    expect((await ask(`/containerLogs/${NAMESPACE}/api/main`, {}, 'Bearer no')).status).toBe(401)
    expect(await (await ask(`/containerLogs/${NAMESPACE}/api/main?tailLines=1`)).text()).toBe(
      'two\n',
    )
    expect((await ask(`/containerLogs/${NAMESPACE}/none/main`)).status).toBe(404)
    expect((await ask(`/containerLogs/${NAMESPACE}/api/main?tailLines=-1`)).status).toBe(400)
    const query = new URLSearchParams([
      ['command', 'sh'],
      ['command', '-c'],
      ['command', 'cat; echo err >&2; exit 3'],
    ])
    const answer = await ask(`/exec/${NAMESPACE}/api/main?${query.toString()}`, {
      method: 'POST',
      body: 'in',
    })
    const seen: [number, string][] = []
    for await (const { channel, data } of decodeFrames(answer.body!)) {
      seen.push([
        channel,
        channel === 3 ? String(readExitCode(data)) : Buffer.from(data).toString(),
      ])
    }
    expect(seen.sort(([a], [b]) => a - b)).toEqual([
      [1, 'in'],
      [2, 'err\n'],
      [3, '3'],
    ])
  })

  test('a hostPath is of the node, not of the machine, and links lead nowhere', async () => {
    mkdirSync(join(t.node.hostRoot, 'etc'), { recursive: true })
    writeFileSync(join(t.node.hostRoot, 'etc', 'hostname'), 'the node\n')
    const host = (path: string): Volume => ({ name: 'host', hostPath: { path } })
    const volumeMounts = [{ name: 'host', mountPath: '/host' }]
    await t.run('host', {
      volumes: [host('/etc')],
      containers: [shell('cat /host/hostname', { volumeMounts })],
    })
    expect((await t.outcome('host')).log).toBe('the node\n')
    Bun.spawnSync(['ln', '-s', '/etc', join(t.node.hostRoot, 'link')])
    await t.run('link', {
      volumes: [host('/link')],
      containers: [shell('ls /host', { volumeMounts })],
    })
    const found = await until(async () => {
      const { items } = await t.client.list<KubeObject & { message: string; reason: string }>(
        EVENTS,
        {
          namespace: NAMESPACE,
        },
      )
      return items.find(({ reason }) => reason === 'FailedMount')
    })
    expect(found.message).toContain('leads out of it')
  })
})

import { describe, expect, test } from 'bun:test'
import { silentLog } from '../lib/log.ts'
import {
  allowedHostsOf,
  createAgentLink,
  hostOfHeader,
  listenOnEach,
  normalizeAddress,
  type RunCommand,
  runCommand,
} from './addresses.ts'

describe('hosts', () => {
  test('addresses have one form', () => {
    expect(normalizeAddress('[FD00:EC2:0::23]')).toBe('fd00:ec2::23')
    expect(normalizeAddress('169.254.170.23')).toBe('169.254.170.23')
    for (const name of ['localhost', '', '169.254.170.023', 'fe80::1%eth0', '1.2.3', '[::1']) {
      expect(normalizeAddress(name)).toBeUndefined()
    }
  })

  test('the Host header loses its port and nothing else', () => {
    expect(hostOfHeader('127.0.0.1:8080')).toBe('127.0.0.1')
    expect(hostOfHeader('[::1]:8080')).toBe('::1')
    expect(hostOfHeader('LocalHost')).toBe('localhost')
    for (const bad of ['', 'a b', '127.0.0.1:x', 'a@127.0.0.1', '127.0.0.1/', '[::1', '::1']) {
      expect(hostOfHeader(bad)).toBeUndefined()
    }
  })

  test('localhost is a name of loopback alone', () => {
    expect(allowedHostsOf(['127.0.0.1']).has('localhost')).toBe(true)
    expect(allowedHostsOf(['169.254.170.23']).has('localhost')).toBe(false)
  })
})

describe('listening', () => {
  const failing = (codes: Record<string, string>) => (host: string) => {
    const code = codes[host]
    if (code === undefined) return host
    throw Object.assign(new Error(`listen ${code}`), { code })
  }

  test('one family that fails does not stop the other', () => {
    const { listening, failed } = listenOnEach(
      ['169.254.170.23', 'fd00:ec2::23'],
      failing({ 'fd00:ec2::23': 'EADDRNOTAVAIL' }),
      silentLog,
    )
    expect(listening).toEqual(['169.254.170.23'])
    expect(failed).toMatchObject([{ host: 'fd00:ec2::23' }])
    expect(failed[0]?.message).toContain('not on this node')
  })

  test('none at all is a fault that names each', () => {
    const listen = failing({ a: 'EACCES', b: 'EADDRINUSE' })
    expect(() => listenOnEach(['a', 'b'], listen, silentLog)).toThrow(
      /a: .*NET_BIND_SERVICE.*; b: .*something else listens/,
    )
  })
})

describe('agent init', () => {
  /** A node that answers `ip` commands: a pattern → exit code and output. */
  function node(answers: readonly [RegExp, number, string][]): {
    run: RunCommand
    commands: string[]
  } {
    const commands: string[] = []
    const run: RunCommand = (command) => {
      const text = command.join(' ')
      commands.push(text)
      const [, exitCode = 0, output = ''] = answers.find(([pattern]) => pattern.test(text)) ?? []
      return Promise.resolve({ exitCode, stdout: output, stderr: output })
    }
    return { run, commands }
  }

  test('makes the link, both addresses and their routes', async () => {
    const { run, commands } = node([[/link show/, 1, 'does not exist']])
    await createAgentLink({ run, log: silentLog })
    expect(commands).toEqual([
      'ip link show dev pod-id-link0',
      'ip link add pod-id-link0 type dummy',
      'ip link set dev pod-id-link0 up',
      'ip -4 addr replace 169.254.170.23/32 dev pod-id-link0',
      'ip -o -4 route show exact 169.254.170.23/32',
      'ip -4 route replace 169.254.170.23/32 dev pod-id-link0',
      'ip -6 addr replace fd00:ec2::23/128 dev pod-id-link0 nodad',
      'ip -o -6 route show exact fd00:ec2::23/128',
      'ip -6 route replace fd00:ec2::23/128 dev pod-id-link0',
    ])
  })

  test('makes no link where it is there', async () => {
    const { run, commands } = node([])
    await createAgentLink({ run, log: silentLog, link: 'lo' })
    expect(commands.some((command) => command.includes('link add'))).toBe(false)
    expect(commands).toContain('ip -4 addr replace 169.254.170.23/32 dev lo')
  })

  test('goes on without IPv6', async () => {
    const { run } = node([[/-6 addr/, 2, 'RTNETLINK answers: Permission denied']])
    await createAgentLink({ run, log: silentLog })
  })

  test('says what to do where dummy links are missing', async () => {
    const { run } = node([
      [/link show/, 1, ''],
      [/link add/, 2, 'Error: Unknown device type.'],
    ])
    const thrown = await createAgentLink({ run, log: silentLog }).catch((error: unknown) => error)
    expect(thrown).toMatchObject({ code: 'CannotMakeLink' })
    expect(Reflect.get(thrown as object, 'message')).toContain('Unknown device type')
    expect(Reflect.get(thrown as object, 'hint')).toContain('modprobe dummy')
  })

  test('does not take a route from another link', async () => {
    const { run } = node([[/-4 route show/, 0, '169.254.170.23 dev eth1 scope link']])
    expect(createAgentLink({ run, log: silentLog })).rejects.toThrow(/goes over eth1/)
  })

  test('a program that is missing is exit code 127', async () => {
    expect(await runCommand(['/does/not/exist'])).toMatchObject({ exitCode: 127 })
    expect(await runCommand(['sh', '-c', 'echo out; echo err >&2; exit 3'])).toEqual({
      exitCode: 3,
      stdout: 'out\n',
      stderr: 'err\n',
    })
  })
})

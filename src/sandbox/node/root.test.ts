import { describe, expect, test } from 'bun:test'
import { type HostTree, planRoot, quote, resolveTarget } from './root.ts'

/** A machine with `/etc`, `/usr`, `/var` and links as Debian has them. */
const machine: Readonly<Record<string, 'folder' | 'file' | `-> ${string}`>> = {
  '/etc': 'folder',
  '/etc/passwd': 'file',
  '/etc/ssl': 'folder',
  '/etc/mtab': '-> ../proc/self/mounts',
  '/usr': 'folder',
  '/bin': '-> usr/bin',
  '/var': 'folder',
  '/var/run': '-> /run',
  '/var/tmp': 'folder',
  '/run': 'folder',
  '/tmp': 'folder',
  '/dev/null': 'file',
  '/loop': '-> /loop',
  "/it's": 'folder',
}

const tree: HostTree = {
  kindOf: (path) => {
    const entry = machine[path]
    return entry?.startsWith('-> ') === true ? 'link' : (entry as 'folder' | undefined)
  },
  linkOf: (path) => machine[path]?.slice(3) ?? '',
  namesIn: (path) => {
    const prefix = path === '/' ? '/' : `${path}/`
    const inside = Object.keys(machine).filter((one) => one.startsWith(prefix))
    return inside.map((one) => one.slice(prefix.length)).filter((one) => !one.includes('/'))
  },
}

const plan = (targets: readonly string[], more = {}): readonly string[] =>
  planRoot(
    {
      newRoot: '/new',
      binds: targets.map((target) => ({ source: '/pod/v', target, readOnly: true, isFile: false })),
      folders: [],
      hidden: [],
      ...more,
    },
    tree,
  )

describe('a mount path', () => {
  test.each([
    ['/var/run/secrets/x', '/run/secrets/x'],
    ['/etc/mtab', '/proc/self/mounts'],
    ['/bin/x', '/usr/bin/x'],
    ['/a/../etc//app/', '/etc/app'],
    ['/tmp/x', '/tmp/x'],
  ])('%s is really %s', (path, real) => {
    expect(resolveTarget(path, tree)).toBe(real)
  })

  test.each(['/', '/proc', '/etc/mtab', '/dev', '/loop/x', '/etc/passwd/x'])(
    '%s cannot be',
    (path) => {
      expect(() => plan([path])).toThrow(expect.objectContaining({ code: 'CreateContainerError' }))
    },
  )
})

describe('the plan of a root', () => {
  test('holds the machine read-only, and its own /tmp, /run, /dev and /proc', () => {
    const lines = plan([])
    expect(lines).toContain('mount -o rbind,ro /etc /new/etc')
    expect(lines).toContain('ln -s usr/bin /new/bin')
    expect(lines.join('\n')).not.toMatch(/mount -o rbind,ro \/(?:run|tmp|proc|dev) /)
    expect(lines.filter((line) => line.includes('tmpfs'))).toHaveLength(5)
    expect(lines.slice(-4)).toEqual(['cd /new', 'pivot_root . .', 'umount -l .', 'cd /'])
  })

  test('needs no more for a mount path under the container’s own folders or the root', () => {
    const more = plan(['/var/run/secrets/x', '/data/deep']).filter(
      (line) => !plan([]).includes(line),
    )
    expect(more).toEqual([
      'mkdir -p /new/data/deep',
      'mount -o bind,ro /pod/v /new/data/deep',
      'mkdir -p /new/run/secrets/x',
      'mount -o bind,ro /pod/v /new/run/secrets/x',
    ])
  })

  test('rebuilds a folder of the machine for a mount path that it lacks, once', () => {
    const more = plan(['/etc/app', '/etc/other/x']).filter((line) => !plan([]).includes(line))
    expect(more.slice(0, 6)).toEqual([
      'mount -t tmpfs -o mode=755,nosuid,nodev tmpfs /new/etc',
      ': >/new/etc/passwd',
      'mount -o bind,ro /etc/passwd /new/etc/passwd',
      'mkdir -p /new/etc/ssl',
      'mount -o rbind,ro /etc/ssl /new/etc/ssl',
      'ln -s ../proc/self/mounts /new/etc/mtab',
    ])
    expect(more.filter((line) => line.includes('tmpfs'))).toHaveLength(1)
  })

  test('mounts outer paths before inner ones', () => {
    const mounts = plan(['/data/in', '/data']).filter((line) => line.includes('/pod/v'))
    expect(mounts).toEqual([
      'mount -o bind,ro /pod/v /new/data',
      'mount -o bind,ro /pod/v /new/data/in',
    ])
  })

  test('hides folders, and keeps others visible under /tmp', () => {
    const lines = plan([], {
      folders: ['/tmp/checkout', '/usr/x'],
      hidden: ['/etc/ssl', '/tmp/y', '/no'],
    })
    const more = lines.filter((line) => !plan([]).includes(line))
    expect(more).toEqual([
      'mkdir -p /new/tmp/checkout',
      'mount -o rbind,ro /tmp/checkout /new/tmp/checkout',
      'mount -t tmpfs -o size=4k,mode=755 tmpfs /new/etc/ssl',
    ])
  })

  test('quotes what a shell would read', () => {
    expect(plan([])).toContain(`mount -o rbind,ro '/it'\\''s' '/new/it'\\''s'`)
    const word = `a'b"c$(d)\n;`
    expect(Bun.spawnSync(['sh', '-c', `printf %s ${quote(word)}`]).stdout.toString()).toBe(word)
  })
})

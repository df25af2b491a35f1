/** The words that start a container or an exec, for each kind of isolation. Pure. */

/** How this node keeps its pods apart; found once, when it starts. */
export interface Isolation {
  readonly network: 'namespace' | 'loopback'
  readonly mounts: 'namespace' | 'mapped'
  /** The uid that containers run as unless they ask otherwise; undefined is the node's own. */
  readonly user: number | undefined
  /** Namespaces are made inside a user namespace, without root's rights. */
  readonly userNamespace: boolean
  readonly why?: string
}

/** Who a container runs as; undefined is the node's own user. */
export interface RunAs {
  readonly uid: number
  readonly gid: number
  readonly groups: readonly number[]
}

/** Where a container's standard input comes from: nowhere, a pipe, or a terminal of its own. */
export type ContainerInput = 'none' | 'pipe' | 'terminal'

export interface Launch {
  readonly input: ContainerInput
  readonly words: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly workingDir: string
  readonly user: RunAs | undefined
  /** Linux capabilities in lower case, without `cap_`. */
  readonly capabilities: readonly string[]
}

/** What is handed to the system's spawn. */
export interface Invocation {
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly input: ContainerInput
}

/** Where the tools that make a container are found; a pod's PATH is set behind them. */
export const TOOL_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** These would change what the tools do that make the container: they reach the container alone. */
const HELD_BACK =
  /^(?:PATH|IFS|ENV|PWD|OLDPWD|OPTIND|PPID|PS[124]|SHELLOPTS|BASHOPTS|BASH_.*|LD_.*|GLIBC_TUNABLES|MALLOC_.*|GCONV_PATH|LOCPATH|NLSPATH|LIBMOUNT_.*|POSIXLY_CORRECT|LC_ALL|LANG)$/

/**
 * PID 1 of a container: a shell that passes SIGTERM on and answers with the command's exit code,
 * since a program that knows nothing of being PID 1 would not be stopped by SIGTERM. The command's
 * input is descriptor 5.
 */
function initOf(input: ContainerInput, closed = ''): string[] {
  const from = input === 'none' ? '</dev/null' : '<&5 5<&-'
  return [
    'c= stop=',
    `trap 'stop=1; [ -z "$c" ] || kill -TERM "$c" 2>/dev/null || :' TERM`,
    // Ctrl-C is for the command, to which `env` gives it back.
    ...(input === 'terminal' ? ['exec 5<&0', `trap '' INT QUIT`] : []),
    `printf 'ready %s\\n' "$pid" >&3`,
    'exec 3>&-',
    'cd -- "$1" || exit 128',
    'shift',
    `"$@" ${from}${closed} & c=$!`,
    ...(input === 'none' ? [] : ['exec 5<&-']),
    // The shell's own remarks ("Terminated") do not belong in the container's log.
    'exec 2>/dev/null',
    '[ -z "$stop" ] || kill -TERM "$c"',
    'while :; do code=0; wait "$c" || code=$?; kill -0 "$c" 2>/dev/null || break; done',
    'exit "$code"',
  ]
}

/**
 * The same without a PID namespace: a pipe of the node, at whose end the whole process group is
 * killed, is its standard input, or descriptor 4 where that is a terminal.
 */
const groupLeaderOf = (input: ContainerInput): string[] => [
  'pid=$$',
  ...(input === 'terminal' ? [] : ['exec 4<&0 </dev/null']),
  // Monitoring is off, so the background jobs stay in this shell's own process group.
  `( trap "" TERM${input === 'terminal' ? ' INT QUIT' : ''}; exec 3>&- 5<&-; read -r line <&4 || :; kill -KILL 0 ) &`,
  ...initOf(input, ' 4<&-'),
]

/** A container in namespaces of its own, below the node's network namespace. */
export function launchInNamespace(
  isolation: Isolation,
  launch: Launch,
  at: { readonly holder: number | undefined; readonly scriptFile: string },
): Invocation {
  const makesUser = isolation.userNamespace && at.holder === undefined
  return invoke(launch, [
    ...enterNetwork(isolation, at.holder),
    'setpriv',
    '--pdeathsig',
    'KILL',
    '--',
    'unshare',
    ...(makesUser ? ['--user', '--map-root-user'] : []),
    '--mount',
    '--propagation',
    'private',
    '--ipc',
    '--pid',
    '--fork',
    '--kill-child',
    '--',
    'sh',
    at.scriptFile,
    launch.workingDir,
    ...dropRights(isolation, launch),
  ])
}

/** The text of `scriptFile`: it makes the container's root, then is its PID 1. */
export function containerScript(rootScript: readonly string[], input: ContainerInput): string {
  // `/proc` is still the host's here: the number is the one that the host knows.
  const lines = ['set -eu', 'read -r pid rest </proc/self/stat', ...rootScript, ...initOf(input)]
  return `${lines.join('\n')}\n`
}

/** A container that sees the machine's own files, in a process group of its own. */
export function launchMapped(
  isolation: Isolation,
  launch: Launch,
  at: { readonly holder: number | undefined; readonly hasSetpriv: boolean },
): Invocation {
  const script = ['set -eu', ...groupLeaderOf(launch.input)]
  return invoke(launch, [
    ...enterNetwork(isolation, at.holder),
    'sh',
    '-c',
    script.join('\n'),
    'podrole-node',
    launch.workingDir,
    ...(at.hasSetpriv ? dropRights(isolation, launch) : finalWords(launch)),
  ])
}

/** A command beside a container that runs: in its namespaces, or mapped as it is. */
export function launchExec(
  isolation: Isolation,
  launch: Launch,
  at: {
    readonly holder: number | undefined
    /** PID 1 of the container as the host numbers it. */
    readonly target: number
    readonly hasSetpriv: boolean
  },
): Invocation {
  const enter =
    isolation.mounts === 'mapped'
      ? enterNetwork(isolation, at.holder)
      : [
          'nsenter',
          '--target',
          String(at.target),
          '--mount',
          '--pid',
          '--ipc',
          ...(isolation.network === 'namespace' ? ['--net'] : []),
          ...(isolation.userNamespace ? ['--user', '--preserve-credentials'] : []),
          '--',
          'setpriv',
          '--pdeathsig',
          'KILL',
          '--',
        ]
  return invoke(launch, [
    ...enter,
    'sh',
    '-c',
    'cd -- "$1" || exit 128; shift; exec "$@"',
    'podrole-node',
    launch.workingDir,
    ...(at.hasSetpriv ? dropRights(isolation, launch, true) : finalWords(launch)),
  ])
}

function enterNetwork(isolation: Isolation, holder: number | undefined): string[] {
  if (holder === undefined) return []
  return [
    'nsenter',
    '--target',
    String(holder),
    '--net',
    ...(isolation.userNamespace ? ['--user', '--preserve-credentials'] : []),
    '--',
  ]
}

function dropRights(isolation: Isolation, launch: Launch, dies = false): string[] {
  const { user, capabilities } = launch
  const set = ['-all', ...capabilities.map((name) => `+${name}`)].join(',')
  // In `mapped` mode without root there are no rights to drop, and setting them would fail.
  const hasRights = user !== undefined || isolation.mounts === 'namespace'
  return [
    'setpriv',
    '--no-new-privs',
    ...(dies ? ['--pdeathsig', 'KILL'] : []),
    ...(user === undefined
      ? []
      : [`--reuid=${user.uid}`, `--regid=${user.gid}`, ...groupsOf(user.groups)]),
    ...(hasRights ? [`--inh-caps=${set}`, `--ambient-caps=${set}`, `--bounding-set=${set}`] : []),
    '--',
    ...finalWords(launch),
  ]
}

const groupsOf = (groups: readonly number[]): string[] =>
  groups.length === 0 ? ['--clear-groups'] : [`--groups=${groups.join(',')}`]

function finalWords(launch: Launch): string[] {
  const held = Object.entries(launch.environment).filter(([name]) => isHeldBack(name))
  const unset = held.some(([name]) => name === 'OLDPWD') ? [] : ['-u', 'OLDPWD']
  const heard = launch.input === 'terminal' ? ['--default-signal=INT,QUIT'] : []
  return [
    'env',
    ...heard,
    ...unset,
    ...held.map(([name, value]) => `${name}=${value}`),
    ...launch.words,
  ]
}

function invoke(launch: Launch, argv: readonly string[]): Invocation {
  const env: Record<string, string> = { PATH: TOOL_PATH }
  for (const [name, value] of Object.entries(launch.environment)) {
    if (!isHeldBack(name)) env[name] = value
  }
  return { argv, env, input: launch.input }
}

/** A shell drops a variable that it could not have named itself. */
const isHeldBack = (name: string): boolean =>
  HELD_BACK.test(name) || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)

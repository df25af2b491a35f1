import { expect, test } from 'bun:test'
import { readdirSync } from 'node:fs'
import { TOOL_PATH } from './launch.ts'
import { until } from './node.suite.ts'
import { startContainerProcess } from './process.ts'

test.each(['none', 'pipe', 'terminal'] as const)(
  'a process with input %s leaves no descriptor open, well or badly begun',
  async (input) => {
    const count = (): number => readdirSync('/proc/self/fd').length
    const run = async (script: string): Promise<readonly unknown[]> => {
      const env = { PATH: TOOL_PATH }
      const started = startContainerProcess(
        { argv: ['sh', '-c', script], env, input },
        () => undefined,
      )
      const ready = await started.ready.then(
        () => 'ready',
        (error: unknown) => String(error),
      )
      return [ready, await started.exited]
    }
    const good = 'echo "ready $$" >&3; exec 3>&-; exit 3'
    // What the runtime opens once is open then.
    await run(good)
    const before = count()
    for (let times = 0; times < 5; times += 1) {
      expect(await run(good)).toEqual(['ready', 3])
      expect(await run('echo no such thing; exit 5')).toEqual([
        expect.stringContaining('the container could not be made: no such thing'),
        5,
      ])
    }
    await until(() => count() <= before)
  },
)

/** `podrole doctor`. */
import { type Diagnosis, diagnose } from '../doctor/checks/diagnose.ts'
import { gatherDoctor } from '../doctor/facts/gather-doctor.ts'
import type { DoctorFlags } from './commands/doctor.ts'
import type { FailOn } from './options.ts'
import { printData } from './output.ts'
import { openDoctorPlaces } from './parts/doctor-places.ts'

/** Prints what is found; the exit code is 1 where it is as bad as `--fail-on` says. */
export async function runDoctor(flags: DoctorFlags): Promise<number> {
  const places = await openDoctorPlaces(flags, () => undefined)
  const diagnosis = diagnose(await gatherDoctor(places))
  if (flags.output === 'table') process.stdout.write(describe(diagnosis))
  else printData(flags.output, diagnosis, { columns: [], rows: [] })
  return exitCodeOf(diagnosis, flags.failOn)
}

function exitCodeOf({ findings }: Diagnosis, failOn: FailOn): number {
  if (failOn === 'never') return 0
  return findings.some(({ severity }) => severity === 'error' || failOn === 'warning') ? 1 : 0
}

function describe({ findings, notLookedAt }: Diagnosis): string {
  const told = findings.map(
    ({ fix, id, severity, subject, what, why }) =>
      `${severity} ${id}: ${subject}\n  ${what}\n  why it matters: ${why}\n  fix: ${fix}\n`,
  )
  const unread = [...Map.groupBy(notLookedAt, ({ why }) => why)].map(
    ([why, those]) => `  ${why}:\n${those.map(({ what }) => `    ${what}\n`).join('')}`,
  )
  const errors = findings.filter(({ severity }) => severity === 'error').length
  return [
    ...told.map((text) => `${text}\n`),
    ...(unread.length === 0 ? [] : ['Not looked at:\n', ...unread, '\n']),
    `${errors} error(s), ${findings.length - errors} warning(s)`,
    notLookedAt.length === 0 ? '\n' : `, ${notLookedAt.length} thing(s) not looked at\n`,
  ].join('')
}

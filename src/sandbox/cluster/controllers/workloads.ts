import { cronJobs } from './cron-jobs.ts'
import { daemonSets } from './daemon-sets.ts'
import { disruptionBudgets } from './disruption-budgets.ts'
import { endpoints } from './endpoints.ts'
import { jobs } from './jobs.ts'
import { priorityClasses } from './priority-classes.ts'
import { statefulSets } from './stateful-sets.ts'
import { volumes } from './volumes.ts'
import type { Controller } from './work-queue.ts'

/** The controllers of workloads besides deployments and replica sets: a new one is a new row. */
export const WORKLOAD_CONTROLLERS: readonly Controller[] = [
  statefulSets,
  daemonSets,
  jobs,
  cronJobs,
  disruptionBudgets,
  endpoints,
  priorityClasses,
  volumes,
]

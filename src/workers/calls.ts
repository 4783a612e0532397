import type { Registry } from 'prom-client'
import type { HealthReport, Phase } from '../http/health.ts'
import type { Count } from '../redis/point-counter.ts'

/*
 * WORKERS above 1: a primary process, which listens for all and starts, watches and replaces the workers, each of which is a whole
 * gateway. They share nothing but what instances share, and this: the calls that go between the primary and each worker.
 */

/** Every metric of one process, as its registry gives it. */
export type MetricsSnapshot = Awaited<ReturnType<Registry['getMetricsAsJSON']>>

/** A worker serves. */
export interface Started {
  readonly url: string
  readonly developmentToken: string | undefined
}

/** What the whole instance is, and what a worker has to know to be a part of it. */
export interface Instance {
  readonly phase: Phase
  /** Somebody spreads requests by the readiness of this instance, and has not been told yet that it takes no more. */
  readonly awaited: boolean
  /** It is there, and migrated. */
  readonly databaseUrl: string | undefined
}

/** What a worker does when its primary says so. */
export interface WorkerCalls {
  /** Nobody waits for an answer. */
  enter(instance: Instance): void
  readMetrics(): Promise<MetricsSnapshot>
  /** Undefined while it has none. */
  readReport(path: string): Promise<HealthReport | undefined>
}

/** What the primary does when a worker says so. */
export interface PrimaryCalls {
  /** The first word of each. `replaces`: the instance serves already. */
  join(): Instance & { replaces: boolean }
  ready(started: Started): void
  /** It cannot start, and this is what somebody at a terminal needs to know. */
  fail(sentence: string): void
  beat(): void
  answeredReadiness(address: string, ready: boolean): void
  /** Of all workers together, as Prometheus reads them. */
  readMetrics(): Promise<string>
  /** Of all workers together. */
  readReport(path: string): Promise<HealthReport>
  addPoints(counter: string, windowMs: number, key: string, points: number): Promise<Count>
}

/** A worker says so often that it is at work. */
export const BEAT_MS = 1000
/** A call that takes longer is given up. Reports are answered within 4 s. */
export const CALL_MS = 3000
/** What one worker may take of that. */
export const GATHER_MS = 2000

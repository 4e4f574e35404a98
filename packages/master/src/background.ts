import {
  continueAccounting,
  planEmptySustained,
  planEmptyTrash,
  planFreeInodes,
  planQuotaCheck,
  SUSTAINED_BUCKETS,
  TRASH_BUCKETS,
} from '@alces/metadata';
import type { Cancel } from '@alces/runtime';
import type { Core } from './core.ts';
import type { Locks } from './locks/locks.ts';
import { removeExpiredSessions } from './sessions/openFiles.ts';

/** How often it is looked whether a new second has begun. */
const TICK_MS = 100;
/** Rows whose accounting is carried on per tick after a storage class was redefined. */
const ACCOUNTED_ROWS = 20_000;

const HOUR_SECONDS = 3600;
const STATISTICS_FILE_OFFSET_SECONDS = 30;

/** What happens at certain times besides changes of the metadata. */
export interface TimedWork {
  /** A minute of the wall clock has ended. */
  minute(): void;
  /** A full hour of unix time: the changelog is rotated and the image saved. `hours` is the number of the hour. */
  hour(hours: number): void;
  /** Half a minute after each full hour. */
  saveStatistics(): void;
  /** Answers that the work of this tick produced may leave. */
  flush(): void;
}

/** The producers of changelog entries that nobody asked for (spec 51 §11), and the other work that the clock demands. */
export class BackgroundWork {
  readonly #core: Core;
  readonly #locks: Locks;
  readonly #work: TimedWork;
  readonly #cancel: Cancel;
  #lastSecond: number;
  #trashBucket = 0;
  #sustainedBucket = 0;

  constructor(core: Core, locks: Locks, work: TimedWork) {
    this.#core = core;
    this.#locks = locks;
    this.#work = work;
    this.#lastSecond = core.clock.unixSeconds();
    this.#cancel = core.clock.interval(TICK_MS, () => this.#tick());
  }

  stop(): void {
    this.#cancel();
  }

  #tick(): void {
    const { state, clock } = this.#core;
    if (state.accounting.active) continueAccounting(state, ACCOUNTED_ROWS);
    const now = clock.unixSeconds();
    const before = this.#lastSecond;
    if (now === before) return;
    this.#lastSecond = now;
    this.#second(now);
    const passed = (period: number, offset = 0) =>
      Math.floor((now - offset) / period) > Math.floor((before - offset) / period);
    if (passed(10)) removeExpiredSessions(this.#core, this.#locks, now);
    if (passed(60)) this.#minute(now);
    if (passed(HOUR_SECONDS)) this.#hour(now);
    if (passed(HOUR_SECONDS, STATISTICS_FILE_OFFSET_SECONDS)) this.#work.saveStatistics();
    this.#work.flush();
  }

  #second(now: number): void {
    const { state } = this.#core;
    const trash = planEmptyTrash(state, now, this.#trashBucket);
    if (trash) this.#core.commit(trash, now);
    this.#trashBucket = (this.#trashBucket + 1) % TRASH_BUCKETS;
    const sustained = planEmptySustained(state, this.#sustainedBucket);
    if (sustained) this.#core.commit(sustained, now);
    this.#sustainedBucket = (this.#sustainedBucket + 1) % SUSTAINED_BUCKETS;
    for (const quota of planQuotaCheck(state, now)) this.#core.commit(quota, now);
  }

  #minute(now: number): void {
    const freed = planFreeInodes(this.#core.state, now, this.#core.config.inodeReuseDelaySeconds);
    if (freed) this.#core.commit(freed, now);
    this.#work.minute();
  }

  #hour(now: number): void {
    for (const session of this.#core.state.sessions.values()) {
      session.lastHourStats.set(session.currentStats);
      session.currentStats.fill(0);
    }
    this.#work.hour(Math.floor(now / HOUR_SECONDS));
  }
}

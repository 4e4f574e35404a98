import type { Clock, Environment } from '@alces/runtime';
import { SimDisk } from './disk.ts';
import type { SimNetwork } from './network.ts';
import type { SeededRandom } from './random.ts';
import type { Scheduler } from './scheduler.ts';

/** How a host goes down: a killed process (the kernel closes its connections, nothing on disk is lost), or lost power. */
export type CrashKind = 'kill' | 'power';

/**
 * A simulated machine. Code started on it gets `environment()`; after a crash that environment is dead (its timers, connections and disk
 * operations never call back) and a new one belongs to the next life.
 */
export class Host {
  readonly name: string;
  readonly address: string;
  readonly disk: SimDisk;
  readonly random: SeededRandom;
  readonly #scheduler: Scheduler;
  readonly #network: SimNetwork;
  #life = 0;
  #up = true;
  #paused = false;
  #postponed: (() => void)[] = [];
  #wallOffsetMs: number;

  constructor(name: string, address: string, scheduler: Scheduler, network: SimNetwork, random: SeededRandom) {
    this.name = name;
    this.address = address;
    this.#scheduler = scheduler;
    this.#network = network;
    this.random = random;
    this.#wallOffsetMs = 1_700_000_000_000 + random.between(-500, 500);
    this.disk = new SimDisk(this, scheduler, random.fork());
    network.addHost(this);
  }

  get up(): boolean {
    return this.#up;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** Runs `action` unless this life of the host is over by then; while the host is paused, keeps it until it goes on. */
  guard(action: () => void): () => void {
    const life = this.#life;
    const guarded = () => {
      if (life !== this.#life) return;
      if (this.#paused) this.#postponed.push(guarded);
      else action();
    };
    return guarded;
  }

  environment(): Environment {
    return { clock: this.#clock(), random: this.random, net: this.#network.netOf(this), disk: this.disk };
  }

  #clock(): Clock {
    const scheduler = this.#scheduler;
    const wallMs = () => scheduler.nowMs + this.#wallOffsetMs;
    return {
      wallMs,
      monotonicMs: () => scheduler.nowMs,
      unixSeconds: () => Math.floor(wallMs() / 1000),
      timeout: (delayMs, run) => {
        let cancelled = false;
        scheduler.after(
          delayMs,
          this.guard(() => {
            if (!cancelled) run();
          }),
        );
        return () => {
          cancelled = true;
        };
      },
      interval: (periodMs, run) => {
        let cancelled = false;
        const tick = this.guard(() => {
          if (cancelled) return;
          scheduler.after(periodMs, tick);
          run();
        });
        scheduler.after(periodMs, tick);
        return () => {
          cancelled = true;
        };
      },
    };
  }

  /** Sets the wall clock forward or back. */
  jumpClock(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  crash(kind: CrashKind): void {
    if (!this.#up) return;
    this.#up = false;
    this.#life++;
    this.#paused = false;
    this.#postponed = [];
    this.#network.hostCrashed(this, kind);
    this.disk.crash(kind);
  }

  /** The machine is on again; whoever simulates starts the programs anew with a new `environment()`. */
  restart(): void {
    this.#up = true;
  }

  /** SIGSTOP: nothing runs, connections stay open. */
  pause(): void {
    if (this.#up) this.#paused = true;
  }

  /** SIGCONT: everything that would have happened meanwhile happens now, in order. */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    const postponed = this.#postponed;
    this.#postponed = [];
    for (const action of postponed) this.#scheduler.after(0, action);
  }
}

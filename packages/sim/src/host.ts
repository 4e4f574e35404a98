import type { Clock, Disk, Environment } from '@alces/runtime';
import { replaceThrough, SimDisk } from './disk.ts';
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

  /** What a program started now gets. When this life of the host is over nothing in it does anything any more, whoever still holds it. */
  environment(): Environment {
    const life = this.#life;
    const alive = () => life === this.#life;
    return {
      clock: this.#clock(alive),
      random: this.random,
      net: whileAlive(this.#network.netOf(this), alive),
      disk: diskWhileAlive(this.disk, alive),
    };
  }

  #clock(alive: () => boolean): Clock {
    const scheduler = this.#scheduler;
    const wallMs = () => scheduler.nowMs + this.#wallOffsetMs;
    return {
      wallMs,
      monotonicMs: () => scheduler.nowMs,
      unixSeconds: () => Math.floor(wallMs() / 1000),
      timeout: (delayMs, run) => {
        let cancelled = !alive();
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
        let cancelled = !alive();
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

/** An object whose methods, all asynchronous, never settle once the host is dead. */
function whileAlive<T extends object>(target: T, alive: () => boolean): T {
  return new Proxy(target, {
    get(object, key) {
      const value: unknown = Reflect.get(object, key, object);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => (alive() ? value.apply(object, args) : new Promise(() => undefined));
    },
  });
}

/** The same for a disk and the files opened on it. */
function diskWhileAlive(disk: SimDisk, alive: () => boolean): Disk {
  const guarded: Disk = whileAlive<Disk>(disk, alive);
  const open: Disk['open'] = async (path, mode) => whileAlive(await guarded.open(path, mode), alive);
  const opening = new Proxy(guarded, { get: (object, key) => (key === 'open' ? open : Reflect.get(object, key)) });
  const replaceFile: Disk['replaceFile'] = (path, data) => replaceThrough(opening, path, data);
  return new Proxy(opening, {
    get: (object, key) => (key === 'replaceFile' ? replaceFile : Reflect.get(object, key)),
  });
}

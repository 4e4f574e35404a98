import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Cancel, Clock } from '@alces/runtime';

export interface GuardianOptions {
  /** The file that keepalived tracks. */
  trackFile: string;
  /** A node that is silent for that long counts as hung. */
  hangMs: number;
  /** Taken off this host when the node dies or hangs: where the node itself manages the VIP. */
  vip?: { address: string; interfaceName: string };
  clock: Clock;
  /** Asked many times a second: what to add to this node's priority. */
  weight(): number;
  report(level: 'info' | 'warn' | 'error', text: string): void;
}

export interface Guardian {
  /** Tells the guardian at once, instead of within a heartbeat. */
  update(): void;
  /** Ends the guardian; it leaves the node marked as unfit. */
  close(): Promise<void>;
}

const BEATS_PER_HANG = 8;
const RESTART_MS = 1000;

/**
 * Starts the process that watches this one: keepalived learns of a death within milliseconds and of a hang after `hangMs`, without running
 * a check many times a second.
 */
export function startGuardian(options: GuardianOptions): Guardian {
  return new ParentSide(options);
}

class ParentSide implements Guardian {
  readonly #options: GuardianOptions;
  readonly #cancelBeat: Cancel;
  #child: ChildProcess | undefined;
  #cancelRestart: Cancel | undefined;
  #closed = false;

  constructor(options: GuardianOptions) {
    this.#options = options;
    this.#start();
    this.#cancelBeat = options.clock.interval(options.hangMs / BEATS_PER_HANG, () => this.update());
  }

  #start(): void {
    const { trackFile, hangMs, vip, report, clock } = this.#options;
    const program = join(import.meta.dirname, 'guardianProcess.ts');
    const args = [program, trackFile, String(hangMs), ...(vip ? [vip.address, vip.interfaceName] : [])];
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'ignore', 'ignore'], detached: true, cwd: '/' });
    this.#child = child;
    child.stdin?.on('error', () => {});
    child.on('error', (error) => report('error', `can't start the guardian: ${error.message}`));
    child.on('close', () => {
      if (this.#closed) return;
      this.#child = undefined;
      report('warn', 'the guardian process ended; starting another');
      this.#cancelRestart = clock.timeout(RESTART_MS, () => this.#start());
    });
    child.unref();
    this.update();
  }

  update(): void {
    const stdin = this.#child?.stdin;
    // A guardian that does not read (it was stopped, say) gets no more than fits the pipe.
    if (stdin?.writable && !stdin.writableNeedDrain) stdin.write(`${this.#options.weight()}\n`);
  }

  close(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#closed = true;
    this.#cancelBeat();
    this.#cancelRestart?.();
    const child = this.#child;
    if (child === undefined || child.exitCode !== null) return Promise.resolve();
    return new Promise((resolve) => {
      child.on('close', () => resolve());
      child.stdin?.end();
    });
  }
}

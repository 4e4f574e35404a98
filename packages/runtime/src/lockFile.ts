import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { lockOwner, tryLockFile } from './native.ts';

const POLL_MS = 20;
const DOT_EVERY_MS = 10_000;

/**
 * The daemon's lock file (spec 60 §4.3): a POSIX lock over `DATA_PATH/.NAME.lock`. The pid of the running daemon is taken from
 * the lock, never from the file's text. The descriptor stays open as long as the process lives.
 */
export class LockFile {
  readonly #fd: number;

  constructor(path: string) {
    this.#fd = openSync(path, 'a+', 0o666);
  }

  /** The pid of the daemon that holds the lock. */
  owner(): number | undefined {
    return lockOwner(this.#fd);
  }

  /** Takes the lock; false when another process has it. */
  tryTake(): boolean {
    return tryLockFile(this.#fd);
  }

  writePid(): void {
    ftruncateSync(this.#fd, 0);
    writeSync(this.#fd, `${process.pid}\n`);
  }

  /**
   * Waits until nobody holds the lock, calling `changed` when another process took it over meanwhile and `dot` every ten
   * seconds. False when `timeoutMs` passed first.
   */
  async waitFree(timeoutMs: number, changed: (pid: number) => void, dot: () => void): Promise<boolean> {
    const start = performance.now();
    let owner = this.owner();
    let dots = 1;
    while (owner !== undefined) {
      const elapsed = performance.now() - start;
      if (elapsed >= timeoutMs) return false;
      if (elapsed >= dots * DOT_EVERY_MS) {
        dots++;
        dot();
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      const now = this.owner();
      if (now !== undefined && now !== owner) changed(now);
      owner = now;
    }
    return true;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

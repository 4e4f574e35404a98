import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const PROGRAM = join(import.meta.dirname, 'load.ts');

export interface Worker {
  folder: string;
  log: string;
  kind: 'alces' | 'stock';
  /** Resolves with the exit status when it has ended. */
  ended: Promise<number | null>;
}

/** Workers that change things on mounts until they are told to stop. */
export class Load {
  readonly workers: Worker[] = [];
  readonly #scratch: string;
  readonly #children: ChildProcess[] = [];
  #complaints = '';

  /** `scratch`: a local folder for logs. */
  constructor(scratch: string) {
    this.#scratch = scratch;
    mkdirSync(scratch, { recursive: true });
  }

  get #stopFile(): string {
    return join(this.#scratch, 'stop');
  }

  /** What the workers wrote on their standard error. */
  get complaints(): string {
    return this.#complaints;
  }

  /** Starts a worker on a folder of its own on the mount. */
  start(mount: string, kind: Worker['kind'], thinkMs: number): Worker {
    const number = this.workers.length;
    const folder = join(mount, `worker${number}`);
    const log = join(this.#scratch, `worker${number}.log`);
    mkdirSync(folder);
    writeFileSync(log, '');
    const args = [PROGRAM, folder, log, this.#stopFile, String(number + 1), String(thinkMs)];
    if (kind === 'stock') args.push('resolve');
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    child.stderr?.on('data', (bytes: Buffer) => {
      this.#complaints += bytes;
    });
    this.#children.push(child);
    const worker = { folder, log, kind, ended: new Promise<number | null>((done) => child.on('close', done)) };
    this.workers.push(worker);
    return worker;
  }

  /** Lets every worker finish what it is doing. */
  async stop(): Promise<(number | null)[]> {
    writeFileSync(this.#stopFile, '');
    const statuses = await Promise.all(this.workers.map((worker) => worker.ended));
    rmSync(this.#stopFile);
    return statuses;
  }

  /** Ends whatever still runs. */
  kill(): void {
    for (const child of this.#children) child.kill('SIGKILL');
  }
}

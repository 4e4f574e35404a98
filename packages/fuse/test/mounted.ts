import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { mkdtempSync, readFileSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ChannelEnd, Negotiated } from '../src/index.ts';
import type { MemoryOptions } from './memoryFs.ts';
import type { Command, ServerSettings } from './memoryServer.ts';

const DEADLINE_MS = 20_000;

export interface Counts {
  counts: Record<string, number>;
  largest: { read: number; write: number };
  pending: number;
}

export function withDeadline<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing within ${DEADLINE_MS} ms`)), DEADLINE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Asks again and again until `probe` is true. */
export async function eventually(probe: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const end = Date.now() + DEADLINE_MS;
  while (!(await probe())) {
    if (Date.now() > end) throw new Error(`${what}: not within ${DEADLINE_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export function isMounted(mountpoint: string): boolean {
  return readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .some((line) => line.split(' ')[1] === mountpoint);
}

/** A mounted memory file system in another process. */
export class Mounted {
  readonly mountpoint = mkdtempSync(join(tmpdir(), 'fuse-test-'));
  child!: ChildProcess;
  negotiated!: Negotiated;
  kind = '';
  exited!: Promise<{ code: number | null; signal: string | null }>;
  end: ChannelEnd | undefined;
  #nextId = 1;
  readonly #waiting = new Map<number, (message: { result?: unknown; error?: string }) => void>();

  static async start(memory: Partial<MemoryOptions> = {}, settings: Partial<ServerSettings> = {}): Promise<Mounted> {
    const mounted = new Mounted();
    const all: ServerSettings = {
      mountpoint: mounted.mountpoint,
      memory: {
        entryTimeoutSeconds: 0,
        attrTimeoutSeconds: 0,
        directIo: false,
        zeros: 0,
        asynchronous: false,
        ...memory,
      },
      serve: {},
      fusermount: false,
      ...settings,
    };
    await mounted.#spawn(all);
    return mounted;
  }

  #spawn(settings: ServerSettings): Promise<void> {
    this.child = fork(new URL('./memoryServer.ts', import.meta.url), [JSON.stringify(settings)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      execArgv: [],
    });
    this.exited = new Promise((resolve) => this.child.on('exit', (code, signal) => resolve({ code, signal })));
    const ready = new Promise<void>((resolve, reject) => {
      this.child.on('message', (message: Record<string, unknown>) => {
        if (message.ready) {
          this.negotiated = message.ready as Negotiated;
          this.kind = message.kind as string;
          resolve();
        } else if (message.end) this.end = message.end as ChannelEnd;
        else this.#waiting.get(message.id as number)?.(message);
      });
      this.child.on('exit', (code) => reject(new Error(`the server exited with ${code}`)));
    });
    return withDeadline(ready, 'mounting');
  }

  path(...parts: string[]): string {
    return join(this.mountpoint, ...parts);
  }

  ask<T = unknown>(command: Command): Promise<T> {
    const id = this.#nextId++;
    const answer = new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, ({ result, error }) => (error ? reject(new Error(error)) : resolve(result as T)));
    });
    this.child.send({ id, command });
    return withDeadline(answer, command.do);
  }

  counts(): Promise<Counts> {
    return this.ask<Counts>({ do: 'counts' });
  }

  /** Ends whatever is left of the mount and its process. */
  async stop(): Promise<void> {
    if (isMounted(this.mountpoint)) execFileSync('umount', ['-i', '-l', this.mountpoint]);
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const patience = setTimeout(() => this.child.kill('SIGKILL'), 2000);
      await this.exited;
      clearTimeout(patience);
    }
    rmdirSync(this.mountpoint);
  }
}

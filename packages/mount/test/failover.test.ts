import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cluster } from '../../../test/support/cluster.ts';
import { until } from '../../../test/support/until.ts';
import type { Outcome, Progress } from './failoverLoad.ts';

const KILLS = 20;

/** The load, running. */
class Load {
  progress: Progress = { naming: 0, writing: 0, closing: 0 };
  outcome: Outcome | undefined;
  complaints = '';
  readonly #process: ChildProcess;

  constructor(folder: string) {
    const program = join(import.meta.dirname, 'failoverLoad.ts');
    this.#process = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, folder]);
    this.#process.stderr!.on('data', (bytes) => {
      this.complaints += bytes;
    });
    createInterface({ input: this.#process.stdout! }).on('line', (line) => {
      const told = JSON.parse(line) as Progress | Outcome;
      if ('digest' in told) this.outcome = told;
      else this.progress = told;
    });
  }

  /** Waits until each kind of change has gone on by some turns. */
  async goesOn(): Promise<void> {
    const before = this.progress;
    await until('all kinds of changes', 60_000, () => {
      if (this.complaints !== '') throw new Error(this.complaints);
      return (['naming', 'writing', 'closing'] as const).every((kind) => this.progress[kind] > before[kind] + 1);
    });
  }

  async stop(): Promise<Outcome> {
    this.#process.stdin!.write('stop\n');
    return until('the end of the load', 60_000, () => this.outcome);
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }
}

describe('a master of ours that is killed again and again', () => {
  let cluster: Cluster;
  let mount: string;
  let load: Load;

  beforeAll(async () => {
    cluster = await Cluster.start({ master: 'alces', chunkservers: ['alces', 'alces'] });
    mount = await cluster.mount('alces');
    load = new Load(mount);
  });
  afterAll(async () => {
    load?.kill();
    await cluster?.destroy();
  });

  it('never makes a change through our mount fail, get lost, or happen twice', async () => {
    for (let kill = 0; kill < KILLS; kill++) {
      await load.goesOn();
      await cluster.killMaster();
      await cluster.startMaster();
    }
    await load.goesOn();
    const { bytes, digest } = await load.stop();
    const { naming, closing } = load.progress;
    const kept = Array.from({ length: naming }, (_, turn) => turn).filter((turn) => turn % 3 !== 0);
    expect(readdirSync(join(mount, 'names')).sort()).toEqual(kept.map((turn) => `n${turn}-renamed`).sort());
    const read = readFileSync(join(mount, 'written'));
    expect(read.length).toBe(bytes);
    expect(createHash('sha256').update(read).digest('hex')).toBe(digest);
    for (let turn = 0; turn < closing; turn++)
      expect(readFileSync(join(mount, 'closed', `c${turn}`), 'latin1')).toBe(`content of ${turn}`.slice(0, -1));
  }, 170_000);
});

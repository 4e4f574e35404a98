import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { WireClient } from '../../packages/master/test/support/wireClient.ts';
import { until } from '../support/until.ts';
import { Worker } from './support/worker.ts';

const KILLS_PER_MASTER = 100;
const WORKERS = 5;
const LONGEST_LIFE_MS = 150;
const MASTER = join(import.meta.dirname, '..', '..', 'bin', 'mfsmaster');

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = servers.map(
    (server) =>
      new Promise<number>((resolve) => {
        server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
      }),
  );
  const found = await Promise.all(ports);
  for (const server of servers) server.close();
  return found;
}

/** The program mfsmaster on a folder of its own, started and killed again and again. */
class KilledMaster {
  readonly folder = mkdtempSync(join(tmpdir(), 'alces-kill-'));
  readonly #config = join(this.folder, 'mfsmaster.cfg');
  port = 0;

  async prepare(saveMode: number): Promise<this> {
    const [clients, servers, loggers] = await freePorts(3);
    this.port = clients!;
    const listen = (key: string, port: number) => `${key}_LISTEN_HOST=127.0.0.1\n${key}_LISTEN_PORT=${port}\n`;
    writeFileSync(
      this.#config,
      `WORKING_USER=root\nWORKING_GROUP=root\nNICE_LEVEL=0\nDATA_PATH=${this.folder}\nLOG_FILE=${this.folder}/log\nDISABLE_OOM_KILLER=0\n` +
        `EXPORTS_FILENAME=${this.folder}/mfsexports.cfg\nTOPOLOGY_FILENAME=${this.folder}/mfstopology.cfg\nCHANGELOG_SAVE_MODE=${saveMode}\n` +
        listen('MATOCL', clients!) +
        listen('MATOCS', servers!) +
        listen('MATOML', loggers!),
    );
    writeFileSync(join(this.folder, 'mfsexports.cfg'), '* / rw,alldirs,admin,maproot=0:0\n');
    writeFileSync(join(this.folder, 'mfstopology.cfg'), '');
    writeFileSync(join(this.folder, 'metadata.mfs'), 'MFSM NEW');
    return this;
  }

  /** Kills a start before it is over, however far it has come. */
  async startAndKill(afterMs: number): Promise<void> {
    const child = spawn(MASTER, ['-c', this.#config, '-f', 'start'], { stdio: 'ignore' });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    await new Promise((resolve) => setTimeout(resolve, afterMs));
    child.kill('SIGKILL');
    await ended;
  }

  async start(): Promise<void> {
    const child = spawn(MASTER, ['-c', this.#config, 'start'], { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (bytes: Buffer) => {
      said += bytes;
    });
    const status = await new Promise((resolve) => child.once('close', resolve));
    if (status !== 0) throw new Error(`mfsmaster does not start (${status}):\n${said}`);
  }

  get pid(): number {
    return Number(readFileSync(join(this.folder, '.mfsmaster.lock'), 'latin1'));
  }

  /** Ends the process at once; resolves when the kernel has closed what it had. */
  async kill(): Promise<void> {
    const { pid } = this;
    process.kill(pid, 'SIGKILL');
    await until('the master to be gone', 10_000, () => {
      try {
        process.kill(pid, 0);
        return /^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
      } catch {
        return true;
      }
    });
  }

  destroy(): void {
    spawnSync(MASTER, ['-c', this.#config, 'kill'], { stdio: 'ignore' });
    rmSync(this.folder, { recursive: true });
  }
}

async function connect(port: number) {
  const client = await WireClient.mount(port);
  const request = (frame: Buffer) => {
    client.sendRaw(frame);
    return client.frame();
  };
  return { request, end: () => client.end() };
}

const connectionEnded = (error: unknown) => {
  if (!(error instanceof Error && /connection closed/.test(error.message))) throw error;
};

test.concurrent.each([0, 1, 2])(
  'save mode %i: killed at random moments, nothing acknowledged is missing',
  async (saveMode) => {
    const master = await new KilledMaster().prepare(saveMode);
    const below = (limit: number) => Math.floor(Math.random() * limit);
    const workers = Array.from({ length: WORKERS }, (_, index) => new Worker(`worker${index}`, below));
    const kills = saveMode === 1 ? 20 : KILLS_PER_MASTER - 10;
    try {
      for (let round = 0; round < kills; round++) {
        if (round % 8 === 7) await master.startAndKill(100 + below(300));
        await master.start();
        const wires = await Promise.all(workers.map(() => connect(master.port)));
        await Promise.all(workers.map((worker, index) => worker.check(wires[index]!)));
        const ends = workers.map((worker, index) => worker.work(wires[index]!).catch(connectionEnded));
        await new Promise((resolve) => setTimeout(resolve, below(LONGEST_LIFE_MS)));
        if (round % 3 === 0) {
          // The kill finds an image, a new change log, or both half made.
          process.kill(master.pid, 'SIGUSR2');
          await new Promise((resolve) => setTimeout(resolve, below(12)));
        }
        await master.kill();
        for (const wire of wires) wire.end();
        await Promise.all(ends);
      }
      await master.start();
      const wire = await connect(master.port);
      for (const worker of workers) await worker.check(wire);
      wire.end();
      const acknowledged = workers.reduce((sum, worker) => sum + worker.acknowledged, 0);
      expect(acknowledged).toBeGreaterThan(10 * kills);
    } finally {
      master.destroy();
    }
  },
  400_000,
);

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../../support/until.ts';

const MASTER = join(import.meta.dirname, '..', '..', '..', 'bin', 'mfsmaster');

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

/** The program mfsmaster on a folder of its own. */
export class MasterProgram {
  readonly folder: string;
  readonly #config: string;
  port = 0;

  constructor(folder = mkdtempSync(join(tmpdir(), 'alces-master-'))) {
    this.folder = folder;
    this.#config = join(folder, 'mfsmaster.cfg');
  }

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
    const { status, said } = await this.act('start');
    if (status !== 0) throw new Error(`mfsmaster does not start (${status}):\n${said}`);
  }

  /** Runs the program with an action on the one that serves. */
  act(action: string): Promise<{ status: number | null; said: string }> {
    const child = spawn(MASTER, ['-c', this.#config, action], { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (bytes: Buffer) => {
      said += bytes;
    });
    return new Promise((resolve) => child.once('close', (status) => resolve({ status, said })));
  }

  log(): string {
    return readFileSync(join(this.folder, 'log'), 'utf8');
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

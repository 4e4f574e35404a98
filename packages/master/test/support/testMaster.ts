import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger, parseConfig, realEnvironment } from '@alces/runtime';
import { type MasterOptions, type RunningMaster, startMaster } from '../../src/index.ts';

const OPEN_TO_ALL = '* / rw,alldirs,admin,maproot=0:0\n* . rw\n';

/** A master in this process, on a new file system in a temporary folder, on ports that the kernel chooses. */
export class TestMaster {
  readonly folder = mkdtempSync(join(tmpdir(), 'alces-master-'));
  #configText: string;
  #running: RunningMaster | undefined;

  private constructor(exports: string, config: string) {
    writeFileSync(join(this.folder, 'metadata.mfs'), 'MFSM NEW');
    writeFileSync(join(this.folder, 'mfstopology.cfg'), '');
    this.writeExports(exports);
    this.#configText = config;
  }

  static async start(
    options: { exports?: string; config?: string } & Partial<Omit<MasterOptions, 'config'>> = {},
  ): Promise<TestMaster> {
    const { exports = OPEN_TO_ALL, config = '', ...more } = options;
    const test = new TestMaster(exports, config);
    try {
      await test.start(more);
    } catch (error) {
      rmSync(test.folder, { recursive: true });
      throw error;
    }
    return test;
  }

  async start(more: Partial<Omit<MasterOptions, 'config'>> = {}): Promise<void> {
    this.#running = await startMaster({
      environment: realEnvironment(),
      folder: this.folder,
      config: this.#config(),
      rereadConfig: () => this.#config(),
      log: createLogger({ name: 'test', target: { file: join(this.folder, 'log') } }),
      ...more,
    });
  }

  #config() {
    const ports = ['MATOCL', 'MATOCS', 'MATOML'].map((key) => `${key}_LISTEN_HOST=127.0.0.1\n${key}_LISTEN_PORT=0\n`);
    const files = `EXPORTS_FILENAME=${this.folder}/mfsexports.cfg\nTOPOLOGY_FILENAME=${this.folder}/mfstopology.cfg\n`;
    return parseConfig(`${ports.join('')}${files}${this.#configText}`, join(this.folder, 'mfsmaster.cfg'));
  }

  get running(): RunningMaster {
    if (!this.#running) throw new Error('the master does not run');
    return this.#running;
  }

  get port(): number {
    return this.running.ports.clients;
  }

  writeExports(text: string): void {
    writeFileSync(join(this.folder, 'mfsexports.cfg'), text);
  }

  setConfig(text: string): void {
    this.#configText = text;
  }

  /** The lines of a changelog file, without versions and times. */
  changes(number = 0): string[] {
    let text = '';
    try {
      text = readFileSync(join(this.folder, `changelog.${number}.mfs`), 'latin1');
    } catch (error) {
      // Not there yet, or renamed a moment ago.
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    }
    const lines = text.split('\n').slice(0, -1);
    return lines.map((line) => line.replace(/^\d+: \d+\|/, ''));
  }

  log(): string {
    return readFileSync(join(this.folder, 'log'), 'utf8');
  }

  async stop(): Promise<void> {
    const running = this.running;
    this.#running = undefined;
    await running.stop();
  }

  async kill(): Promise<void> {
    const running = this.running;
    this.#running = undefined;
    await running.kill();
  }

  /** Ends the master if it runs, and removes its folder. */
  async destroy(): Promise<void> {
    if (this.#running) await this.kill();
    rmSync(this.folder, { recursive: true });
  }
}

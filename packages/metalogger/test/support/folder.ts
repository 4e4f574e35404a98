import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Reporter } from '@alces/journal';
import { parseConfig, realEnvironment } from '@alces/runtime';
import { until } from '../../../../test/support/until.ts';
import { Metalogger, type MetaloggerOptions, metaloggerConfig } from '../../src/index.ts';

const DEADLINE_MS = 20_000;

/** Collects what is reported. */
export class Report implements Reporter {
  readonly lines: string[] = [];
  info(text: string): void {
    this.lines.push(text);
  }
  warn(text: string): void {
    this.lines.push(`warning: ${text}`);
  }
  error(text: string): void {
    this.lines.push(`error: ${text}`);
  }
  has(part: string): boolean {
    return this.lines.some((line) => line.includes(part));
  }
  get errors(): string[] {
    return this.lines.filter((line) => line.startsWith('error: '));
  }
}

/** A metalogger in this process, on a folder of its own. */
export class TestMetalogger {
  readonly folder = mkdtempSync(join(tmpdir(), 'alces-metalogger-'));
  report = new Report();
  #running: Metalogger | undefined;
  readonly #port: () => number;

  constructor(port: () => number) {
    this.#port = port;
  }

  async start(config = '', options: Partial<MetaloggerOptions> = {}): Promise<this> {
    const text = `MASTER_HOST=127.0.0.1\nMASTER_PORT=${this.#port()}\nMASTER_RECONNECTION_DELAY=1\n${config}`;
    this.#running = await Metalogger.start({
      environment: realEnvironment(),
      folder: this.folder,
      config: metaloggerConfig(parseConfig(text, 'mfsmetalogger.cfg')),
      report: this.report,
      ...options,
    });
    return this;
  }

  get running(): Metalogger {
    if (this.#running === undefined) throw new Error('the metalogger does not run');
    return this.#running;
  }

  until<T>(what: string, probe: () => T | undefined | false): Promise<T> {
    return until(what, DEADLINE_MS, probe).catch((error: unknown) => {
      throw new Error(`${error}\n${this.report.lines.join('\n')}\n${JSON.stringify(this.#running?.status)}`);
    });
  }

  said(part: string): Promise<true> {
    return this.until(`"${part}" in the log`, () => this.report.has(part) && (true as const));
  }

  /** Waits until this is the last change received, and applied. */
  reached(version: number): Promise<true> {
    return this.until(
      `change ${version}`,
      () => this.running.status.lastVersion === version && this.running.status.shadowVersion === version + 1,
    ) as Promise<true>;
  }

  file(name: string): string {
    return join(this.folder, name);
  }

  exists(name: string): boolean {
    return existsSync(this.file(name));
  }

  read(name: string): string {
    return readFileSync(this.file(name), 'latin1');
  }

  write(name: string, content: string | Buffer): void {
    writeFileSync(this.file(name), content);
  }

  list(): string[] {
    return readdirSync(this.folder).sort();
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

  async destroy(): Promise<void> {
    if (this.#running !== undefined) await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

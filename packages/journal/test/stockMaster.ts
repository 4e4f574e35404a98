import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Folder } from './support.ts';

const ADDRESS = '10.90.0.1';
let counter = 0;

/** A stock master on a folder, in a network namespace of its own. */
export class StockMaster {
  readonly #folder: Folder;
  readonly #namespace = `journal-${process.pid}-${counter++}`;

  constructor(folder: Folder) {
    this.#folder = folder;
    folder.write('exports.cfg', '* / rw,alldirs,admin,maproot=0:0\n* . rw\n').write('topology.cfg', '');
    const listen = ['MATOML', 'MATOCS', 'MATOCL'].map((link) => `${link}_LISTEN_HOST = ${ADDRESS}`);
    folder.write(
      'mfsmaster.cfg',
      [
        'WORKING_USER = root',
        'WORKING_GROUP = root',
        'NICE_LEVEL = 0',
        `DATA_PATH = ${folder.path}`,
        `EXPORTS_FILENAME = ${folder.file('exports.cfg')}`,
        `TOPOLOGY_FILENAME = ${folder.file('topology.cfg')}`,
        ...listen,
        '',
      ].join('\n'),
    );
    execFileSync('ip', ['netns', 'add', this.#namespace]);
    execFileSync('ip', ['-n', this.#namespace, 'link', 'set', 'lo', 'up']);
    execFileSync('ip', ['-n', this.#namespace, 'addr', 'add', `${ADDRESS}/32`, 'dev', 'lo']);
  }

  /** Runs the master's command line; its output and status. */
  run(...args: string[]): { status: number | null; output: string } {
    const result = spawnSync(
      'nsenter',
      [`--net=/run/netns/${this.#namespace}`, 'mfsmaster', '-c', this.#folder.file('mfsmaster.cfg'), ...args],
      { encoding: 'latin1' },
    );
    return { status: result.status, output: `${result.stdout}${result.stderr}` };
  }

  /** What `mfscli` shows of the running master. */
  info(): string {
    return execFileSync('nsenter', [`--net=/run/netns/${this.#namespace}`, 'mfscli', '-H', ADDRESS, '-SIN', '-p'], {
      encoding: 'latin1',
    });
  }

  /** Ends the master without giving it a chance, and waits until it is gone. */
  kill(): void {
    process.kill(Number(readFileSync(this.#folder.file('.mfsmaster.lock'), 'latin1')), 'SIGKILL');
    const end = Date.now() + 10_000;
    while (this.run('test').status === 0) {
      if (Date.now() > end) throw new Error('the stock master does not end');
    }
  }

  remove(): void {
    this.run('stop');
    execFileSync('ip', ['netns', 'del', this.#namespace]);
  }
}

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const SCRIPT = join(import.meta.dirname, 'daemonFixture.ts');
let folder: string;
let config: string;

function run(...args: string[]): { status: number | null; text: string } {
  const result = spawnSync(process.execPath, [SCRIPT, '-c', config, ...args], { encoding: 'utf8', timeout: 30_000 });
  return { status: result.status, text: result.stderr + result.stdout };
}

function configure(extra = ''): void {
  const user = process.getuid?.() === 0 ? 'WORKING_USER = root\nWORKING_GROUP = root\n' : '';
  writeFileSync(
    config,
    `${user}DATA_PATH = ${folder}\nNICE_LEVEL = 0\nDISABLE_OOM_KILLER = 0\nLOG_FILE = ${folder}/log\n${extra}`,
  );
}

async function logLine(text: string): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!readFileSync(join(folder, 'log'), 'utf8').includes(text)) {
    if (Date.now() > deadline) throw new Error(`no '${text}' in the log`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'alces-daemon-'));
  config = join(folder, 'mfstestd.cfg');
  configure('VALUE = one\n');
});

afterEach(() => {
  run('kill');
  rmSync(folder, { recursive: true });
});

describe('daemon command line', () => {
  it('starts in the background, refuses a second start, reloads, and stops', async () => {
    const started = run('start');
    expect(started.text).toContain(
      `working directory: ${folder}\nlockfile created and locked\ninitializing mfstestd modules ...\nvalue: one\nmfstestd daemon initialized properly\n`,
    );
    expect(started.status).toBe(0);

    const again = run();
    expect(again.text).toContain("can't start: lockfile is already locked by another process");
    expect(again.status).toBe(1);

    const tested = run('test');
    expect(tested.text).toMatch(/^mfstestd pid: \d+\n$/);
    expect(tested.status).toBe(0);

    configure('VALUE = two\n');
    expect(run('reload').text).toBe('reload signal has been sent\n');
    await logLine('reloaded: two');
    expect(run('info').status).toBe(0);
    await logLine('state: fine');

    const restarted = run('restart');
    expect(restarted.text).toMatch(/sending SIGTERM to lock owner \(pid:\d+\)\nwaiting for termination terminated\n/);
    expect(restarted.status).toBe(0);

    const stopped = run('stop');
    expect(stopped.text).toMatch(/waiting for termination terminated\n$/);
    expect(stopped.status).toBe(0);
    await logLine('process exited successfully');
    expect(run('stop')).toEqual({ status: 0, text: "can't find process to terminate\n" });
    expect(run('test')).toEqual({ status: 1, text: 'mfstestd is not running\n' });
    expect(run('try-restart').status).toBe(1);
  });

  it('finds its configuration again that was given relative to where it was started', async () => {
    const relative = join(basename(folder), basename(config));
    const started = spawnSync(process.execPath, [SCRIPT, '-c', relative, 'start'], {
      cwd: dirname(folder),
      timeout: 30_000,
    });
    expect(started.status).toBe(0);
    configure('VALUE = two\n');
    expect(run('reload').status).toBe(0);
    await logLine('reloaded: two');
  });

  it('reports a failed start with status 1 and does not stay', () => {
    configure('FAIL = 1\n');
    const started = run('start');
    expect(started.text).toContain('init: told to fail !!!\nerror occurred during initialization - exiting\n');
    expect(started.status).toBe(1);
    expect(run('test').status).toBe(1);
  });

  it('names a missing configuration file, an unknown user and a missing data folder', () => {
    config = join(folder, 'absent.cfg');
    expect(run('start')).toMatchObject({
      status: 1,
      text: expect.stringContaining(`main config file (${config}) not found`),
    });
    config = join(folder, 'mfstestd.cfg');
    if (process.getuid?.() === 0) {
      writeFileSync(config, 'WORKING_USER = nobody-such\n');
      expect(run('start')).toMatchObject({ status: 1, text: expect.stringContaining('nobody-such: no such user !!!') });
    }
    configure(`DATA_PATH = ${folder}/absent\n`);
    expect(run('start')).toMatchObject({ status: 1, text: expect.stringContaining("can't set working directory to") });
    configure();
  });

  it('shows usage for what it does not know', () => {
    expect(run('dance')).toMatchObject({ status: 1, text: expect.stringContaining('usage: mfstestd [-vfun]') });
    expect(run('-q')).toMatchObject({ status: 1, text: expect.stringContaining('usage:') });
    expect(run('-v')).toEqual({ status: 0, text: 'version: 3.0.117-1 ; build: alces\n' });
  });

  it('warns about bad lines and goes on', () => {
    configure('nonsense ! here\nVALUE = three\n');
    const started = run('start');
    expect(started.text).toContain('bad definition in config file');
    expect(started.text).toContain('value: three');
    expect(started.status).toBe(0);
  });
});

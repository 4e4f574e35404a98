import { execFileSync, spawn } from 'node:child_process';
import { chownSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { realClock } from '@alces/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hostFiles, openHostLink, type VrrpState } from '../src/vip/index.ts';

const NOBODY = 65_534;

async function until(what: string, probe: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!probe()) {
    if (performance.now() > deadline) throw new Error(`waited for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe("a node's link to keepalived", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'haf-link-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const weight = () => {
    try {
      return readFileSync(hostFiles(folder).weight, 'utf8').trim();
    } catch {
      return '';
    }
  };

  it('hears what keepalived writes, also what it wrote before, and hands out the newest state', async () => {
    execFileSync('mkfifo', [hostFiles(folder).fifo]);
    const keepalived = spawn('sh', ['-c', `exec 3<>${hostFiles(folder).fifo}; cat >&3`], {
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    keepalived.stdin.write('INSTANCE "mfs" BACKUP 220\nINSTANCE "mfs" MASTER 220\n');
    const states: VrrpState[] = [];
    const link = await openHostLink({
      dataPath: folder,
      hangMs: 400,
      clock: realClock,
      weight: () => 30,
      state: (state) => states.push(state),
      report: () => {},
    });
    try {
      await until('the old state', () => states.at(-1) === 'MASTER');
      await until('the weight', () => weight() === '30');
      keepalived.stdin.write('INSTANCE "other" STOP 220\nGROUP "mfs" STOP 220\nINSTANCE "mfs" FAULT 220\n');
      await until('the new state', () => states.at(-1) === 'FAULT');
      expect(states).not.toContain('STOP');
    } finally {
      await link.close();
      keepalived.kill();
    }
    expect(weight()).toBe('-254');
    expect(statSync(hostFiles(folder).fifo).isFIFO()).toBe(true);
  });

  it('makes the FIFO anew when keepalived, started first, made it for another user', async () => {
    execFileSync('mkfifo', ['-m', '600', hostFiles(folder).fifo]);
    chownSync(folder, NOBODY, NOBODY);
    const program = join(import.meta.dirname, 'support', 'linkProgram.ts');
    const node = spawn(process.execPath, [program, folder, String(NOBODY)], { stdio: 'inherit' });
    const gone = new Promise((resolve) => node.on('close', resolve));
    try {
      await until('a FIFO of its own', () => {
        const fifo = statSync(hostFiles(folder).fifo, { throwIfNoEntry: false });
        return fifo?.isFIFO() === true && fifo.uid === NOBODY;
      });
      expect(node.exitCode).toBeNull();
    } finally {
      node.kill('SIGKILL');
    }
    await gone;
  });

  it('marks the node as unfit when it hangs, as what it is when it goes on, and as unfit when it is killed', async () => {
    writeFileSync(hostFiles(folder).weight, '-254\n');
    const program = join(import.meta.dirname, 'support', 'linkProgram.ts');
    const node = spawn(process.execPath, [program, folder], { stdio: 'inherit' });
    const gone = new Promise((resolve) => node.on('close', resolve));
    try {
      await until('the node to be fit', () => weight() === '0');
      node.kill('SIGSTOP');
      await until('the node to be unfit', () => weight() === '-254');
      node.kill('SIGCONT');
      await until('the node to be fit again', () => weight() === '0');
    } finally {
      node.kill('SIGKILL');
    }
    await gone;
    await until('the dead node to be unfit', () => weight() === '-254');
  });
});

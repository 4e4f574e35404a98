import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CLTOMA_FUSE_MKDIR, MATOCL_FUSE_MKDIR } from '@alces/proto';
import { createLogger, realDisk, serveMetrics } from '@alces/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DataSpace } from '../src/dataSpace.ts';
import { TestMaster } from './support/testMaster.ts';
import { WireClient } from './support/wireClient.ts';

const MIB = 1024 * 1024;

describe('free space of a data folder of 8 MiB', () => {
  const folder = mkdtempSync(join(tmpdir(), 'alces-space-'));
  const small = join(folder, 'small');
  const logFile = join(folder, 'log');

  beforeEach(() => {
    execFileSync('mkdir', ['-p', small]);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'alces-test', small]);
  });
  afterEach(() => {
    execFileSync('umount', [small]);
    rmSync(folder, { recursive: true });
  });

  test('is said to be gone when somebody removed the folder', async () => {
    const log = createLogger({ name: 'test', target: { file: logFile } });
    await new DataSpace(realDisk, join(small, 'removed'), log, () => 4).look();
    await expect.poll(() => readFileSync(logFile, 'utf8')).toContain('removed is gone: changes are written to deleted');
  });

  test('is told once when it becomes low, and once when there is enough again', async () => {
    const log = createLogger({ name: 'test', target: { file: logFile } });
    const space = new DataSpace(realDisk, small, log, () => 4);
    const said = () => readFileSync(logFile, 'utf8').split('\n').filter(Boolean).length;
    await space.look();
    expect(space.isLow).toBe(false);
    expect(space.freeBytes).toBeGreaterThan(7 * MIB);
    writeFileSync(join(small, 'ballast'), Buffer.alloc(5 * MIB));
    await space.look();
    await space.look();
    expect(space.isLow).toBe(true);
    expect(space.freeBytes).toBeLessThan(4 * MIB);
    await expect.poll(said).toBe(1);
    // A little more than the limit is not enough again.
    writeFileSync(join(small, 'ballast'), Buffer.alloc(3.8 * MIB));
    await space.look();
    expect(space.isLow).toBe(true);
    rmSync(join(small, 'ballast'));
    await space.look();
    await expect.poll(said).toBe(2);
    expect(readFileSync(logFile, 'utf8')).toMatch(
      /only \d MiB are free .*no change is acknowledged[\s\S]*enough again/,
    );
  });
});

test('a master tells its metrics', async () => {
  const master = await TestMaster.start();
  const client = await WireClient.mount(master.port);
  const server = await serveMetrics({ host: '127.0.0.1', port: 0 }, master.running.metrics);
  try {
    const name = Buffer.from('d');
    const mkdir = { msgid: 1, parent: 1, name, mode: 0o755, umask: 0, uid: 0, gids: [0], copysgid: 0 };
    await client.request(CLTOMA_FUSE_MKDIR, mkdir, MATOCL_FUSE_MKDIR);
    await master.running.saveImage();
    const address = `http://127.0.0.1:${server.port}`;
    const text = await (await fetch(`${address}/metrics`)).text();
    const value = (metric: string) => Number(new RegExp(`^alces_master_${metric} (\\S+)$`, 'm').exec(text)?.[1]);
    expect(value('data_folder_free_bytes')).toBeGreaterThan(0);
    expect(value('inodes')).toBe(2);
    expect(value('metadata_version')).toBe(value('committed_version') + 1);
    expect(value('journal_stalled')).toBe(0);
    expect(value('client_connections')).toBe(1);
    expect(value('image_saved_seconds')).toBeGreaterThan(1e9);
    expect(text).toContain('# HELP alces_master_waiting_changes');
    expect((await fetch(`${address}/other`)).status).toBe(404);
  } finally {
    client.end();
    await server.close();
    await master.destroy();
  }
});

import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SUSTAINED_BUCKETS, TRASH_BUCKETS } from '@alces/metadata';
import {
  CLTOMA_FUSE_CREATE,
  CLTOMA_FUSE_MKDIR,
  CLTOMA_FUSE_SUSTAINED_INODES,
  CLTOMA_FUSE_UNLINK,
  CLTOMA_INFO,
  MATOCL_FUSE_CREATE,
  MATOCL_FUSE_MKDIR,
  MATOCL_FUSE_UNLINK,
  MATOCL_INFO,
  Status,
  VERSION,
} from '@alces/proto';
import { type Cancel, type Clock, realEnvironment } from '@alces/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TestMaster } from './support/testMaster.ts';
import { WireClient } from './support/wireClient.ts';

const HOUR = 3600;
const DAY = 24 * HOUR;
/** The changelog file is written a moment later than the second it tells of. */
const LAG_SECONDS = 60;
const user = { uid: 0, gids: [0] };
const unix = realEnvironment();

/** A wall clock that the test moves on; intervals run in real time and whenever the test lets a second pass. */
class MovedClock implements Clock {
  #aheadMs = 0;
  readonly #intervals = new Set<() => void>();
  readonly monotonicMs = unix.clock.monotonicMs;
  readonly timeout = unix.clock.timeout;

  wallMs(): number {
    return unix.clock.wallMs() + this.#aheadMs;
  }
  unixSeconds(): number {
    return Math.floor(this.wallMs() / 1000);
  }
  interval(periodMs: number, run: () => void): Cancel {
    this.#intervals.add(run);
    const cancel = unix.clock.interval(periodMs, run);
    return () => {
      this.#intervals.delete(run);
      cancel();
    };
  }

  /** Moves the clock forward at once, as an operator would. */
  jump(seconds: number): void {
    this.#aheadMs += seconds * 1000;
  }

  /** Lets second after second pass until something is true. */
  async passUntil(seconds: number, test: () => boolean): Promise<void> {
    for (let passed = 0; !test(); passed++) {
      if (passed === seconds) throw new Error(`not within ${seconds} seconds`);
      this.jump(1);
      for (const run of [...this.#intervals]) run();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  approachHour(): void {
    this.jump(HOUR - (this.unixSeconds() % HOUR) - 2);
  }
}

describe('work that the clock demands', () => {
  let clock: MovedClock;
  let master: TestMaster;
  let client: WireClient;

  const options = () => ({ environment: { ...unix, clock } });

  beforeEach(async () => {
    clock = new MovedClock();
    master = await TestMaster.start(options());
    client = await WireClient.mount(master.port);
  });
  afterEach(async () => {
    client.end();
    await master.destroy();
  });

  async function create(name: string): Promise<number> {
    const request = { msgid: 1, parent: 1, name: Buffer.from(name), mode: 0o644, umask: 0, ...user };
    const answer = await client.request(CLTOMA_FUSE_CREATE, request, MATOCL_FUSE_CREATE);
    if (answer.layout !== 'data') throw new Error(`${name} not created`);
    return answer.inode;
  }
  const unlink = (name: string) =>
    client.request(CLTOMA_FUSE_UNLINK, { msgid: 1, parent: 1, name: Buffer.from(name), ...user }, MATOCL_FUSE_UNLINK);
  const mkdir = (name: string) => {
    const request = { msgid: 1, parent: 1, name: Buffer.from(name), mode: 0o755, umask: 0, ...user, copysgid: 0 };
    return client.request(CLTOMA_FUSE_MKDIR, request, MATOCL_FUSE_MKDIR);
  };
  const info = () => client.request(CLTOMA_INFO, {}, MATOCL_INFO);
  /** In this changelog or one before it: full hours pass in these tests. */
  const logged = (pattern: RegExp) => [0, 1, 2].some((file) => master.changes(file).some((line) => pattern.test(line)));
  const change = (pattern: RegExp) => expect.poll(() => logged(pattern), SLOW);
  const SLOW = { timeout: 15_000, interval: 50 };

  test('deleted files go to the trash, then away, then their numbers become free', async () => {
    const inode = await create('f');
    client.send(CLTOMA_FUSE_SUSTAINED_INODES, { inodes: [] });
    await unlink('f');
    expect((await info()).trashNodes).toBe(1);
    clock.jump(2 * DAY);
    await clock.passUntil(TRASH_BUCKETS + LAG_SECONDS, () => logged(/^EMPTYTRASH\(\d+\):1,0,/));
    expect((await info()).trashNodes).toBe(0);
    clock.jump(2 * DAY);
    await clock.passUntil(60 + LAG_SECONDS, () => logged(/^FREEINODES\(\d+\):1,/));
    expect(await create('g')).toBe(inode);
  });

  test('a deleted file stays while a session holds it', async () => {
    const inode = await create('f');
    client.send(CLTOMA_FUSE_SUSTAINED_INODES, { inodes: [inode] });
    await unlink('f');
    clock.jump(2 * DAY);
    await clock.passUntil(TRASH_BUCKETS + LAG_SECONDS, () => logged(/^EMPTYTRASH\(\d+\):0,1,/));
    expect(await info()).toMatchObject({ trashNodes: 0, sustainedNodes: 1 });
    client.send(CLTOMA_FUSE_SUSTAINED_INODES, { inodes: [] });
    await info();
    await clock.passUntil(SUSTAINED_BUCKETS + LAG_SECONDS, () => logged(/^EMPTYSUSTAINED\(\d+\):1/));
    expect(await info()).toMatchObject({ sustainedNodes: 0, allNodes: 1 });
  });

  test('a session without connection is removed after its time, not earlier', async () => {
    const other = await WireClient.mount(master.port);
    other.end();
    await change(/^SESDISCONNECTED\(2\)/).toBe(true);
    clock.jump(DAY - 60);
    await info();
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(master.changes()).not.toContain('SESDEL(2)');
    clock.jump(120);
    await change(/^SESDEL\(2\)/).toBe(true);
    expect(master.changes()).not.toContain('SESDEL(1)');
  });

  test('after a restart sessions have their whole time to come back (decision 0070)', async () => {
    client.end();
    await master.stop();
    clock.jump(DAY - 300);
    await master.start(options());
    clock.jump(200);
    client = await WireClient.connect(master.port);
    await info();
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(master.changes()).not.toContain('SESDEL(1)');
  });

  test('each full hour: a new changelog, an image, statistics', async () => {
    await mkdir('before');
    const image = join(master.folder, 'metadata.mfs.back');
    clock.approachHour();
    await change(/./).toBe(true);
    await expect
      .poll(() => master.changes(1).some((line) => line.startsWith('MKDIR') || line.includes('before')), SLOW)
      .toBe(true);
    await expect.poll(() => /metadata saved/.test(master.log()), SLOW).toBe(true);
    expect(statSync(image).size).toBeGreaterThan(8);
    const { lastStoreTime, lastStoreStatus } = await info();
    expect(Math.abs(lastStoreTime - clock.unixSeconds())).toBeLessThan(30);
    expect(lastStoreStatus).toBe(0);
    clock.jump(60);
    await expect.poll(() => existsSync(join(master.folder, 'stats.mfs')), SLOW).toBe(true);
  }, 40_000);

  test('an image saved while serving and the changelogs after it make the whole state', async () => {
    for (let i = 0; i < 50; i++) await mkdir(`a${i}`);
    await master.running.saveImage();
    expect(master.log()).not.toMatch(/can't save/);
    for (let i = 0; i < 50; i++) await mkdir(`b${i}`);
    const before = await info();
    client.end();
    await master.kill();
    // Only what the saved image and the changelog since then say may be used.
    for (const name of readdirSync(master.folder))
      if (/^changelog\.[1-9]|^metadata\.mfs$|^metadata\.mfs\.back\.1/.test(name)) rmSync(join(master.folder, name));
    await master.start(options());
    client = await WireClient.connect(master.port);
    const { allNodes, dirNodes } = await info();
    expect([allNodes, dirNodes]).toEqual([before.allNodes, before.dirNodes]);
    await client.register({
      layout: 'newSession',
      version: VERSION,
      info: Buffer.from('/m\0'),
      path: Buffer.from('/\0'),
    });
    expect(await mkdir('b49')).toEqual({ layout: 'status', msgid: 1, status: Status.EEXIST });
  }, 30_000);

  test('an image that cannot be made in its place goes to an emergency place, and service goes on', async () => {
    await mkdir('d');
    await master.stop();
    const home = mkdtempSync(join(tmpdir(), 'alces-home-'));
    await master.start({ ...options(), home });
    // A folder with something in it in the place of the temporary file: not even root can write there.
    mkdirSync(join(master.folder, 'metadata.mfs.back.tmp', 'x'), { recursive: true });
    client = await WireClient.mount(master.port);
    await mkdir('e');
    const stored = await master.running.saveImage();
    expect(stored).toMatchObject({ emergency: true, path: join(master.folder, 'metadata.mfs.emergency') });
    expect(master.log()).toContain('metadata were stored to emergency file');
    expect(await mkdir('d')).toEqual({ layout: 'status', msgid: 1, status: Status.EEXIST });
    expect(await mkdir('f')).toMatchObject({ layout: 'data' });
    expect((await info()).lastStoreTime).toBe(0);
    rmSync(join(master.folder, 'metadata.mfs.back.tmp'), { recursive: true });
    rmSync(home, { recursive: true });
  });
});

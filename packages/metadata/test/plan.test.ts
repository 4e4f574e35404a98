import { Disable, Status, TruncateFlag } from '@alces/proto';
import { expect, test } from 'vitest';
import {
  continueAccounting,
  imageBytes,
  planMknod,
  planOpen,
  planRename,
  planSclassChange,
  planSetsclass,
  planTruncate,
  planUnlink,
  planWriteEnd,
  repairOperations,
  statfs,
  TYPE_FILE,
} from '../src/index.ts';
import { findFaults } from './support/invariants.ts';
import { differences } from './support/replay.ts';
import { emptyState, RANDOM_RUN_START } from './support/run.ts';
import { Scene } from './support/scene.ts';
import { stockDumpOf, stockReplay } from './support/stock.ts';

const CHUNK = 0x400_0000;

/** The stock master must be able to replay what was done, to the same image. */
function expectStockAgrees(s: Scene): void {
  const start = imageBytes(emptyState(), { now: RANDOM_RUN_START }).image;
  const stock = stockReplay(start, s.log);
  expect(stock.output).not.toMatch(/error|mismatch/);
  const mine = stockDumpOf(imageBytes(s.state, { now: 1 }).image);
  expect(differences(mine, stock.dump, /length: |hashelements/)).toEqual([]);
}

test('a class set by a session without admin rights is logged so that replay gives the same', () => {
  const s = new Scene();
  const user = s.session({ sesflags: 0 });
  const masks = Array(12).fill(0).join(',');
  s.do(`SCSET(adm,1,W1,K1,A1,1,0,1,${masks}):10`, 'CREATE(1,d,2,511,0,0,0,0):2', 'CREATE(2,a,1,420,0,0,0,0):3');
  s.do('SETSCLASS(3,0,1,10,0):1,0,0', 'CREATE(2,b,1,420,0,0,0,0):4', 'LINK(4,2,c)', 'CREATE(2,o,1,420,0,7,7,0):5');
  const plan = planSetsclass(s.state, user(0), { inode: 2, srcClass: 3, dstClass: 3, smode: 4 });
  if (typeof plan === 'number') {
    throw new Error(`status ${plan}`);
  }
  expect(plan.counters).toEqual({ changed: 3, unchanged: 1, denied: 1 });
  for (const operation of plan.operations) {
    s.commit(operation);
  }
  expect(plan.operations.map(({ inode }) => inode).sort()).toEqual([2, 4, 5]);
  expectStockAgrees(s);
});

test('repaired chunks are logged so that the stock program can replay it', () => {
  const s = new Scene();
  s.do('CREATE(1,f,1,420,0,0,0,0):2', 'WRITE(2,0,1,0):1', 'WRITE(2,1,1,0):2');
  s.now += 10;
  for (const operation of [
    ...repairOperations(s.state, s.row(2), 0, 9, s.now),
    ...repairOperations(s.state, s.row(2), 1, 0, s.now),
  ]) {
    s.commit(operation);
  }
  expect(s.state.chunks.version.get(s.state.chunks.find(1))).toBe(9);
  expect(s.state.nodes.chunkAt(s.row(2), 1)).toBe(0);
  expect(s.state.nodes.mtime.get(s.row(2))).toBe(s.now);
  expectStockAgrees(s);
});

test('a rename onto itself does nothing, one into itself is refused', () => {
  const s = new Scene();
  const root = s.session();
  s.do('CREATE(1,d,2,511,0,0,0,0):2', 'CREATE(2,e,2,511,0,0,0,0):3');
  const rename = (srcParent: number, srcName: string, dstParent: number, dstName: string) =>
    planRename(s.state, root(), {
      srcParent,
      srcName: Buffer.from(srcName),
      dstParent,
      dstName: Buffer.from(dstName),
    });
  expect(rename(1, 'd', 1, 'd')).toBe(Status.OK);
  expect(rename(1, 'd', 2, 'x')).toBe(Status.EINVAL);
  expect(rename(1, 'd', 3, 'x')).toBe(Status.EINVAL);
});

test('a rename asks only quotas of directories in which something grows', () => {
  const s = new Scene();
  const root = s.session();
  s.do('CREATE(1,q,2,511,0,0,0,0):2', 'CREATE(2,a,2,511,0,0,0,0):3', 'CREATE(2,b,2,511,0,0,0,0):4');
  s.do('CREATE(3,f,1,420,0,0,0,0):5', 'QUOTA(2,0,16,0,0,3,0,0,0,0,0,0,0)', 'QUOTA(4,0,16,0,0,9,0,0,0,0,0,0,0)');
  const request = { srcParent: 3, srcName: Buffer.from('f'), dstParent: 4, dstName: Buffer.from('f') };
  expect(typeof planRename(s.state, root(), request)).toBe('object');
  s.do('QUOTA(4,0,16,0,0,0,0,0,0,0,0,0,0)');
  expect(planRename(s.state, root(), request)).toBe(Status.QUOTA);
});

test('room for appends is reserved behind earlier reservations', () => {
  const s = new Scene();
  const root = s.session();
  s.do('CREATE(1,f,1,420,0,0,0,0):2', 'LENGTH(2,80,0)');
  const flags = TruncateFlag.OPENED | TruncateFlag.UPDATE | TruncateFlag.RESERVE;
  const reserve = (reserved: number) =>
    planTruncate(s.state, root(), { inode: 2, flags, length: 10 }, (inode) => (inode === 2 ? reserved : 0));
  expect(reserve(0)).toMatchObject({ kind: 'reserve', base: 80, reservedLength: 90 });
  expect(reserve(90)).toMatchObject({ kind: 'reserve', base: 90, reservedLength: 100 });
});

test('lengths end at 2^57', () => {
  const s = new Scene();
  const root = s.session();
  s.do('CREATE(1,f,1,420,0,0,0,0):2');
  const plan = (length: number) => planTruncate(s.state, root(), { inode: 2, flags: 0, length }, () => 0);
  expect(plan(2 ** 57)).toMatchObject({ kind: 'length' });
  expect(plan(2 ** 57 + CHUNK)).toBe(Status.INDEXTOOBIG);
  expect(plan(2 ** 58)).toBe(Status.INDEXTOOBIG);
});

test('an end of write for an unknown chunk sets the length but logs no unlock', () => {
  const s = new Scene();
  const root = s.session();
  s.do('CREATE(1,f,1,420,0,0,0,0):2');
  const plan = planWriteEnd(s.state, root(), { chunkId: 99, inode: 2, length: 5 }, 0);
  expect(plan).toEqual({ status: Status.NOCHUNK, operations: [{ op: 'LENGTH', inode: 2, length: 5, chtime: 0 }] });
});

test('a session in a subfolder sees nothing outside, and its root as inode 1', () => {
  const s = new Scene();
  s.do('CREATE(1,sub,2,511,0,0,0,0):2', 'CREATE(1,out,1,420,0,0,0,0):3', 'CREATE(2,in,1,420,0,0,0,0):4');
  const inside = s.session({ rootinode: 2 });
  expect(planOpen(s.state, inside(), { inode: 3, flags: 1 })).toBe(Status.ENOENT);
  expect(planOpen(s.state, inside(), { inode: 2, flags: 1 })).toBe(Status.ENOENT);
  expect(planOpen(s.state, inside(), { inode: 4, flags: 1 })).toEqual([{ op: 'ACQUIRE', sessionid: 1, inode: 4 }]);
  const unlink = planUnlink(s.state, inside(), { parent: 1, name: Buffer.from('in') }, false);
  expect(unlink).toMatchObject({ op: 'UNLINK', parent: 2 });
  s.do('UNLINK(2,in):4');
  expect(planUnlink(s.state, inside(), { parent: 1, name: Buffer.from('in') }, false)).toBe(Status.ENOENT);
});

test('exports can disable making files without touching other types', () => {
  const s = new Scene();
  const limited = s.session({ disables: Disable.CREATE });
  const request = { parent: 1, name: Buffer.from('x'), mode: 0o644, umask: 0, rdev: 0 };
  expect(planMknod(s.state, limited(), { ...request, type: TYPE_FILE })).toBe(Status.EPERM);
  expect(planMknod(s.state, limited(), { ...request, type: 4 })).toMatchObject({ op: 'CREATE', type: 4 });
});

test('space is limited by the quotas above the root of a session', () => {
  const s = new Scene();
  const whole = s.session();
  s.do('CREATE(1,q,2,511,0,0,0,0):2', 'CREATE(2,f,1,420,0,0,0,0):3', 'LENGTH(3,300,0)');
  const inside = s.session({ rootinode: 2 });
  const space = { total: 10_000, avail: 8000, free: 9000 };
  expect(statfs(s.state, whole(), space)).toMatchObject({ ...space, inodes: 3 });
  s.do('QUOTA(2,0,34,0,0,0,2000,1000,0,0,0,0,0)');
  expect(statfs(s.state, inside(), space)).toMatchObject({ total: 1000, avail: 700, free: 700, inodes: 2 });
  expect(statfs(s.state, whole(), space)).toMatchObject(space);
  s.do('QUOTA(2,0,32,0,0,0,0,100,0,0,0,0,0)');
  expect(statfs(s.state, inside(), space)).toMatchObject({ total: 100, avail: 0, free: 0 });
});

test('real sizes follow a changed number of copies step by step, and files changed meanwhile are counted right', () => {
  const s = new Scene();
  const root = s.session();
  for (let inode = 2; inode < 30; inode++) {
    s.do(`CREATE(1,f${inode},1,420,0,0,0,0):${inode}`, `WRITE(${inode},0,1,0):${inode - 1}`, `LENGTH(${inode},100,0)`);
  }
  const present = { adminonly: 0, mode: 1, archdelay: 0, createMasks: [], keepMasks: Array(20).fill(0), archMasks: [] };
  const change = planSclassChange(s.state, root(), Buffer.from('2'), 0, 0x8008, present);
  if (typeof change === 'number') {
    throw new Error(`status ${change}`);
  }
  s.commit(change);
  expect(s.state.accounting.active).toBe(true);
  s.do('LENGTH(3,200000,1)', 'LENGTH(28,200000,1)');
  continueAccounting(s.state, 10);
  s.do('LENGTH(4,70000,1)', 'LENGTH(27,70000,1)', 'UNLINK(1,f5):5', 'SETSCLASS(26,0,3,3,0):1,0,0', 'UNLINK(1,f25):25');
  while (s.state.accounting.active) {
    continueAccounting(s.state, 3);
  }
  expect(findFaults(s.state)).toEqual([]);
  expect(s.state.storageClasses.copies(2)).toBe(5);
});

import { DirectoryList, Request } from '@alces/fuse';
import type { Attr } from '@alces/proto';
import type { Clock } from '@alces/runtime';
import { describe, expect, it } from 'vitest';
import { ExpiringMap } from '../src/caches/expiringMap.ts';
import { Listing, Listings } from '../src/caches/listings.ts';
import { LookupRecords } from '../src/caches/lookupRecords.ts';
import { NegativeEntries } from '../src/caches/negativeEntries.ts';
import { XattrCache } from '../src/caches/xattrCache.ts';
import { Callers, supplementaryGroups } from '../src/callers.ts';
import { HEADS, resultText } from '../src/log/describe.ts';
import { OperationLog } from '../src/log/operationLog.ts';
import { acceptedText, durationText } from '../src/messages.ts';
import { decodeAcl, encodeAcl, NO_ACL } from '../src/operations/acl.ts';
import { accessByLookup } from '../src/operations/nodes.ts';

/** A clock that stands still until it is moved. */
class ManualClock implements Clock {
  nowMs = 1_700_000_000_000;
  readonly #timers = new Set<{ atMs: number; run: () => void }>();

  wallMs = (): number => this.nowMs;
  monotonicMs = (): number => this.nowMs;
  unixSeconds = (): number => Math.floor(this.nowMs / 1000);
  timeout(delayMs: number, run: () => void): () => void {
    const timer = { atMs: this.nowMs + delayMs, run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }
  interval = (): never => {
    throw new Error('not needed here');
  };

  pass(ms: number): void {
    this.nowMs += ms;
    for (const timer of [...this.#timers]) {
      if (timer.atMs > this.nowMs) continue;
      this.#timers.delete(timer);
      timer.run();
    }
  }
}

const attr = (over: Partial<Attr> = {}): Attr => ({
  flags: 4,
  type: 1,
  mode: 0o644,
  uid: 1,
  gid: 2,
  atime: 3,
  mtime: 4,
  ctime: 5,
  nlink: 1,
  length: 6,
  rdev: 0,
  winattr: 0,
  ...over,
});

const request = (node: number, { uid = 1, gid = 2, pid = 3 } = {}): Request => new Request(0, 1, node, uid, gid, pid);
const never = (): void => {};

describe('expiring map', () => {
  it('forgets after its time, and the oldest when it is full', () => {
    const clock = new ManualClock();
    const map = new ExpiringMap<number, string>(clock, 100, 2);
    map.set(1, 'a');
    clock.pass(50);
    map.set(2, 'b');
    map.set(1, 'A');
    map.set(3, 'c');
    expect([map.get(1), map.get(2), map.get(3)]).toEqual(['A', undefined, 'c']);
    clock.pass(100);
    expect([map.get(1), map.get(3)]).toEqual([undefined, undefined]);
  });

  it('keeps nothing with no time', () => {
    const map = new ExpiringMap<number, string>(new ManualClock(), 0, 2);
    map.set(1, 'a');
    expect(map.get(1)).toBeUndefined();
  });
});

describe('lookup records', () => {
  it('are good for a second, for the process that asked', () => {
    const clock = new ManualClock();
    const records = new LookupRecords(clock);
    records.put(request(1), { inode: 7, attr: attr(), flags: 0xff, chunkZero: undefined });
    expect(records.find(request(7), 7)?.flags).toBe(0xff);
    expect(records.find(request(7, { pid: 4 }), 7)).toBeUndefined();
    expect(records.find(request(7, { uid: 9 }), 7)).toBeUndefined();
    expect(records.ofInode(7)).toBeDefined();
    clock.pass(1000);
    expect(records.find(request(7), 7)).toBeUndefined();
  });

  it('are used up by an open, and dropped by a change', () => {
    const records = new LookupRecords(new ManualClock());
    const found = { inode: 7, attr: attr(), flags: 0xff, chunkZero: undefined };
    records.put(request(1), found);
    expect(records.take(request(7), 7)).toBeDefined();
    expect(records.find(request(7), 7)).toBeUndefined();
    records.put(request(1), found);
    records.drop(7);
    expect(records.find(request(7), 7)).toBeUndefined();
  });

  it('decide on access as the master would', () => {
    const [EPERM, EACCES, EROFS] = [1, 13, 30];
    expect(accessByLookup(0x11, 4)).toBe(0);
    expect(accessByLookup(0x11, 2)).toBe(EACCES);
    expect(accessByLookup(0x01, 0)).toBe(0);
    expect(accessByLookup(0x2ff, 2)).toBe(EROFS);
    expect(accessByLookup(0x833, 6)).toBe(EPERM);
    expect(accessByLookup(0x833, 4)).toBe(0);
  });
});

describe('negative entries', () => {
  it('are off without a time, else go with it or with the name', () => {
    const clock = new ManualClock();
    const off = new NegativeEntries(clock, 0);
    off.add(1, Buffer.from('x'));
    expect(off.has(1, Buffer.from('x'))).toBe(false);
    const on = new NegativeEntries(clock, 1);
    on.add(1, Buffer.from('x'));
    on.add(1, Buffer.from('y'));
    expect(on.has(1, Buffer.from('x'))).toBe(true);
    expect(on.has(2, Buffer.from('x'))).toBe(false);
    on.remove(1, Buffer.from('x'));
    expect(on.has(1, Buffer.from('x'))).toBe(false);
    clock.pass(1000);
    expect(on.has(1, Buffer.from('y'))).toBe(false);
  });
});

describe('xattr cache', () => {
  it('keeps values and refusals per user, and drops an inode for all', () => {
    const cache = new XattrCache(new ManualClock(), 30);
    cache.put(request(0), 5, 'user.a', Buffer.from('v'));
    cache.put(request(0, { uid: 8 }), 5, 'user.a', 61);
    expect(cache.get(request(5), 'user.a')).toEqual(Buffer.from('v'));
    expect(cache.get(request(5, { uid: 8 }), 'user.a')).toBe(61);
    expect(cache.get(request(5), 'user.b')).toBeUndefined();
    cache.drop(5);
    expect(cache.get(request(5, { uid: 8 }), 'user.a')).toBeUndefined();
  });
});

describe('open directory listings', () => {
  const entries = [
    { name: Buffer.from('a'), inode: 10, attr: attr() },
    { name: Buffer.from('unknown'), inode: 11, attr: attr({ flags: 0 }) },
  ];

  it('answer the process that reads, with what the master gave attributes for', () => {
    const listings = new Listings();
    const listing = new Listing(1, entries, new ManualClock());
    listings.add(request(1), listing);
    expect(listings.find(request(1), 1, Buffer.from('a'))?.inode).toBe(10);
    expect(listings.find(request(1), 1, Buffer.from('unknown'))).toBeUndefined();
    expect(listings.find(request(1), 2, Buffer.from('a'))).toBeUndefined();
    expect(listings.find(request(1, { pid: 4 }), 1, Buffer.from('a'))).toBeUndefined();
    expect(listings.attrOf(request(10), 10)?.length).toBe(6);
    listings.remove(listing);
    expect(listings.attrOf(request(10), 10)).toBeUndefined();
  });

  it('do not answer for what changed, nor for ever', () => {
    const clock = new ManualClock();
    const listings = new Listings();
    const add = (): void => listings.add(request(1), new Listing(1, entries, clock));
    add();
    listings.nodeChanged(10);
    expect(listings.find(request(1), 1, Buffer.from('a'))).toBeUndefined();
    const other = new Listings();
    other.add(request(1), new Listing(1, entries, clock));
    other.nameChanged(1, Buffer.from('a'));
    expect(other.find(request(1), 1, Buffer.from('a'))).toBeUndefined();
    expect(other.attrOf(request(10), 10)).toBeDefined();
    clock.pass(60_000);
    expect(other.attrOf(request(10), 10)).toBeUndefined();
  });
});

describe('callers', () => {
  it('reads the groups line', () => {
    expect(supplementaryGroups('Name:\tx\nGroups:\t4 24 1000 \nNStgid:\t1\n')).toEqual([4, 24, 1000]);
    expect(supplementaryGroups('Groups:\t\n')).toEqual([]);
    expect(supplementaryGroups('nothing')).toEqual([]);
  });

  it('puts the primary group first, once', () => {
    const groups = process.getgroups?.() ?? [];
    const gid = groups[0] ?? 0;
    const callers = new Callers(new ManualClock(), 300, () => false);
    const caller = callers.of(request(1, { uid: 12345, gid, pid: process.pid }));
    expect(caller.gids[0]).toBe(gid);
    expect(caller.gids.filter((other) => other === gid).length).toBe(1);
    for (const group of groups) expect(caller.gids).toContain(group);
  });

  it('does without for processes that are gone, for root, and when switched off', () => {
    const clock = new ManualClock();
    const gone = { uid: 5, gid: 6, pid: 0x3fff_ffff };
    expect(new Callers(clock, 300, () => false).of(request(1, gone)).gids).toEqual([6]);
    expect(new Callers(clock, 0, () => false).of(request(1, { uid: 5, gid: 6, pid: process.pid })).gids).toEqual([6]);
    expect(new Callers(clock, 300, () => false).of(request(1, { uid: 0, gid: 6, pid: process.pid })).gids).toEqual([6]);
  });
});

describe('ACL values', () => {
  const value = Buffer.from(
    '02000000' + '01000600ffffffff' + '02000600e9030000' + '04000400ffffffff' + '10000600ffffffff' + '20000000ffffffff',
    'hex',
  );
  const acl = { user: 6, group: 4, other: 0, mask: 6, namedUsers: [{ id: 1001, perm: 6 }], namedGroups: [] };

  it('are what Linux writes', () => {
    expect(decodeAcl(value)).toEqual(acl);
    expect(encodeAcl(acl)).toEqual(value);
  });

  it('leave out an absent mask', () => {
    const plain = { ...NO_ACL, user: 7, group: 5, other: 5 };
    expect(decodeAcl(encodeAcl(plain))).toEqual(plain);
    expect(encodeAcl(plain).length).toBe(4 + 3 * 8);
  });

  it.each([
    ['of a wrong length', '020000'],
    ['of another version', '03000000'],
    ['with an entry twice', `02000000${'01000600ffffffff'.repeat(2)}`],
    ['with an unknown tag', '0200000040000600ffffffff'],
    ['with named entries and no mask', '0200000002000600e9030000'],
  ])('%s are refused', (_what, hex) => {
    expect(decodeAcl(Buffer.from(hex, 'hex'))).toBeUndefined();
  });
});

describe('the operation log', () => {
  it('gives what came after the opening, or the past too', async () => {
    const clock = new ManualClock();
    const log = new OperationLog(clock);
    log.add('first');
    const now = log.reader(false);
    const past = log.reader(true);
    log.add('second');
    const lines = (text: Buffer): string[] => text.toString().match(/[a-z]+$/gm) ?? [];
    expect(lines(await log.read(now, 1000, never))).toEqual(['second']);
    expect(lines(await log.read(past, 1000, never))).toEqual(['first', 'second']);
  });

  it('waits for the next line, a second at most, or until it is stopped', async () => {
    const clock = new ManualClock();
    const log = new OperationLog(clock);
    const reader = log.reader(false);
    const next = log.read(reader, 1000, never);
    log.add('event');
    expect((await next).toString()).toMatch(/^\d\d\.\d\d \d\d:\d\d:\d\d\.\d{6}: event\n$/);
    const idle = log.read(reader, 1000, never);
    clock.pass(1000);
    expect((await idle).toString()).toBe('#\n');
    const stopped = log.read(reader, 1000, (stop) => stop());
    expect((await stopped).length).toBe(0);
  });

  it('goes on with a whole line after the ring ran over', async () => {
    const log = new OperationLog(new ManualClock());
    const reader = log.reader(false);
    for (let index = 0; index < 20_000; index++) log.add(`${index} ${'x'.repeat(990)}`);
    const text = (await log.read(reader, 1100, never)).toString();
    expect(text).toMatch(/^\d\d\.\d\d [^ ]+: \d+ x+\n/);
    const history = (await log.read(log.reader(true), 1100, never)).toString();
    expect(history).toMatch(/^\d\d\.\d\d [^ ]+: \d+ x+\n/);
  });

  it('describes operations as the stock mount does', () => {
    const describeWith = (name: string, ...args: unknown[]): string => HEADS[name](request(2), ...(args as never[]));
    const make = { name: Buffer.from('f'), mode: 0o100666, umask: 0o22 };
    expect(describeWith('lookup', Buffer.from('f'))).toBe('lookup (2,f)');
    expect(describeWith('create', make, 0o1101)).toBe('create (2,f,O_WRONLY|O_CREAT|O_TRUNC,-rw-rw-rw-:0100666)');
    const entry = {
      node: 3,
      generation: 1,
      entryTimeoutSeconds: 0,
      attrTimeoutSeconds: 1,
      attr: {
        inode: 3,
        sizeBytes: 0,
        blocks: 0,
        atime: 7,
        mtime: 8,
        ctime: 9,
        atimeNs: 0,
        mtimeNs: 0,
        ctimeNs: 0,
        mode: 0o104755,
        nlink: 1,
        uid: 5,
        gid: 6,
        rdev: 0,
        blockSizeBytes: 65536,
      },
    };
    expect(resultText(request(2), entry, 'lookup', [])).toBe(' (0.0,3,1.0,[-rwsr-xr-x:0104755,1,5,6,7,8,9,0])');
    const list = new DirectoryList(4096);
    list.add(Buffer.from('abc'), 1, 0o040000, 1);
    expect(resultText(request(2), 0, 'readdir', [1, 0, list])).toBe(' (32)');
    expect(resultText(request(2), Buffer.alloc(0), 'read', [])).toBe(' (no data)');
  });
});

describe('messages', () => {
  it('use a unit only above its size', () => {
    const texts = [0, 1, 60, 61, 3600, 3601, 86400, 1_209_600 + 3 * 86400].map(durationText);
    expect(texts).toEqual(['0s', '1s', '60s', '1m1s', '60m', '1h1s', '24h', '2w3d']);
  });

  it('tell what the master granted', () => {
    const session = {
      sessionId: 1,
      metaId: 0n,
      masterVersion: 0x000300ea,
      flags: 8,
      umask: 0,
      rootUid: 0,
      rootGid: 0,
      mapAllUid: 4_000_000_000,
      mapAllGid: 4_000_000_001,
      minGoal: 1,
      maxGoal: 9,
      minTrashSeconds: 0,
      maxTrashSeconds: 0xffff_ffff,
      disables: 0,
    };
    expect(acceptedText(session, false)).toBe(
      'mfsmaster accepted connection with parameters: read-write,restricted_ip,admin ; root mapped to root:root',
    );
    const restricted = {
      ...session,
      flags: 0x17,
      umask: 0o22,
      minGoal: 2,
      maxGoal: 5,
      minTrashSeconds: 3600,
      disables: 0x180,
    };
    expect(acceptedText(restricted, false)).toBe(
      'mfsmaster accepted connection with parameters: read-only,not_restricted_ip,ignore_gid,map_all ; ' +
        'global umask set to 0022 ; root mapped to root:root ; users mapped to 4000000000:4000000001 ; ' +
        'setgoal limited to (2:5) ; settrashtime limited to (60m:7101w3d6h28m15s) ; disabled commands: unlink,rmdir',
    );
    expect(acceptedText(session, true)).toBe(
      'mfsmaster accepted connection with parameters: read-write,restricted_ip,admin',
    );
  });
});

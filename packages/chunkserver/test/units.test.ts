import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Charts } from '../src/charts/charts.ts';
import { chooseChart, SERIES } from '../src/charts/series.ts';
import { parseHddConfig } from '../src/disks/hddConfig.ts';
import { decodeIdentity, encodeIdentity } from '../src/disks/identity.ts';
import { folderSpace } from '../src/disks/space.ts';
import { parseLabels } from '../src/labels.ts';
import { PacketReader } from '../src/net/packets.ts';
import { ChunkTable, NONE } from '../src/store/chunkTable.ts';
import { systemErrorText } from '../src/store/failures.ts';
import { chunkFileName, emptyTable, isZero, layoutOfSize, parseChunkFileName } from '../src/store/format.ts';

describe('mfshdd.cfg', () => {
  const parse = (text: string) => {
    const warnings: string[] = [];
    return { lines: parseHddConfig(text, (message) => warnings.push(message)), warnings };
  };
  const plain = { marked: false, ignoreSizeChange: false, role: 'none', limit: { kind: 'default' } };

  it.each([
    ['/mnt/a', { ...plain, path: '/mnt/a/' }],
    ['/mnt/a/  \t\r', { ...plain, path: '/mnt/a/' }],
    ['*/mnt/a', { ...plain, path: '/mnt/a/', marked: true }],
    ['~*</mnt/a', { ...plain, path: '/mnt/a/', marked: true, ignoreSizeChange: true, role: 'source' }],
    ['<>/mnt/a', { ...plain, path: '/mnt/a/', role: 'destination' }],
    ['><><~/mnt/a', { ...plain, path: '/mnt/a/', role: 'source', ignoreSizeChange: true }],
    ['* /x', { ...plain, path: ' /x/', marked: true }],
    ['/mnt/a -5GiB', { ...plain, path: '/mnt/a/', limit: { kind: 'leaveFree', bytes: 5 * 2 ** 30 } }],
    ['/mnt/a \t 1.5TiB', { ...plain, path: '/mnt/a/', limit: { kind: 'atMost', bytes: 1.5 * 2 ** 40 } }],
    ['/mnt/a .5G', { ...plain, path: '/mnt/a/', limit: { kind: 'atMost', bytes: 5e8 } }],
    ['/mnt/my disk', { ...plain, path: '/mnt/my disk/' }],
    ['/mnt/my disk 256M', { ...plain, path: '/mnt/my disk/', limit: { kind: 'atMost', bytes: 256e6 } }],
    ['/mnt/a #b', { ...plain, path: '/mnt/a #b/' }],
  ])('%j', (line, expected) => {
    expect(parse(line)).toEqual({ lines: [expected], warnings: [] });
  });

  it('warns about sizes that are none and keeps them in the path', () => {
    expect(parse('/mnt/a 10%')).toEqual({
      lines: [{ ...plain, path: '/mnt/a 10%/' }],
      warnings: ['size parse error, data: 10%'],
    });
    expect(parse('/mnt/a 10K').lines[0].path).toBe('/mnt/a 10K/');
  });

  it('leaves out comments and empty lines', () => {
    expect(parse('#/mnt/a\n\n  \t\n#\n/mnt/b\n').lines.map((line) => line.path)).toEqual(['/mnt/b/']);
  });

  it('takes any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 3000 }), (text) => {
        for (const line of parse(text).lines) expect(line.path.endsWith('/')).toBe(true);
      }),
    );
  });
});

describe('labels', () => {
  it.each([
    ['', 0, 0],
    ['A', 1, 0],
    ['a, C ;z', 1 + 4 + 2 ** 25, 0],
    ['AB', 3, 1],
    ['A,,B', 3, 1],
    ['A,A', 1, 1],
    ['A,1', 1, 1],
  ])('%j', (text, mask, complaints) => {
    expect(parseLabels(text).mask).toBe(mask);
    expect(parseLabels(text).complaints).toHaveLength(complaints);
  });
});

describe('identity', () => {
  it('is read and written as in the recorded file', () => {
    const file = readFileSync(
      resolve(import.meta.dirname, '../../../test/fixtures/moosefs-3.0.117/chunks/chunkserverid.mfs'),
    );
    const identity = decodeIdentity(file);
    expect(identity.chunkserverId).toBe(1);
    expect(encodeIdentity(identity)).toEqual(file);
    expect(decodeIdentity(file.subarray(0, 5))).toEqual({ chunkserverId: 1, metaId: 0n });
    expect(decodeIdentity(file.subarray(0, 1))).toEqual({ chunkserverId: 0, metaId: 0n });
  });
});

describe('chunk files', () => {
  it('have names that only these ids and versions have', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.nat(0xffff_ffff), (chunkId, version) => {
        expect(parseChunkFileName(chunkFileName(chunkId, version))).toEqual({ chunkId, version });
      }),
    );
    for (const name of ['chunk_000000000000000a_00000001.mfs', 'xchunk_000000000000000A_00000001.mfs', 'chunk_A_1.mfs'])
      expect(parseChunkFileName(name)).toBeUndefined();
    expect(parseChunkFileName('chunk_FFFFFFFFFFFFFFFF_00000001.mfs')).toBeUndefined();
  });

  it('have sizes that tell their layout', () => {
    expect(layoutOfSize(8192)).toEqual({ headerBytes: 4096, blocks: 0 });
    expect(layoutOfSize(5120 + 1024 * 65536)).toEqual({ headerBytes: 1024, blocks: 1024 });
    for (const size of [0, 1024, 4096, 5119, 8193, 8192 + 1025 * 65536, 8192 + 65535])
      expect(layoutOfSize(size)).toBeUndefined();
  });

  it('have tables of the CRC of zeros', () => {
    expect(emptyTable().subarray(4092).toString('hex')).toBe('d7978eeb');
    expect(isZero(Buffer.alloc(700))).toBe(true);
    expect(isZero(Buffer.from([0, 0, 1]))).toBe(false);
  });
});

describe('chunk table', () => {
  it('behaves like a map with a list for each folder', () => {
    const operation = fc.record({
      kind: fc.constantFrom('add', 'add', 'add', 'remove', 'use', 'move'),
      id: fc.oneof(fc.nat(40), fc.maxSafeNat()),
      folder: fc.nat(3),
    });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 300 }), (operations) => {
        const table = new ChunkTable();
        const lists: number[][] = [[], [], [], []];
        const folders = new Map<number, number>();
        const takeOut = (id: number) => {
          const list = lists[folders.get(id) ?? 0];
          list.splice(list.indexOf(id), 1);
        };
        for (const { kind, id, folder } of operations) {
          const slot = table.find(id);
          expect(slot === NONE).toBe(!folders.has(id));
          if (slot === NONE) {
            if (kind !== 'add') continue;
            table.add(id, 7, folder, 3);
            folders.set(id, folder);
            lists[folder].push(id);
            continue;
          }
          if (kind === 'add') continue;
          takeOut(id);
          if (kind === 'remove') {
            table.remove(slot);
            folders.delete(id);
          } else if (kind === 'use') {
            table.use(slot, 1);
            lists[folders.get(id) ?? 0].push(id);
          } else {
            table.move(slot, folder, 9);
            folders.set(id, folder);
            lists[folder].push(id);
          }
        }
        for (const [folder, list] of lists.entries())
          expect([...table.ofFolder(folder)].map((slot) => table.id(slot))).toEqual(list);
        expect(table.count).toBe(folders.size);
      }),
    );
  });

  it('grows', () => {
    const table = new ChunkTable();
    for (let id = 1; id <= 50_000; id++) table.add(id * 65_536, id, 0, 0);
    for (let id = 1; id <= 50_000; id++) expect(table.version(table.find(id * 65_536))).toBe(id);
    expect(table.find(3)).toBe(NONE);
  });
});

describe('space', () => {
  const volume = {
    fragmentBytes: 4096,
    blocks: 1_000_000,
    freeBlocks: 500_000,
    availableBlocks: 450_000,
    inodes: 0,
    availableInodes: 0,
    readOnly: false,
  };
  const content = { chunks: 100, averageBlocks: 10 };

  it('counts the reserve as used', () => {
    expect(folderSpace(volume, { kind: 'default' }, 1e6, content)).toEqual({
      totalBytes: 950_000 * 4096,
      availableBytes: 450_000 * 4096 - 1e6,
    });
    expect(folderSpace(volume, { kind: 'leaveFree', bytes: 5e9 }, 1e6, content).availableBytes).toBe(0);
  });

  it('takes a limit as the whole', () => {
    expect(folderSpace(volume, { kind: 'atMost', bytes: 1e8 }, 1e6, content)).toEqual({
      totalBytes: 1e8,
      availableBytes: 1e8 - 100 * (10 * 65_536 + 8192),
    });
  });

  it('is capped by the inodes', () => {
    const few = { ...volume, inodes: 1000, availableInodes: 10 };
    const space = folderSpace(few, { kind: 'default' }, 0, content);
    expect(space.availableBytes).toBe(10 * (10 * 65_536 + 8192));
    expect(space.totalBytes).toBe(950_000 * 4096 - (450_000 * 4096 - space.availableBytes));
  });
});

describe('system errors', () => {
  it.each([
    ["Error: ENOENT: no such file or directory, open '/a/.lock'", 'ENOENT (No such file or directory)'],
    ['Error: listen EADDRINUSE: address already in use 10.0.0.1:9422', 'EADDRINUSE (Address already in use)'],
    ['Error: EROFS: read-only file system, open', 'EROFS (Read-only file system)'],
    ['something else', 'something else'],
  ])('%s', (message, text) => {
    expect(systemErrorText(message)).toBe(text);
  });
});

describe('packets', () => {
  it('are the same however the bytes arrive', () => {
    const frame = fc.record({ type: fc.nat(1000), payload: fc.uint8Array({ maxLength: 5000 }) });
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 8 }), fc.array(fc.integer({ min: 1, max: 6000 })), (frames, cuts) => {
        const bytes = Buffer.concat(
          frames.map(({ type, payload }) => {
            const head = Buffer.alloc(8);
            head.writeUInt32BE(type, 0);
            head.writeUInt32BE(payload.length, 4);
            return Buffer.concat([head, payload]);
          }),
        );
        const reader = new PacketReader(() => 5000);
        const seen: { type: number; payload: Buffer }[] = [];
        let at = 0;
        for (const cut of [...cuts, bytes.length]) {
          const piece = Buffer.from(bytes.subarray(at, at + cut));
          reader.push(piece, (packet) => {
            seen.push({ type: packet.type, payload: Buffer.from(packet.payload) });
            packet.release();
          });
          piece.fill(0xee);
          at += cut;
        }
        expect(seen).toEqual(frames.map(({ type, payload }) => ({ type, payload: Buffer.from(payload) })));
      }),
    );
  });
});

describe('charts', () => {
  const samples = (value: number) => SERIES.map(() => value);
  const START = 1_800_000_000;

  it('join samples by sum or maximum in four ranges', () => {
    const charts = new Charts(START);
    for (let minute = 1; minute <= 8; minute++) charts.book(samples(minute), START + minute * 60);
    const ucpu = charts.values(0, 3);
    expect(ucpu).toEqual({ time: START + 480, values: [8n, 7n, 6n] });
    expect(charts.values(1, 2)?.values).toEqual([6n + 7n + 8n, 1n + 2n + 3n + 4n + 5n]);
    expect(charts.values(281, 2)?.values).toEqual([8n, 5n]);
    charts.book(samples(100), START + 60 * 60);
    expect(charts.values(0, 3)?.values).toEqual([100n, 2n ** 64n - 1n, 2n ** 64n - 1n]);
  });

  it('survive the file', () => {
    const charts = new Charts(START);
    for (let minute = 1; minute <= 20; minute++) charts.book(samples(minute), START + minute * 60);
    const file = charts.encode();
    expect(file.length).toBe(4_459_864);
    const again = new Charts(START + 30 * 60);
    expect(again.decode(file, START + 20 * 60)).toBe(true);
    for (const chart of [0, 1, 2, 3, 333]) expect(again.values(chart)).toEqual(charts.values(chart));
    expect(again.decode(Buffer.alloc(100), START)).toBe(false);
  });

  it('are found by number and by name', () => {
    expect(chooseChart(333)).toEqual({ kind: 'series', number: 33, range: 3 });
    expect(chooseChart(0x55435055)).toEqual({ kind: 'series', number: 0, range: 0 });
    expect(chooseChart(0x55435075)).toEqual({ kind: 'series', number: 0, range: 1 });
    expect(chooseChart(0x55437055)).toEqual({ kind: 'series', number: 0, range: 2 });
    expect(chooseChart(0x55437075)).toEqual({ kind: 'series', number: 0, range: 3 });
    expect(chooseChart(0x55635055)).toBeUndefined();
    expect(chooseChart(340)).toBeUndefined();
    expect(chooseChart(4)).toBeUndefined();
    expect(chooseChart(1081)).toEqual({ kind: 'combined', number: 8, range: 1 });
  });
});

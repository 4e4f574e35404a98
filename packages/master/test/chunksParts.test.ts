import { parseConfig } from '@alces/runtime';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CopyState, CopyStore } from '../src/chunks/copies.ts';
import { matchedCount, matchLabels, satisfies, unmatched } from '../src/chunks/labels.ts';
import { ChunkMarks } from '../src/chunks/marks.ts';
import type { ChunkServer } from '../src/chunks/servers.ts';
import { chunkSettings, parseReserveSpace, remapped, SettingsError } from '../src/chunks/settings.ts';
import { parseTopology } from '../src/chunks/topology.ts';
import { WaitingRequests } from '../src/chunks/waiters.ts';

describe('topology', () => {
  const warnings: number[] = [];
  const text = [
    '# comment',
    '',
    '10.0.0.0/24\tUS|NY|R1  # the first rack',
    '10.0.1.0/255.255.255.0 US|NY|R2',
    '10.0.2.9-10.0.2.1 US|LA|R1',
    '10.1.0.1 US',
    '10.1.0.2 DE',
    '10.1.0.3 US|P|A|1',
    '10.1.0.4 US|Q',
    '10.0.0.77 DE',
    '10.9.9.9/40 X',
    '10.9.9.9',
    '10.9.9.9 X Y',
    '  10.1.0.5  a#b',
  ].join('\r\n');
  const topology = parseTopology(text, (line) => warnings.push(line));
  const ip = (dotted: string): number => dotted.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);

  test.each([
    ['10.0.0.1', '10.0.0.1', 0],
    ['10.0.0.1', '10.0.0.2', 1],
    ['10.200.0.1', '10.201.0.1', 1],
    ['10.1.0.1', '10.1.0.2', 2],
    ['10.1.0.1', '10.200.0.1', 2],
    ['10.0.0.1', '10.0.1.1', 2],
    ['10.0.0.1', '10.0.2.5', 3],
    ['10.1.0.3', '10.1.0.4', 4],
    ['10.200.0.1', '10.0.0.1', 4],
    ['10.0.0.77', '10.1.0.2', 1],
    ['10.0.0.78', '10.0.0.76', 1],
    ['10.0.2.10', '10.0.2.9', 4],
  ])('%s to %s is %d', (a, b, distance) => {
    expect(topology.distance(ip(a), ip(b))).toBe(distance);
    expect(topology.distance(ip(b), ip(a))).toBe(distance);
  });

  test('bad lines are reported and the rest is used', () => {
    expect(warnings).toEqual([11, 12, 13]);
    expect(topology.rack(ip('10.1.0.5'))).toBeGreaterThan(0);
    expect(topology.rack(ip('10.9.9.9'))).toBe(0);
  });
});

describe('labels', () => {
  const server = (labelMask: number, slot: number): ChunkServer => ({ labelMask, slot }) as ChunkServer;
  const alone = (one: ChunkServer): number => one.slot;

  test('an expression is satisfied by all labels of one mask', () => {
    expect(satisfies(0b001, [0, 0, 0, 0])).toBe(true);
    expect(satisfies(0b111, [0b101, 0, 0, 0])).toBe(true);
    expect(satisfies(0b100, [0b101, 0b010, 0, 0])).toBe(false);
    expect(satisfies(0b010, [0b101, 0b010, 0, 0])).toBe(true);
    expect(satisfies(0x80000000, [0x80000000, 0, 0, 0])).toBe(true);
  });

  test('servers of one group take one label', () => {
    const any = [
      [0, 0, 0, 0],
      [0, 0, 0, 0],
    ];
    const servers = [server(1, 0), server(1, 1), server(1, 2)];
    expect(matchedCount(matchLabels(any, servers, () => 1))).toBe(1);
    expect(matchLabels(any, servers, alone).toSorted()).toEqual([1, 2]);
  });

  test('the assignment is a maximum one', () => {
    const mask = fc.integer({ min: 1, max: 15 });
    const labels = fc.array(fc.tuple(mask, mask), { minLength: 1, maxLength: 6 });
    const masks = fc.array(fc.integer({ min: 0, max: 15 }), { maxLength: 6 });
    fc.assert(
      fc.property(labels, masks, (pairs, labelMasks) => {
        const expressions = pairs.map(([a, b]) => [a, b, 0, 0]);
        const servers = labelMasks.map(server);
        const assignment = matchLabels(expressions, servers, alone);
        const used = assignment.filter((index) => index !== unmatched);
        expect(new Set(used).size).toBe(used.length);
        assignment.forEach((index, label) => {
          if (index !== unmatched) expect(satisfies(servers[index].labelMask, expressions[label])).toBe(true);
        });
        expect(matchedCount(assignment)).toBe(best(expressions, servers, 0));
      }),
    );
  });

  /** The greatest number of labels that can be served, by trying everything. */
  function best(labels: readonly number[][], servers: readonly ChunkServer[], from: number): number {
    if (from === labels.length) return 0;
    let most = best(labels, servers, from + 1);
    servers.forEach((one, index) => {
      if (!satisfies(one.labelMask, labels[from])) return;
      most = Math.max(most, 1 + best(labels, [...servers.slice(0, index), ...servers.slice(index + 1)], from + 1));
    });
    return most;
  }
});

describe('settings', () => {
  const read = (text: string, previous?: Parameters<typeof chunkSettings>[2]) => {
    const warnings: string[] = [];
    const settings = chunkSettings(parseConfig(text, 'mfsmaster.cfg'), (message) => warnings.push(message), previous);
    return { ...settings, warnings };
  };

  test('defaults', () => {
    expect(read('')).toMatchObject({
      softDeleteLimit: 10,
      hardDeleteLimit: 30,
      writeReplicationLimits: [2, 1, 1, 4],
      readReplicationLimits: [10, 5, 2, 5],
      acceptableDifference: 0.01,
      loopMinSeconds: 300,
      loopMaxChunksPerSecond: 100000,
      reserveSpace: { unit: 'bytes', value: 0 },
      remap: undefined,
      authCode: undefined,
      warnings: [],
    });
  });

  test('values are clamped and old forms understood', () => {
    const settings = read(
      'CHUNKS_LOOP_TIME = 10\nCHUNKS_HARD_DEL_LIMIT = 4\nCHUNKS_WRITE_REP_LIMIT = 1.5\nACCEPTABLE_DIFFERENCE = 0.5\n' +
        'CS_DAYS_TO_REMOVE_UNUSED = 400\nAUTH_CODE =\nCHUNKS_UNIQUE_MODE = 7\n',
    );
    expect(settings).toMatchObject({
      loopMinSeconds: 60,
      softDeleteLimit: 4,
      hardDeleteLimit: 4,
      writeReplicationLimits: [1.5, 1.5, 1.5, 1.5],
      acceptableDifference: 0.1,
      daysToRemoveUnused: 0,
      authCode: '',
      uniqueMode: 0,
    });
    expect(settings.loopMaxChunksPerSecond).toBeGreaterThan(10000000);
    expect(settings.warnings).toHaveLength(4);
  });

  test('malformed limits stop the start and are ignored at a reload', () => {
    expect(() => read('CHUNKS_SOFT_DEL_LIMIT = 0')).toThrow(SettingsError);
    expect(() => read('CHUNKS_READ_REP_LIMIT = 1,2')).toThrow(SettingsError);
    const before = read('CHUNKS_SOFT_DEL_LIMIT = 7\nCHUNKS_READ_REP_LIMIT = 1,2,3,4');
    const after = read('CHUNKS_SOFT_DEL_LIMIT = 0\nCHUNKS_READ_REP_LIMIT = x', before);
    expect(after).toMatchObject({ softDeleteLimit: 7, hardDeleteLimit: 21, readReplicationLimits: [1, 2, 3, 4] });
  });

  test.each([
    ['1.5GiB', { unit: 'bytes', value: 1.5 * 2 ** 30 }],
    ['2MB', { unit: 'bytes', value: 2e6 }],
    ['10%', { unit: 'percent', value: 10 }],
    ['1.5U', { unit: 'used', value: 1.5 }],
    ['.5C', { unit: 'total', value: 0.5 }],
    ['1K', undefined],
    ['many', undefined],
  ])('RESERVE_SPACE %s', (text, reserve) => {
    expect(parseReserveSpace(text)).toEqual(reserve);
  });

  test('addresses are remapped by their first bits', () => {
    const { remap } = read(
      'REMAP_BITS = 24\nREMAP_SOURCE_IP_CLASS = 192.168.1.0\nREMAP_DESTINATION_IP_CLASS = 10.5.6.0\n',
    );
    expect(remapped(0xc0a80107, remap)).toBe(0x0a050607);
    expect(remapped(0xc0a80207, remap)).toBe(0xc0a80207);
    const bad = read('REMAP_BITS = 24\nREMAP_SOURCE_IP_CLASS = 192.168.1.1\nREMAP_DESTINATION_IP_CLASS = 10.5.6.0\n');
    expect(bad.remap).toBeUndefined();
    expect(bad.warnings).toHaveLength(1);
  });
});

describe('copies', () => {
  test('a chunk with two copies takes less than 40 bytes', () => {
    const copies = new CopyStore();
    const marks = new ChunkMarks();
    const chunks = 300_000;
    for (let slot = 1; slot <= chunks; slot++) {
      copies.add(slot, 1, CopyState.ok, 1);
      copies.add(slot, 2, CopyState.ok, 1);
      marks.setCounted(slot, 2, false, 2, 2);
    }
    // The arrays grow by half, so at worst a third of them is room to grow.
    expect(((copies.byteLength + marks.byteLength) / chunks) * (2 / 3)).toBeLessThan(40);
  });

  test('the list of a chunk behaves as a list', () => {
    const steps = fc.array(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 0, max: 7 })), {
      maxLength: 200,
    });
    fc.assert(
      fc.property(steps, (changes) => {
        const copies = new CopyStore();
        const model = new Map<number, number[]>();
        for (const [slot, server] of changes) {
          const held = model.get(slot) ?? [];
          const present = copies.find(slot, server);
          expect(present !== 0).toBe(held.includes(server));
          if (present === 0) {
            copies.add(slot, server, CopyState.ok, slot);
            model.set(slot, [server, ...held]);
          } else {
            copies.remove(slot, present);
            model.set(
              slot,
              held.filter((other) => other !== server),
            );
          }
        }
        for (const [slot, held] of model) {
          const servers: number[] = [];
          for (let copy = copies.first(slot); copy !== 0; copy = copies.next(copy)) servers.push(copies.server(copy));
          expect(servers).toEqual(held);
        }
        expect(copies.count).toBe([...model.values()].reduce((sum, held) => sum + held.length, 0));
      }),
    );
  });
});

describe('waiting requests', () => {
  test('a request that unlocks its chunk again does not run others twice or out of order', () => {
    const waiters = new WaitingRequests();
    const ran: string[] = [];
    const waiter = (name: string, result = 0) => ({
      owner: {},
      run: () => {
        ran.push(name);
        waiters.wake(1, () => false);
        return result;
      },
      expire: (status: number) => ran.push(`${name} late ${status}`),
    });
    waiters.park(1, 11, waiter('a'), 0);
    waiters.park(1, 11, waiter('b', 14), 0);
    waiters.park(1, 11, waiter('c'), 5);
    waiters.wake(1, () => false);
    expect(ran).toEqual(['a', 'b']);
    waiters.expire(30_000);
    expect(ran).toEqual(['a', 'b', 'b late 14']);
    waiters.wake(1, () => false);
    expect(ran).toEqual(['a', 'b', 'b late 14', 'c']);
    expect(waiters.count).toBe(0);
  });
});

import {
  CSTOMA_ALCES_STANDBY,
  CSTOMA_ALCES_SYNCED,
  CSTOMA_CHUNK_DAMAGED,
  CSTOMA_CHUNK_LOST,
  CSTOMA_CHUNK_NEW,
  CSTOMA_CREATE,
  CSTOMA_REGISTER,
  encodeFrame,
  FrameReader,
  MATOCS_ALCES_LEAD,
  MATOCS_ALCES_LEADER,
  MATOCS_MASTER_ACK,
  VERSION,
} from '@alces/proto';
import { type Connection, createLogger } from '@alces/runtime';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LocationTable } from '../src/chunks/standby/locations.ts';
import { createStandbyChunkservers } from '../src/chunks/standby/service.ts';
import { SeededRandom, SimulatedClock } from './chunks-support/simulatedClock.ts';
import { quickSettings, SimulatedCluster } from './chunks-support/simulatedCluster.ts';
import { SimulatedNet } from './chunks-support/simulatedNet.ts';

describe('the table of one server', () => {
  test('holds what a Map holds, whatever is entered and taken out', () => {
    // Few ids, many with equal low bits, so that they meet in the same places.
    const id = fc.oneof(
      fc.integer({ min: 1, max: 60 }),
      fc.integer({ min: 1, max: 40 }).map((n) => n * 2 ** 34 + 7),
    );
    const step = fc.record({ id, version: fc.integer({ min: 0, max: 0xffff_ffff }), take: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const table = new LocationTable();
        const model = new Map<number, number>();
        for (const { id: chunkId, version, take } of steps) {
          if (take) {
            expect(table.delete(chunkId)).toBe(model.get(chunkId) ?? -1);
            model.delete(chunkId);
          } else {
            table.set(chunkId, version);
            model.set(chunkId, version);
          }
        }
        expect(table.count).toBe(model.size);
        for (const [chunkId, version] of model) expect(table.get(chunkId)).toBe(version);
        expect(new Set(table.idsFrom(41))).toEqual(new Set([...model.keys()].filter((chunkId) => chunkId >= 41)));
        const drained = new Map<number, number>();
        for (const _ of table.drain((chunkId, version) => drained.set(chunkId, version)));
        expect(drained).toEqual(model);
        expect(table.count).toBe(0);
      }),
    );
  });

  test('takes a hundred thousand chunks in 16 to 32 bytes each, and gives up any of them while it is emptied', () => {
    const table = new LocationTable();
    for (let chunkId = 1; chunkId <= 100_000; chunkId++) table.set(chunkId * 3, chunkId);
    expect(table.byteLength / 100_000).toBeGreaterThan(12);
    expect(table.byteLength / 100_000).toBeLessThan(32);
    const seen = new Set<number>();
    let early = 0;
    for (const _ of table.drain((chunkId) => seen.add(chunkId))) {
      const chunkId = 3 * (1 + ((seen.size * 7919) % 100_000));
      const taken = table.delete(chunkId) >= 0;
      expect(taken).toBe(!seen.has(chunkId));
      if (taken) early++;
      seen.add(chunkId);
    }
    expect(early).toBeGreaterThan(100);
    expect(seen.size).toBe(100_000);
  });
});

const beginFields = {
  version: VERSION,
  ip: 0x0a00010a,
  port: 9422,
  timeout: 0,
  csid: 3,
  usedSpace: 1,
  totalSpace: 2 ** 40,
  chunks: 0,
  tdUsedSpace: 0,
  tdTotalSpace: 0,
  tdChunks: 0,
};
const begin = CSTOMA_REGISTER.encode({ layout: 'begin', ...beginFields });
const hello = CSTOMA_ALCES_STANDBY.encode({ protocol: 1 });
const end = CSTOMA_REGISTER.encode({ layout: 'end' });

function list(...chunks: [number, number][]): Buffer {
  return CSTOMA_REGISTER.encode({
    layout: 'chunks',
    chunks: chunks.map(([chunkId, version]) => ({ chunkId, version })),
  });
}

/** A node that follows, and connections to it. */
class Follower {
  readonly clock = new SimulatedClock();
  readonly net = new SimulatedNet(this.clock);
  readonly standby = createStandbyChunkservers({
    clock: this.clock,
    net: this.net,
    random: new SeededRandom(1),
    log: createLogger({ name: 'test', target: { file: '/dev/null' } }),
    settings: () => quickSettings({ authCode: this.authCode }),
    metaId: () => 0x1122334455667788n,
    nextChunkId: () => 100,
    maxLocations: 50,
  });
  authCode: string | undefined;

  constructor() {
    void this.standby.listen({ host: '*', port: 9427 });
  }

  dial(): { connection: Connection; types: number[]; frames: Buffer[]; closed: () => boolean } {
    const reader = new FrameReader(10_000);
    const types: number[] = [];
    const frames: Buffer[] = [];
    let closed = false;
    const connection = this.net.dial('10.0.1.10', {
      data: (bytes) => {
        reader.push(bytes);
        for (const { type, payload } of reader) {
          if (type === 0) continue;
          types.push(type);
          frames.push(payload);
        }
      },
      close: () => {
        closed = true;
      },
    });
    return { connection, types, frames, closed: () => closed };
  }

  /** Sends frames over a new connection and lets time pass. */
  send(...frames: Buffer[]) {
    const peer = this.dial();
    for (const frame of frames) peer.connection.write(frame);
    this.clock.advance(20);
    return peer;
  }
}

describe('the port of a node that follows', () => {
  test('takes a registration and what follows it', () => {
    const follower = new Follower();
    const peer = follower.send(hello, begin, list([1, 1], [2, 5]), list([3, 1]), end);
    expect(peer.frames.map((payload) => payload.toString('hex'))).toEqual([
      '00000300ea000a00031122334455667788',
      '00',
      '00',
    ]);
    expect(follower.standby.figures).toMatchObject({ servers: 1, copies: 3 });
    peer.connection.write(CSTOMA_CHUNK_LOST.encode({ chunkIds: [1, 77] }));
    peer.connection.write(CSTOMA_CHUNK_NEW.encode({ chunks: [{ chunkId: 9, version: 1 }] }));
    follower.clock.advance(20);
    expect(follower.standby.figures.copies).toBe(3);
    peer.connection.destroy();
    follower.clock.advance(300);
    expect(follower.standby.figures).toMatchObject({ servers: 0, copies: 0 });
  });

  test.each<[string, Buffer[]]>([
    ['a chunkserver that is not of Alces', [begin]],
    ['another protocol', [CSTOMA_ALCES_STANDBY.encode({ protocol: 2 }), begin]],
    ['a list before the registration', [hello, list([1, 1])]],
    ['a second registration', [hello, begin, begin]],
    ['a list behind the end', [hello, begin, end, list([1, 1])]],
    ['a list of odd length', [hello, begin, encodeFrame(107, Buffer.alloc(13))]],
    ['a result of an order', [hello, begin, end, CSTOMA_CREATE.encode({ chunkId: 1, status: 0 })]],
    ['a handover that nobody began', [hello, begin, end, CSTOMA_ALCES_SYNCED.encode({ epoch: 1, scanned: 0 })]],
    ['an unknown message', [hello, begin, end, encodeFrame(4711)]],
    ['a frame that is too long for a stranger', [hello, Buffer.from('0000006400010000', 'hex')]],
    [
      'more chunks than there is room for',
      [
        hello,
        begin,
        list(...Array.from({ length: 60 }, (_, index): [number, number] => [index + 1, 1])),
        list([99, 1]),
      ],
    ],
  ])('closes on %s', (_, frames) => {
    const follower = new Follower();
    const peer = follower.send(...frames);
    follower.clock.advance(20);
    expect(peer.closed()).toBe(true);
    expect(follower.standby.figures.copies).toBe(0);
    follower.send(hello, begin, list([1, 1]), end);
    expect(follower.standby.figures).toMatchObject({ servers: 1, copies: 1 });
  });

  test('ignores impossible ids', () => {
    const follower = new Follower();
    follower.send(hello, begin, list([0, 1], [2_000_000_000, 1], [2 ** 52, 1], [5, 1]), end);
    expect(follower.standby.figures.copies).toBe(1);
  });

  test('demands authorization when the master does', () => {
    const follower = new Follower();
    follower.authCode = 'secret';
    const peer = follower.send(hello, begin);
    expect(MATOCS_MASTER_ACK.decode(peer.frames[0])).toMatchObject({ layout: 'challenge' });
    peer.connection.write(CSTOMA_REGISTER.encode({ layout: 'beginAuth', digest: Buffer.alloc(16), ...beginFields }));
    follower.clock.advance(20);
    expect(peer.closed()).toBe(true);
  });

  test('refuses everybody while the node leads, and lets go of all when it follows again', () => {
    const follower = new Follower();
    const known = follower.send(hello, begin, end);
    const halfway = follower.send(hello, begin);
    const handover = follower.standby.takeOver();
    follower.clock.advance(20);
    expect(handover.links).toHaveLength(1);
    expect(halfway.closed()).toBe(true);
    expect(follower.send(hello).closed()).toBe(true);
    follower.standby.resume();
    follower.clock.advance(20);
    expect(known.closed()).toBe(true);
    expect(follower.send(hello, begin, end).closed()).toBe(false);
  });
});

describe('a node that follows another leader than before', () => {
  test('tells servers that are registered, and later ones when they are', () => {
    const follower = new Follower();
    const early = follower.send(hello, begin, end);
    follower.standby.leaderIs(8, '10.0.0.2');
    const late = follower.send(hello, begin);
    expect(late.types).not.toContain(MATOCS_ALCES_LEADER.number);
    late.connection.write(end);
    follower.clock.advance(20);
    for (const { types } of [early, late]) expect(types.at(-1)).toBe(MATOCS_ALCES_LEADER.number);
  });
});

describe('a node that takes the lead', () => {
  /** A follower with one server, and the master that leads after it on the same clock. */
  function promoted(...chunks: [number, number][]) {
    const follower = new Follower();
    const peer = follower.send(hello, begin, list(...chunks), end);
    const cluster = new SimulatedCluster(1, quickSettings(), { cluster: { epoch: 7, pingMs: 500, followers: [] } });
    cluster.service.takeOver(follower.standby.takeOver());
    const run = (ms: number) => {
      follower.clock.advance(ms);
      cluster.clock.advance(ms);
    };
    run(20);
    return { follower, peer, cluster, run };
  }

  test('tells its servers so, and counts them when they know', () => {
    const { peer, cluster, run } = promoted([1, 1], [2, 1]);
    expect(peer.types.at(-1)).toBe(MATOCS_ALCES_LEAD.number);
    expect(cluster.master.serverList()).toEqual([]);
    // The last changes of the time before come behind.
    peer.connection.write(CSTOMA_CHUNK_LOST.encode({ chunkIds: [2] }));
    peer.connection.write(CSTOMA_CHUNK_NEW.encode({ chunks: [{ chunkId: 3, version: 4 }] }));
    peer.connection.write(CSTOMA_ALCES_SYNCED.encode({ epoch: 7, scanned: 0 }));
    run(100);
    expect(cluster.master.serverList()).toHaveLength(1);
    expect(cluster.master.space().totalBytes).toBe(2 ** 40);
    expect([1, 2, 3].map((chunkId) => cluster.master.liveCopies(chunkId))).toEqual([1, 0, 1]);
  });

  test.each([
    { scanned: 0, still: true },
    { scanned: 1, still: false },
  ])('copies may still turn up on a server that has just registered: $still if it says scanned $scanned', (told) => {
    const { peer, cluster, run } = promoted([1, 1]);
    peer.connection.write(CSTOMA_ALCES_SYNCED.encode({ epoch: 7, scanned: told.scanned }));
    run(500);
    expect(cluster.master.changing()).toBe(told.still);
    run(3000);
    expect(cluster.master.changing()).toBe(false);
  });

  test('does not believe in a server that was told of another epoch', () => {
    const { peer, cluster, run } = promoted([1, 1]);
    peer.connection.write(CSTOMA_ALCES_SYNCED.encode({ epoch: 6, scanned: 0 }));
    run(100);
    expect(peer.closed()).toBe(true);
    expect(cluster.master.serverList()).toEqual([]);
  });

  test('does not delete chunks that it does not know, and gives out none of their ids', () => {
    const { peer, cluster, run } = promoted([40, 1], [41, 2]);
    peer.connection.write(CSTOMA_ALCES_SYNCED.encode({ epoch: 7, scanned: 0 }));
    run(3);
    expect(cluster.state.nextchunkid).toBe(42);
    cluster.run(120);
    const commands = peer.types.filter((type) => type === 120);
    expect(commands).toEqual([]);
    expect(cluster.log.filter(({ op }) => op === 'CHUNKADD')).toHaveLength(2);
  });

  test('knows of damage', () => {
    const { peer, cluster, run } = promoted([1, 1]);
    peer.connection.write(CSTOMA_CHUNK_DAMAGED.encode({ chunkIds: [1] }));
    peer.connection.write(CSTOMA_ALCES_SYNCED.encode({ epoch: 7, scanned: 0 }));
    run(100);
    expect(cluster.master.liveCopies(1)).toBe(0);
    expect(cluster.master.copies(1)).toMatchObject([{ type: 4 }]);
  });
});

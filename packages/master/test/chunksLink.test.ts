import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadImageFrom } from '@alces/metadata';
import { CSTOMA_REGISTER, encodeFrame, FrameReader } from '@alces/proto';
import type { Connection } from '@alces/runtime';
import { describe, expect, test } from 'vitest';
import { SeededRandom } from './chunks-support/simulatedClock.ts';
import { quickSettings, SimulatedCluster } from './chunks-support/simulatedCluster.ts';

const fixtures = fileURLToPath(new URL('../../../test/fixtures/moosefs-3.0.117/', import.meta.url));

interface RecordedFrame {
  readonly t: number;
  readonly conn: number;
  readonly dir: 'request' | 'reply';
  readonly frm: string;
  readonly type: number;
  readonly hex: string;
}

function recorded(scenario: number): RecordedFrame[] {
  const text = readFileSync(`${fixtures}frames-${scenario}/chunkserver-master.jsonl`, 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as RecordedFrame);
}

/** A raw connection to the chunkserver port. */
class Peer {
  readonly answers: string[] = [];
  closed = false;
  private readonly cluster: SimulatedCluster;
  private readonly connection: Connection;
  private readonly reader = new FrameReader(10_000);

  constructor(cluster: SimulatedCluster, from = '10.97.0.11') {
    this.cluster = cluster;
    this.connection = cluster.net.dial(from, {
      data: (bytes) => {
        this.reader.push(bytes);
        for (const { type, payload } of this.reader) this.answers.push(`${type} ${payload.toString('hex')}`.trim());
      },
      close: () => {
        this.closed = true;
      },
    });
  }

  /** Sends a frame and gives the master time to answer. */
  send(type: number, hex = ''): this {
    this.connection.write(encodeFrame(type, Buffer.from(hex, 'hex')));
    this.cluster.run(0.01);
    return this;
  }

  sendBytes(hex: string): this {
    this.connection.write(Buffer.from(hex, 'hex'));
    this.cluster.run(0.01);
    return this;
  }

  close(): void {
    this.connection.destroy();
    this.cluster.run(0.05);
  }

  /** Answers other than NOPs. */
  get replies(): string[] {
    return this.answers.filter((answer) => answer !== '0');
  }
}

const beginFields = '000300ea0a61000b24ce0000';
const emptySpace = '00'.repeat(40);
const begin = `3c${beginFields}0000${emptySpace}`;

function accepted(csid: string, metaId = '1122334455667788'): string {
  return `104 00000300ea000a${csid}${metaId}`;
}

describe('recorded registrations of stock chunkservers', () => {
  test('a new file system answers scenario 1 as the stock master did', () => {
    const cluster = new SimulatedCluster();
    cluster.state.metaid = BigInt('0x6b00bfbb9d6189d0');
    const frames = recorded(1);
    replayRegistrations(cluster, frames);
    expect(cluster.log.map((entry) => entry.op === 'CSDBOP' && [entry.csop, entry.arg])).toEqual([
      [0, 0],
      [3, 1],
      [0, 0],
      [3, 2],
      [0, 0],
      [3, 3],
    ]);
    expect(cluster.master.serverList().map(({ labelMask }) => labelMask)).toEqual([1, 2, 2]);
  });

  test('with the image of scenario 1, chunkservers of scenario 2 find their entries and chunks', () => {
    const image = readFileSync(`${fixtures}image-1/metadata.mfs`);
    const { state } = loadImageFrom(image, { now: 1_800_000_000 });
    const cluster = new SimulatedCluster(1, quickSettings(), { state });
    const connections = replayRegistrations(cluster, recorded(2));
    expect(connections).toBe(7);
    // Chunks 11 and 12 were made while scenario 2 ran; those of the image are known.
    const unknown = cluster.log.flatMap((entry) => (entry.op === 'CHUNKADD' ? [entry.chunkid] : []));
    expect(unknown).toEqual([11, 12]);
    const located = cluster.master.locations(1, 0x0a610001);
    expect(located.version).toBe(1);
    expect(located.servers.map(({ ip }) => ip).sort()).toEqual([0x0a61000b, 0x0a61000c, 0x0a61000d]);
    expect(cluster.master.liveCopies(2)).toBe(3);
  });
});

/** Sends what recorded chunkservers sent until their first order, connection after connection, and compares the answers. */
function replayRegistrations(cluster: SimulatedCluster, frames: readonly RecordedFrame[]): number {
  const connections = Map.groupBy(frames, ({ conn }) => conn);
  const open = new Map<string, Peer>();
  for (const all of connections.values()) {
    const { frm } = all[0];
    open.get(frm)?.close();
    const peer = new Peer(cluster, frm);
    open.set(frm, peer);
    const orders = all.findIndex(({ dir, type }) => dir === 'reply' && type !== 104 && type !== 0);
    const talk = all.slice(0, orders < 0 ? all.length : orders).filter(({ type }) => type !== 0);
    for (const frame of talk) {
      if (frame.dir === 'request' && frame.hex !== '3f') peer.send(frame.type, frame.hex);
    }
    expect(peer.replies).toEqual(talk.filter(({ dir }) => dir === 'reply').map(({ hex }) => `104 ${hex}`));
    expect(peer.closed).toBe(false);
  }
  return connections.size;
}

describe('registration', () => {
  test('a server without an id gets the lowest free one, and keeps it at another address', () => {
    const cluster = new SimulatedCluster();
    const peer = new Peer(cluster).send(100, begin);
    expect(peer.replies).toEqual([accepted('0001')]);
    peer.close();
    const moved = new Peer(cluster).send(100, `3c000300ea0a61000b24cf00000001${emptySpace}`);
    expect(moved.replies).toEqual([accepted('0001')]);
    expect(cluster.log.at(-1)).toEqual({ op: 'CSDBOP', csop: 2, ip: 0x0a61000b, port: 9423, arg: 1 });
  });

  test('the chunk list is acknowledged part by part, its end is not', () => {
    const cluster = new SimulatedCluster();
    const peer = new Peer(cluster).send(100, begin).send(109, '00000005');
    peer.send(100, '3d000000000000000100000002').send(100, '3d').send(100, '3e');
    expect(peer.replies.slice(1)).toEqual(['104 00', '104 00']);
    expect(cluster.master.world.servers.all()[0]).toMatchObject({ registered: true, labelMask: 5 });
    expect(cluster.log.at(-1)).toMatchObject({ op: 'CHUNKADD', chunkid: 1, version: 2 });
  });

  test('generation 5: no id, no acknowledgement of parts, space at the end; parts of generation 6 are accepted', () => {
    const cluster = new SimulatedCluster();
    const peer = new Peer(cluster).send(100, '32000300ea0a61000b24ce000a');
    expect(peer.replies).toEqual(['104 00000300ea']);
    peer.send(100, '33000000000000000100000002').send(100, '3d000000000000000200000001');
    expect(peer.replies.slice(1)).toEqual(['104 00']);
    peer.send(100, `34${'0000000000000001'.repeat(2)}00000002${'00'.repeat(20)}`);
    expect(cluster.log.filter(({ op }) => op === 'CSDBOP')).toEqual([
      { op: 'CSDBOP', csop: 0, ip: 0x0a61000b, port: 9422, arg: 0 },
    ]);
    expect(cluster.master.serverList()[0]).toMatchObject({ csid: 0, usedBytes: 1, totalBytes: 1, chunks: 2 });
  });

  test('a second connection of a connected server is refused, and the first one goes on', () => {
    const cluster = new SimulatedCluster();
    const first = new Peer(cluster).send(100, begin);
    const second = new Peer(cluster).send(100, begin);
    expect(second).toMatchObject({ closed: true, replies: [] });
    expect(first.closed).toBe(false);
  });

  test('BEGIN twice closes, but the entry is free again', () => {
    const cluster = new SimulatedCluster();
    expect(new Peer(cluster).send(100, begin).send(100, begin).closed).toBe(true);
    cluster.run(0.1);
    expect(new Peer(cluster).send(100, begin).replies).toEqual([accepted('0001')]);
  });

  test('authorization: the recorded challenge wants the recorded digest', () => {
    const random = new SeededRandom(1);
    random.bytes = (count) => Buffer.from(Array.from({ length: count }, (_, index) => index));
    const cluster = new SimulatedCluster(1, quickSettings({ authCode: 'secret' }), { random });
    const rest = `000300ea0a621e0c24ce000a0007${emptySpace}`;
    const challenge = '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f';
    const peer = new Peer(cluster).send(100, `3c${rest}`);
    expect(peer.replies).toEqual([`104 03${challenge}`]);
    peer.send(100, `3c71ff807fe71e979e9d3977156664b8f1${rest}`);
    expect(peer.replies[1]).toBe(accepted('0007'));
    const wrong = new Peer(cluster).send(100, `3c${rest}`).send(100, `3c${'00'.repeat(16)}${rest}`);
    expect(wrong.closed).toBe(true);
    expect(new Peer(cluster).send(100, `3c71ff807fe71e979e9d3977156664b8f1${rest}`).closed).toBe(true);
    expect(new Peer(cluster).send(100, '32000300ea0a61000b24ce000a').closed).toBe(true);
  });

  test.each([
    ['a time-out below 10 s', 100, `3c000300ea0a61000b24ce00090000${emptySpace}`],
    ['a loopback address', 100, `3c000300ea7f00000124ce00000000${emptySpace}`],
    ['a digest that nobody asked for', 100, `3c${'00'.repeat(16)}${beginFields}0000${emptySpace}`],
    ['a wrong length', 100, `${begin}00`],
    ['an unknown stage', 100, '3b'],
    ['the end before the beginning', 100, '3e'],
    ['a list before the beginning', 100, '3d000000000000000100000002'],
    ['a report before the beginning', 107, '000000000000000100000002'],
    ['a notice before the beginning', 1, ''],
    ['an unknown message', 999, ''],
  ])('%s closes the connection', (_what, type, payload) => {
    const cluster = new SimulatedCluster();
    const peer = new Peer(cluster).send(type, payload);
    expect(peer).toMatchObject({ closed: true, replies: [] });
    expect(cluster.log).toEqual([]);
  });

  test.each([
    ['a list of odd length', 107, '0000000000000001000000'],
    ['damaged chunks of odd length', 102, '00000000000001'],
    ['an error report with data', 106, '00'],
    ['space of wrong length', 101, '00'.repeat(39)],
    ['a status of wrong length', 111, '0000000000000001'],
    ['the generic operation', 153, '00'.repeat(33)],
    ['registration after its end', 100, begin],
  ])('%s closes a registered connection', (_what, type, payload) => {
    const cluster = new SimulatedCluster();
    const peer = new Peer(cluster).send(100, begin).send(100, '3e');
    expect(peer.send(type, payload).closed).toBe(true);
    expect(cluster.master.world.servers.all()).toEqual([]);
  });

  test.each([
    ['from a stranger', 10_001],
    ['from a server', 500_000_001],
  ])('a frame that is too long closes after what came before was worked off, %s', (who, length) => {
    const cluster = new SimulatedCluster();
    const peer = new Peer(cluster);
    if (who === 'from a server') peer.send(100, begin);
    const version = '0000000a00000000';
    peer.sendBytes(`${version}00000064${length.toString(16).padStart(8, '0')}`);
    expect(peer.replies.at(-1)).toBe('11 000300ea332e302e3131372d31');
    expect(peer.closed).toBe(true);
  });

  test('questions are answered before the registration', () => {
    const peer = new Peer(new SimulatedCluster()).send(10, '00000007').send(80, '0000000509444154415f50415448');
    expect(peer.send(80, '0000000603585958').replies).toEqual([
      '11 00000007000300ea332e302e3131372d31',
      '81 000000050c2f7661722f6c69622f6d6673',
      '81 0000000600',
    ]);
  });

  test('silence closes, a NOP comes every third of the time-out', () => {
    const cluster = new SimulatedCluster();
    const peer = new Peer(cluster).send(100, begin).send(100, '3e');
    cluster.run(9.5);
    expect(peer.answers.filter((answer) => answer === '0')).toHaveLength(2);
    expect(peer.closed).toBe(false);
    cluster.run(1);
    expect(peer.closed).toBe(true);
    expect(cluster.master.serverList()[0].flags).toBe(1);
  });

  test('an announced stop is temporary maintenance, which ends when the server is back', () => {
    const cluster = new SimulatedCluster();
    const peer = new Peer(cluster).send(100, begin).send(100, '3e').send(100, '3f');
    expect(peer.closed).toBe(true);
    const stopped = cluster.log.at(-1);
    expect(stopped).toMatchObject({ op: 'CSDBOP', csop: 6, arg: cluster.now + 1800 });
    expect(cluster.master.serverList()[0].flags).toBe(7);
    cluster.run(1);
    new Peer(cluster).send(100, begin);
    cluster.run(1.1);
    expect(cluster.log.at(-1)).toMatchObject({ op: 'CSDBOP', csop: 5, arg: 0 });
    expect(cluster.master.serverList()[0].flags).toBe(0);
  });
});

describe('the server database', () => {
  test('commands on servers', () => {
    const cluster = new SimulatedCluster();
    const peer = new Peer(cluster).send(100, begin).send(100, '3e');
    const command = (number: number) => cluster.master.serverCommand(number, 0x0a61000b, 9422);
    expect([command(0), command(2), command(2), command(3), command(1), command(4)]).toEqual([42, 0, 0, 0, 0, 6]);
    expect(cluster.master.serverCommand(0, 1, 1)).toBe(41);
    peer.close();
    expect(command(0)).toBe(0);
    expect(cluster.log.slice(2).map((entry) => entry.op === 'CSDBOP' && entry.csop)).toEqual([4, 5, 1]);
    expect(cluster.master.serverList()).toEqual([]);
  });

  test('a server that stays away for a week is forgotten', () => {
    const cluster = new SimulatedCluster();
    new Peer(cluster).send(100, begin).close();
    cluster.clock.setForward(7 * 86400);
    cluster.run(1300);
    expect(cluster.master.serverList()).toEqual([]);
    expect(cluster.log.at(-1)).toMatchObject({ op: 'CSDBOP', csop: 1 });
  });

  test('load: old servers get a grace period, those that tell their state do not', () => {
    const cluster = new SimulatedCluster();
    const peers = ['0a61000b', '0a61000c'].map((ip) =>
      new Peer(cluster).send(100, `3c000300ea${ip}24ce00000000${emptySpace}`).send(100, '3e'),
    );
    peers[0].send(103, '0000012c');
    cluster.run(1.1);
    const graceTimes = () => cluster.master.serverList().map(({ graceTime }) => graceTime);
    expect(graceTimes()[0]).toBeGreaterThan(890);
    expect(graceTimes()[1]).toBe(0);
    const rows: number[] = [];
    for (const state of ['01', '02', '03']) {
      peers[0].send(103, `0000012c${state}`);
      rows.push(graceTimes()[0]);
    }
    expect(rows).toEqual([0, 0xc0000000, 0x80000000]);
  });
});

describe('a long list', () => {
  test('is worked off in slices, while others are served in between', () => {
    const cluster = new SimulatedCluster();
    const clock = cluster.clock;
    const peer = new Peer(cluster).send(100, begin);
    const chunks = Array.from({ length: 50_000 }, (_, index) => ({ chunkId: index + 1, version: 1 }));
    let reads = 0;
    const realNow = clock.monotonicMs.bind(clock);
    // Time goes on while the master works: half a millisecond for each look at the clock.
    let spentMs = 0;
    clock.monotonicMs = () => {
      reads++;
      spentMs += 0.5;
      return realNow() + spentMs;
    };
    const frame = CSTOMA_REGISTER.encode({ layout: 'chunks', chunks });
    peer.sendBytes(frame.toString('hex'));
    const other = new Peer(cluster, '10.97.0.12').send(10);
    expect(other.replies).toHaveLength(1);
    expect(peer.replies).toHaveLength(1);
    cluster.runUntil('list', () => peer.replies.length === 2, 10);
    expect(cluster.state.chunks.count).toBe(50_000);
    expect(reads).toBeGreaterThan(50);
  });
});

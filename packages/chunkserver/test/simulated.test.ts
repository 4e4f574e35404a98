import {
  BLOCK_SIZE,
  CLTOCS_READ,
  CLTOCS_WRITE,
  CLTOCS_WRITE_DATA,
  CSTOCL_READ_DATA,
  CSTOCL_READ_STATUS,
  CSTOCL_WRITE_STATUS,
  CSTOMA_CREATE,
  CSTOMA_REGISTER,
  crc32,
  type Frame,
  FrameReader,
  MATOCS_CREATE,
  MATOCS_MASTER_ACK,
  Status,
} from '@alces/proto';
import { type Connection, type ConnectionHandlers, parseConfig } from '@alces/runtime';
import { type Host, Simulation } from '@alces/sim';
import { expect, it } from 'vitest';
import { type Chunkserver, startChunkserver } from '../src/chunkserver.ts';
import { streamsOver } from '../src/net/stream.ts';
import { filesOver } from '../src/os/filesOverDisk.ts';

/** The whole server in a simulated world: it is killed at any moment, and what was answered must be there afterwards. */

const MASTER = '10.0.0.1';
const SERVERS = ['10.0.0.11', '10.0.0.12'];
const CHUNK = 7;
const BLOCKS = 6;

const ipOf = (address: string) => address.split('.').reduce((ip, part) => ip * 256 + Number(part), 0);

function program(host: Host, lines: string[]): Promise<Chunkserver> {
  const { clock, random, net, disk } = host.environment();
  const config = parseConfig(
    [
      `MASTER_HOST = ${MASTER}`,
      `CSSERV_LISTEN_HOST = ${host.address}`,
      `BIND_HOST = ${host.address}`,
      'MASTER_RECONNECTION_DELAY = 1',
      'HDD_TEST_SPEED = 0',
    ].join('\n'),
    'mfschunkserver.cfg',
  );
  const note = (message: string) => {
    lines.push(message);
  };
  return startChunkserver({
    config,
    rereadConfig: () => config,
    readHddConfig: () => ({ path: 'mfshdd.cfg', text: '/disk\n' }),
    dataPath: '/data',
    clock,
    random,
    net,
    streams: streamsOver(net),
    files: filesOver(disk),
    log: { info: note, warn: note, error: note },
    defer: (run) => clock.timeout(0, run),
    say: note,
    usage: () => ({ userCpu: 0, systemCpu: 0, residentBytes: 0, virtualBytes: 0, zoneSeconds: 0 }),
    maxOpenFiles: 100,
    foreignInstance: (reason) => note(reason),
  });
}

/** A connection's frames, given to a function. */
function frames(limit: number, take: (frame: Frame) => void, closed: () => void = () => {}): ConnectionHandlers {
  const reader = new FrameReader(limit);
  return {
    data(bytes) {
      reader.push(bytes);
      for (const frame of reader) take(frame);
    },
    close: closed,
  };
}

/** A master that accepts every server and has one chunk created on each. */
class Master {
  readonly created = new Set<string>();
  /** Servers registered at the moment, with their connections. */
  readonly registered = new Map<string, Connection>();

  async listen(host: Host): Promise<void> {
    await host.environment().net.listen({ host: MASTER, port: 9420 }, (connection) =>
      frames(
        1_000_000,
        (frame) => this.#take(connection, frame),
        () => this.registered.delete(connection.remoteAddress),
      ),
    );
  }

  create(address: string): void {
    this.registered.get(address)?.write(MATOCS_CREATE.encode({ chunkId: CHUNK, version: 1 }));
  }

  #take(connection: Connection, { type, payload }: Frame): void {
    if (type === CSTOMA_CREATE.number) {
      expect(CSTOMA_CREATE.decode(payload).status).toBe(Status.OK);
      this.created.add(connection.remoteAddress);
    }
    if (type !== CSTOMA_REGISTER.number) return;
    const stage = CSTOMA_REGISTER.decode(payload);
    if (stage.layout === 'begin') {
      const fields = {
        version: 0x000300ea,
        timeout: 600,
        csid: 1 + SERVERS.indexOf(connection.remoteAddress),
        metaId: 9n,
      };
      connection.write(MATOCS_MASTER_ACK.encode({ layout: 'accepted', ...fields }));
    } else if (stage.layout === 'chunks') {
      connection.write(MATOCS_MASTER_ACK.encode({ layout: 'next' }));
    } else if (stage.layout === 'end') {
      this.registered.set(connection.remoteAddress, connection);
    }
  }
}

interface Sent {
  block: number;
  data: Buffer;
  answered: boolean;
}

/** Writes whole blocks to a chain, a few unanswered at a time, until it is told to stop or the connection breaks. */
async function writer(
  simulation: Simulation,
  host: Host,
  chain: readonly string[],
): Promise<{ sent: Sent[]; stop(): void }> {
  const sent: Sent[] = [];
  const { net } = host.environment();
  const next = (connection: Connection) => {
    const block = simulation.random.below(BLOCKS);
    const data = Buffer.alloc(BLOCK_SIZE, 1 + simulation.random.below(255));
    data.writeUInt32BE(sent.length, 0);
    sent.push({ block, data, answered: false });
    connection.write(
      CLTOCS_WRITE_DATA.encode({ chunkId: CHUNK, writeId: sent.length, block, offset: 0, crc: crc32(data), data }),
    );
  };
  const connected = await net.connect({ host: chain[0], port: 9422, timeoutMs: 1000 }, (connection) => {
    const others = chain.slice(1).map((address) => ({ ip: ipOf(address), port: 9422 }));
    connection.write(
      CLTOCS_WRITE.encode({ layout: 'protocol1', protocolid: 1, chunkId: CHUNK, version: 1, chain: others }),
    );
    return frames(1000, ({ type, payload }) => {
      if (type !== CSTOCL_WRITE_STATUS.number) return;
      const { writeId, status } = CSTOCL_WRITE_STATUS.decode(payload);
      expect(status).toBe(Status.OK);
      if (writeId > 0) sent[writeId - 1].answered = true;
      for (let count = writeId === 0 ? 5 : 1; count > 0; count--) next(connection);
    });
  });
  return { sent, stop: () => connected.destroy() };
}

/** One block as a server gives it; undefined when it answers with a status. */
async function readBlock(simulation: Simulation, host: Host, address: string, block: number): Promise<Buffer | number> {
  let result: Buffer | number | undefined;
  const { net } = host.environment();
  await net.connect({ host: address, port: 9422, timeoutMs: 1000 }, (connection) => {
    const offset = block * BLOCK_SIZE;
    connection.write(CLTOCS_READ.encode({ protocolid: 1, chunkId: CHUNK, version: 1, offset, size: BLOCK_SIZE }));
    return frames(100_000, ({ type, payload }) => {
      if (type === CSTOCL_READ_DATA.number) result = Buffer.from(CSTOCL_READ_DATA.decode(payload).data);
      else if (type === CSTOCL_READ_STATUS.number) {
        result ??= CSTOCL_READ_STATUS.decode(payload).status;
        connection.destroy();
      }
    });
  });
  await simulation.runUntil('block read', 10_000, () => result !== undefined);
  return result as Buffer | number;
}

/** What a block may hold: the last answered write to it, or any later one; with later ones a damaged block is possible too. */
function checkBlock(sent: readonly Sent[], block: number, found: Buffer | number): void {
  const writes = sent.filter((write) => write.block === block);
  const lastAnswered = writes.findLastIndex((write) => write.answered);
  const later = writes.slice(lastAnswered + 1);
  const possible = lastAnswered < 0 ? [Buffer.alloc(BLOCK_SIZE)] : [writes[lastAnswered].data];
  if (typeof found === 'number') {
    expect({ block, found, later: later.length > 0 }).toEqual({ block, found: Status.CRC, later: true });
    return;
  }
  expect([...possible, ...later.map((write) => write.data)].some((data) => data.equals(found))).toBe(true);
}

async function drive<T>(simulation: Simulation, what: string, promise: Promise<T>): Promise<T> {
  let outcome: { value: T } | { error: unknown } | undefined;
  promise.then(
    (value) => {
      outcome = { value };
    },
    (error: unknown) => {
      outcome = { error };
    },
  );
  await simulation.runUntil(what, 60_000, () => outcome !== undefined);
  if (outcome && 'error' in outcome) throw outcome.error;
  return (outcome as { value: T }).value;
}

async function killWhileWriting(seed: number): Promise<void> {
  const simulation = new Simulation(seed);
  const masterHost = simulation.addHost('master', MASTER);
  const client = simulation.addHost('client', '10.0.0.2');
  const hosts = SERVERS.map((address, index) => simulation.addHost(`cs${index}`, address));
  const master = new Master();
  const lines: string[] = [];
  await drive(simulation, 'master', master.listen(masterHost));
  for (const host of hosts) await drive(simulation, 'start', program(host, lines));
  await simulation.runUntil('registration', 20_000, () => master.registered.size === hosts.length);
  await simulation.run(2000);
  for (const address of SERVERS) master.create(address);
  await simulation.runUntil('chunks created', 5000, () => master.created.size === hosts.length);
  const { sent, stop } = await drive(simulation, 'writer', writer(simulation, client, SERVERS));
  await simulation.run(simulation.random.between(1, 60));
  const victim = hosts[simulation.random.below(hosts.length)];
  victim.crash('kill');
  await simulation.run(3000);
  victim.restart();
  await drive(simulation, 'start again', program(victim, lines));
  await simulation.runUntil('registration again', 20_000, () => master.registered.size === hosts.length);
  // The chain may have been opened only now, when the victim is back.
  stop();
  await simulation.run(2000);
  for (const address of SERVERS)
    for (let block = 0; block < BLOCKS; block++)
      checkBlock(sent, block, await drive(simulation, 'read', readBlock(simulation, client, address, block)));
  expect(lines.filter((line) => line.includes('internal error'))).toEqual([]);
}

it.each(Array.from({ length: 60 }, (_, seed) => seed + 1))('killed while it writes, seed %i', async (seed) => {
  await killWhileWriting(seed);
});

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  CLTOMA_CHUNKS_MATRIX,
  CLTOMA_INFO,
  encodeFrame,
  LookupFlag,
  MATOCL_CHUNKS_MATRIX,
  MATOCL_CSERV_LIST,
  MATOCL_FUSE_CHECK,
  MATOCL_FUSE_LOOKUP,
  MATOCL_FUSE_READ_CHUNK,
  MATOCL_FUSE_STATFS,
  MATOCL_FUSE_TIME_SYNC,
  MATOCL_FUSE_WRITE_CHUNK,
  MATOCL_INFO,
  MATOCL_LIST_OPEN_FILES,
  MATOCL_MEMORY_INFO,
  MATOCL_MLOG_LIST,
  MATOCL_SESSION_LIST,
  NodeType,
} from '@alces/proto';
import { type Clock, type Random, realEnvironment } from '@alces/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FakeChunkserver } from './support/fakeChunkserver.ts';
import { TestMaster } from './support/testMaster.ts';
import { WireClient } from './support/wireClient.ts';

const FIXTURES = join(import.meta.dirname, '../../../test/fixtures/moosefs-3.0.117');

interface Row {
  t: number;
  conn: number;
  dir: 'request' | 'reply';
  type: number;
  name: string;
  hex: string;
  truncated?: boolean;
}

const rows: Row[] = readFileSync(join(FIXTURES, 'frames-1/client-master.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line));

const NOTIFICATIONS = [0, 702, 703, 706];
const REGISTRATION = 400;
const FIRST_MONITORING = 500;
/** The request that finds the first chunk with three copies in the recording: the copies are made in the background. */
const NEEDS_COPIES = '00000004000000060000000004';
const COPIES_THEN = 5;
const METAID_LOW = 0x9d6189d0;

/** What pairs an answer with its request: the msgid, or the message number where there is none. */
function pairKey({ conn, type, hex, dir }: Row): string {
  const answer = dir === 'request' ? type + 1 : type;
  const withoutMsgid = type === REGISTRATION || type === REGISTRATION + 1 || (type >= FIRST_MONITORING && type < 700);
  return withoutMsgid ? `${conn}:${answer}` : `${conn}:${hex.slice(0, 8)}`;
}

/** An answer without what differs from run to run: which servers have a chunk, space, clocks, addresses. */
function comparable(type: number, payload: Buffer): unknown {
  switch (type) {
    case MATOCL_FUSE_LOOKUP.number: {
      const answer = MATOCL_FUSE_LOOKUP.decode(payload);
      if (answer.layout !== 'data' || answer.attr.type !== NodeType.FILE) return answer;
      return { ...answer, lflags: answer.lflags & ~LookupFlag.CHUNK_ZERO_DATA, chunk: undefined };
    }
    case MATOCL_FUSE_READ_CHUNK.number:
    case MATOCL_FUSE_WRITE_CHUNK.number:
      return { ...MATOCL_FUSE_WRITE_CHUNK.decode(payload), servers: undefined };
    case MATOCL_FUSE_CHECK.number: {
      const answer = MATOCL_FUSE_CHECK.decode(payload);
      const total = answer.layout === 'counters' ? answer.counters.reduce((sum, count) => sum + count) : 0;
      return { ...answer, counters: total, copies: undefined };
    }
    case MATOCL_FUSE_STATFS.number:
      return { ...MATOCL_FUSE_STATFS.decode(payload), total: 0, avail: 0, free: 0 };
    case MATOCL_FUSE_TIME_SYNC.number:
      return MATOCL_FUSE_TIME_SYNC.decode(payload).msgid;
    case MATOCL_INFO.number: {
      const { trashSpace, trashNodes, sustainedSpace, sustainedNodes, ...rest } = MATOCL_INFO.decode(payload);
      const { allNodes, dirNodes, fileNodes, chunks, metaVersion, exportsChecksum, state, nextState } = rest;
      const nodes = { trashSpace, trashNodes, sustainedSpace, sustainedNodes, allNodes, dirNodes, fileNodes };
      return { ...nodes, chunks, metaVersion, exportsChecksum, state, nextState };
    }
    case MATOCL_SESSION_LIST.number: {
      const { sessions } = MATOCL_SESSION_LIST.decode(payload, { layout: 'vmode4' });
      return sessions.map((session) => ({ ...session, ip: 0 }));
    }
    case MATOCL_LIST_OPEN_FILES.number: {
      const list = MATOCL_LIST_OPEN_FILES.decode(payload, { layout: 'all' });
      return list.layout === 'all' ? list.files.map(({ inode }) => inode).sort((a, b) => a - b) : list;
    }
    case MATOCL_CSERV_LIST.number:
    case MATOCL_MEMORY_INFO.number:
      return payload.length;
    case MATOCL_MLOG_LIST.number:
      return 'the recording had a metalogger';
    default:
      return payload.toString('hex');
  }
}

/** Changelog lines without what depends on the machine, and without a detail that means nothing to anybody who reads them. */
function comparableChange(line: string): string {
  return line
    .replace(/^\d+: /, '')
    .replace(/^\d+\|(CSDBOP)/, '$1')
    .replace(/(SESADD\(.*0x\d+,)\d+/, '$1IP')
    .replace(/(SNAPSHOT\(\d+,\d+,[^,]*,\d+),72/, '$1,8')
    .replace(/(QUOTA\(\d+,0,0,.*),\d+\)/, '$1,GRACE)');
}

describe('a session recorded from a stock master', () => {
  const real = realEnvironment();
  const sync = rows.find(({ type }) => type === MATOCL_FUSE_TIME_SYNC.number)!;
  const beganAt = MATOCL_FUSE_TIME_SYNC.decode(Buffer.from(sync.hex, 'hex')).timeUs / 1e6 - sync.t;
  let master: TestMaster;
  let servers: FakeChunkserver[];
  let monitor: WireClient;
  let t = 0;

  const until = async (test: () => Promise<boolean>) => {
    while (!(await test())) await new Promise((resolve) => setImmediate(resolve));
  };

  beforeEach(async () => {
    t = 0.1;
    // The first number seeds a hash, the second one is half of the file system's id.
    const numbers = [1, METAID_LOW];
    const random: Random = { ...real.random, u32: () => numbers.shift() ?? real.random.u32() };
    const wallMs = () => (beganAt + t) * 1000;
    const clock: Clock = { ...real.clock, wallMs, unixSeconds: () => Math.floor(beganAt + t) };
    master = await TestMaster.start({
      environment: { ...real, clock, random },
      config: 'REPLICATIONS_DELAY_INIT = 1\n',
    });
    const port = master.running.ports.chunkservers;
    servers = [11, 12, 13].map(
      (host, index) => new FakeChunkserver({ port, ip: 0x0a610000 + host, labelMask: index ? 2 : 1 }),
    );
    for (const server of servers) await server.registered;
    monitor = await WireClient.connect(master.port);
    await until(async () => {
      const matrix = await monitor.request(CLTOMA_CHUNKS_MATRIX, {}, MATOCL_CHUNKS_MATRIX);
      return matrix.layout === 'both' && matrix.progress === 0;
    });
  });
  afterEach(async () => {
    monitor.end();
    for (const server of servers) server.end();
    await master.destroy();
  });

  test('gives the same answers and the same changelog', async () => {
    const clients = new Map<number, WireClient>();
    const pending = new Set<string>();
    for (const row of rows) {
      if (NOTIFICATIONS.includes(row.type)) continue;
      t = Math.max(t, row.t);
      const client = clients.get(row.conn) ?? (await WireClient.connect(master.port));
      clients.set(row.conn, client);
      const payload = Buffer.from(row.hex, 'hex');
      if (row.dir === 'request') {
        if (row.hex === NEEDS_COPIES)
          await until(async () => (await monitor.request(CLTOMA_INFO, {}, MATOCL_INFO)).chunkCopies === COPIES_THEN);
        pending.add(pairKey(row));
        client.sendRaw(encodeFrame(row.type, payload));
      } else if (pending.delete(pairKey(row))) {
        const frame = await client.frame();
        const where = `${row.name} at ${row.t}`;
        expect(frame.type, where).toBe(row.type);
        if (row.truncated) expect(frame.payload.subarray(0, payload.length).equals(payload), where).toBe(true);
        else expect(comparable(frame.type, frame.payload), where).toEqual(comparable(row.type, payload));
      }
    }
    for (const client of clients.values()) expect(client.isClosed).toBe(false);
    const recorded = readFileSync(join(FIXTURES, 'image-1/changelog.0.mfs'), 'latin1')
      .split('\n')
      .map(comparableChange);
    const ours = readFileSync(join(master.folder, 'changelog.0.mfs'), 'latin1')
      .trim()
      .split('\n')
      .map(comparableChange);
    expect(ours.length).toBeGreaterThan(120);
    expect(ours).toEqual(recorded.slice(0, ours.length));
    for (const client of clients.values()) client.end();
  });
});

import { connectMaster, createDataEngine, type DataEngine, type MasterSession } from '@alces/client';
import {
  ANTOAN_NOP,
  BLOCK_SIZE,
  CLTOCS_READ,
  CLTOCS_WRITE,
  CLTOCS_WRITE_DATA,
  CLTOCS_WRITE_FINISH,
  CLTOMA_FUSE_READ_CHUNK,
  CLTOMA_FUSE_WRITE_CHUNK,
  CLTOMA_FUSE_WRITE_CHUNK_END,
  CSTOCL_READ_DATA,
  CSTOCL_READ_STATUS,
  CSTOCL_WRITE_STATUS,
  crc32,
  encodeFrame,
  MATOCL_FUSE_READ_CHUNK,
  MATOCL_FUSE_WRITE_CHUNK,
  MATOCL_FUSE_WRITE_CHUNK_END,
  Status,
  VERSION,
} from '@alces/proto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../test/support/until.ts';
import { FakeMaster, FrameServer, type Received } from './support/fakeServers.ts';

const CHUNK = 0x1234;
const INODE = 5;
const CONTENT = Buffer.from(Array.from({ length: 200_000 }, (_, i) => (i * 7) % 256));

let master: FakeMaster;
let good: FrameServer;
let bad: FrameServer;
let session: MasterSession;
let engine: DataEngine;
/** Servers named in the next locations; the first one is asked first. */
let servers: FrameServer[];
/** What WRITE_CHUNK_END was told. */
let ends: number[];
/** What the good server was made to store. */
let stored: Buffer;

function located(): { ip: number; port: number; csVersion: number; labelMask: number }[] {
  return servers.map(({ port }) => ({ ip: 0x7f000001, port, csVersion: VERSION, labelMask: 0 }));
}

function masterAnswers({ type, payload, socket }: Received): void {
  const chunk = { layout: 'data' as const, length: CONTENT.length, chunkId: CHUNK, version: 1, servers: located() };
  if (type === CLTOMA_FUSE_READ_CHUNK.number) {
    const { msgid } = CLTOMA_FUSE_READ_CHUNK.decode(payload);
    socket.write(MATOCL_FUSE_READ_CHUNK.encode({ ...chunk, msgid }));
  } else if (type === CLTOMA_FUSE_WRITE_CHUNK.number) {
    const { msgid } = CLTOMA_FUSE_WRITE_CHUNK.decode(payload);
    socket.write(MATOCL_FUSE_WRITE_CHUNK.encode({ ...chunk, length: 0, msgid }));
  } else if (type === CLTOMA_FUSE_WRITE_CHUNK_END.number) {
    const { msgid, length } = CLTOMA_FUSE_WRITE_CHUNK_END.decode(payload);
    ends.push(length);
    socket.write(MATOCL_FUSE_WRITE_CHUNK_END.encode({ msgid, status: 0 }));
  }
}

function dataFrame(at: number, length: number, changes: object = {}): Buffer {
  const data = CONTENT.subarray(at, at + length);
  const position = { block: Math.floor(at / BLOCK_SIZE), offset: at % BLOCK_SIZE };
  return CSTOCL_READ_DATA.encode({ chunkId: CHUNK, ...position, crc: crc32(data), data, ...changes });
}

function serveWell({ type, payload, socket }: Received): void {
  if (type === CLTOCS_READ.number) {
    const { offset, size } = CLTOCS_READ.decode(payload);
    for (let at = offset; at < offset + size; ) {
      const end = Math.min(offset + size, (Math.floor(at / BLOCK_SIZE) + 1) * BLOCK_SIZE);
      socket.write(dataFrame(at, end - at));
      at = end;
    }
    socket.write(CSTOCL_READ_STATUS.encode({ chunkId: CHUNK, status: 0 }));
  } else if (type === CLTOCS_WRITE.number) {
    socket.write(CSTOCL_WRITE_STATUS.encode({ chunkId: CHUNK, writeId: 0, status: 0 }));
  } else if (type === CLTOCS_WRITE_DATA.number) {
    const { writeId, block, offset, data, crc } = CLTOCS_WRITE_DATA.decode(payload);
    const status = crc32(data) === crc ? 0 : Status.CRC;
    data.copy(stored, block * BLOCK_SIZE + offset);
    socket.write(CSTOCL_WRITE_STATUS.encode({ chunkId: CHUNK, writeId, status }));
  }
}

beforeEach(async () => {
  master = await FakeMaster.start();
  master.handle = masterAnswers;
  good = await FrameServer.start();
  good.handle = serveWell;
  bad = await FrameServer.start();
  servers = [bad, good];
  ends = [];
  stored = Buffer.alloc(CONTENT.length);
  session = await connectMaster({ masters: [master.address], info: '/fake' });
  engine = createDataEngine(session, { ioRetries: 3 });
});

afterEach(async () => {
  await engine.close();
  await session.close();
  for (const server of [master.server, good, bad]) await server.stop();
});

async function readAll(): Promise<Buffer> {
  const file = engine.open({ inode: INODE, length: CONTENT.length });
  try {
    return Buffer.concat(await file.read(0, CONTENT.length));
  } finally {
    await file.close();
  }
}

const READ_STATUS_OK = CSTOCL_READ_STATUS.encode({ chunkId: CHUNK, status: 0 });

describe('a chunkserver that answers a READ with', () => {
  const answers: Record<string, () => Buffer[] | 'close' | 'silence'> = {
    'a wrong checksum': () => [dataFrame(0, BLOCK_SIZE, { crc: 1 })],
    'a good block and then a wrong checksum': () => [
      dataFrame(0, BLOCK_SIZE),
      dataFrame(BLOCK_SIZE, BLOCK_SIZE, { crc: 1 }),
    ],
    'another chunk': () => [dataFrame(0, BLOCK_SIZE, { chunkId: CHUNK + 1 })],
    'blocks in a wrong order': () => [dataFrame(BLOCK_SIZE, BLOCK_SIZE)],
    'a short block': () => [dataFrame(0, 100)],
    'OK and no data': () => [READ_STATUS_OK],
    'OK after half of the data': () => [dataFrame(0, BLOCK_SIZE), READ_STATUS_OK],
    'an error status': () => [CSTOCL_READ_STATUS.encode({ chunkId: CHUNK, status: Status.WRONGVERSION })],
    'an unknown message': () => [encodeFrame(4711, Buffer.alloc(10))],
    'a frame of four gigabytes': () => [Buffer.from('000000cafffffff0', 'hex')],
    'part of a block and the end of the connection': () => [dataFrame(0, BLOCK_SIZE).subarray(0, 3000)],
    'the end of the connection': () => 'close',
    'nothing at all': () => 'silence',
  };
  for (const [what, answer] of Object.entries(answers)) {
    it(`${what} is passed over`, async () => {
      bad.handle = ({ socket }) => {
        const frames = answer();
        if (frames === 'silence') return;
        if (frames !== 'close') for (const frame of frames) socket.write(frame);
        if (frames === 'close' || what.includes('part of')) socket.end();
      };
      expect((await readAll()).equals(CONTENT)).toBe(true);
      expect(bad.connections).toBeGreaterThan(0);
      expect(bad.sockets.size).toBe(0);
    });
  }

  it('garbage is an error in the end, when there is no other server', async () => {
    servers = [bad];
    bad.handle = ({ socket }) => socket.write(encodeFrame(4711));
    await expect(readAll()).rejects.toMatchObject({ code: 'EIO' });
    expect(bad.connections).toBe(3);
  });

  it('garbage is left for the servers that the master names next', async () => {
    servers = [bad];
    bad.handle = ({ socket }) => {
      servers = [good];
      socket.write(encodeFrame(4711));
    };
    expect((await readAll()).equals(CONTENT)).toBe(true);
    expect(bad.connections).toBe(1);
  });

  it('NOTDONE is asked again, without counting', async () => {
    servers = [good];
    let refusals = 4;
    good.handle = (frame) => {
      if (frame.type === CLTOCS_READ.number && refusals-- > 0) {
        frame.socket.write(CSTOCL_READ_STATUS.encode({ chunkId: CHUNK, status: Status.NOTDONE }));
      } else serveWell(frame);
    };
    expect((await readAll()).equals(CONTENT)).toBe(true);
  });

  it('NOPs in between is understood', async () => {
    servers = [good];
    good.handle = (frame) => {
      const write = frame.socket.write.bind(frame.socket);
      frame.socket.write(ANTOAN_NOP.encode({}));
      serveWell({
        ...frame,
        socket: Object.assign(Object.create(frame.socket), {
          write: (b: Buffer) => write(b) && write(ANTOAN_NOP.encode({})),
        }),
      });
    };
    expect((await readAll()).equals(CONTENT)).toBe(true);
  });
});

describe('connections to chunkservers', () => {
  it('are used again, unless they died meanwhile', async () => {
    servers = [good];
    await readAll();
    await readAll();
    expect(good.connections).toBe(1);
    good.cut();
    expect((await readAll()).equals(CONTENT)).toBe(true);
    expect(good.connections).toBe(2);
  });

  it('on which a server talks out of turn are dropped', async () => {
    servers = [good];
    await readAll();
    for (const socket of good.sockets) socket.write(READ_STATUS_OK);
    await until('the connection to be dropped', 3000, () => good.sockets.size === 0);
    expect((await readAll()).equals(CONTENT)).toBe(true);
  });
});

async function writeAll(): Promise<void> {
  const file = engine.open({ inode: INODE, length: 0 });
  await file.write(0, [CONTENT]);
  await file.close();
}

const statusOf = (writeId: number, status: number, chunkId = CHUNK): Buffer =>
  CSTOCL_WRITE_STATUS.encode({ chunkId, writeId, status });

describe('a chunkserver that answers a WRITE with', () => {
  const answers: Record<string, (frame: Received) => Buffer | 'close' | undefined> = {
    'an error when opening': ({ type }) => (type === CLTOCS_WRITE.number ? statusOf(0, Status.CANTCONNECT) : undefined),
    'an error of the data': ({ type }) =>
      statusOf(type === CLTOCS_WRITE.number ? 0 : 1, type === CLTOCS_WRITE.number ? 0 : Status.IO),
    'a status for a write never made': ({ type }) => statusOf(type === CLTOCS_WRITE.number ? 0 : 9999, 0),
    'a status of another chunk': () => statusOf(0, 0, 99),
    'two openings': () => statusOf(0, 0),
    'an unknown message': () => encodeFrame(4711),
    'a huge frame': () => Buffer.from('000000d3ffffffff', 'hex'),
    'a status of a wrong size': () => encodeFrame(CSTOCL_WRITE_STATUS.number, Buffer.alloc(12)),
    'the end of the connection': () => 'close',
    'the end of the connection when all is sent': ({ type }) =>
      type === CLTOCS_WRITE.number ? statusOf(0, 0) : 'close',
  };
  for (const [what, answer] of Object.entries(answers)) {
    it(`${what} is tried again, through another head`, async () => {
      bad.handle = (frame) => {
        const reply = answer(frame);
        if (reply === 'close') frame.socket.destroy();
        else if (reply !== undefined) frame.socket.write(reply);
      };
      let writes = 0;
      const serve = masterAnswers;
      // The second time the master has noticed.
      master.handle = (frame) => {
        if (frame.type === CLTOMA_FUSE_WRITE_CHUNK.number && writes++ > 0) servers = [good];
        serve(frame);
      };
      await writeAll();
      expect(stored.equals(CONTENT)).toBe(true);
      expect(ends.length).toBe(2);
      expect(ends.at(-1)).toBe(CONTENT.length);
      expect(good.received.at(-1)!.type).toBe(CLTOCS_WRITE_FINISH.number);
    });
  }

  it('nothing at all is an error in the end', async () => {
    servers = [bad];
    await expect(writeAll()).rejects.toMatchObject({ code: 'EIO' });
    expect(ends).toEqual([0, 0, 0]);
  });

  it('garbage is an error in the end, and the lock is given back each time', async () => {
    servers = [bad];
    bad.handle = ({ socket }) => socket.write(encodeFrame(4711));
    await expect(writeAll()).rejects.toMatchObject({ code: 'EIO' });
    expect(ends).toEqual([0, 0, 0]);
    expect(bad.connections).toBe(3);
  });

  it('statuses of part of the data only is sent the rest again', async () => {
    servers = [good];
    let first = true;
    good.handle = (frame) => {
      if (first && frame.type === CLTOCS_WRITE_DATA.number && CLTOCS_WRITE_DATA.decode(frame.payload).writeId === 3) {
        first = false;
        frame.socket.destroy();
        return;
      }
      if (!frame.socket.destroyed) serveWell(frame);
    };
    await writeAll();
    expect(stored.equals(CONTENT)).toBe(true);
    expect(ends).toEqual([2 * BLOCK_SIZE, CONTENT.length]);
  });
});

/**
 * This library and the stock mount on the same stock cluster (goal 2, three chunkservers), measure by measure in turn:
 * `node packages/client/bench/compare.ts [MiB]` as root. The mount's figures include the kernel and FUSE, which programs that use the
 * library do without; the point is what the engine below our own mount can give.
 */
import { randomFillSync } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type Client, connect, connectMaster, ops } from '@alces/client';
import {
  CLTOMA_FUSE_LOOKUP,
  CLTOMA_FUSE_REGISTER,
  FrameReader,
  MATOCL_FUSE_LOOKUP,
  MATOCL_FUSE_REGISTER,
} from '@alces/proto';
import { Cluster } from '../../../test/support/cluster.ts';
import { enterNamespace } from '../test/support/enterNamespace.ts';
import { SESSION } from '../test/support/fakeServers.ts';

const MIB = 1 << 20;
const FILE_BYTES = Number(process.argv[2] ?? 512) * MIB;
const SMALL_FILES = 2000;
const PARALLEL = 16;
const ME = { uid: 0, gids: [0] };

const block = randomFillSync(Buffer.allocUnsafeSlow(MIB));

async function secondsOf(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/** Runs `work` for 0..count-1, some at the same time. */
async function inParallel(count: number, parallel: number, work: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: parallel }, worker));
}

interface Subject {
  readonly name: string;
  writeBig(path: string): Promise<void>;
  readBig(path: string): Promise<void>;
  mkdir(path: string): Promise<unknown>;
  writeSmall(path: string): Promise<unknown>;
  readSmall(path: string): Promise<unknown>;
  stat(path: string): Promise<unknown>;
}

function library(client: Client): Subject {
  const small = Buffer.alloc(100, 1);
  return {
    name: 'library',
    async writeBig(path) {
      await using file = await client.open(path, 'w');
      for (let at = 0; at < FILE_BYTES; at += MIB) await file.write(block, at);
    },
    async readBig(path) {
      await using file = await client.open(path);
      for (let at = 0; at < FILE_BYTES; at += MIB) await file.readViews(MIB, at);
    },
    mkdir: (path) => client.mkdir(path),
    writeSmall: (path) => client.writeFile(path, small),
    readSmall: (path) => client.readFile(path),
    stat: (path) => client.lstat(path),
  };
}

function stockMount(point: string): Subject {
  const small = Buffer.alloc(100, 1);
  return {
    name: 'stock mount',
    async writeBig(path) {
      await using file = await open(join(point, path), 'w');
      for (let at = 0; at < FILE_BYTES; at += MIB) await file.write(block, 0, MIB, at);
      await file.sync();
    },
    async readBig(path) {
      for await (const part of createReadStream(join(point, path), { highWaterMark: MIB })) void part;
    },
    mkdir: (path) => mkdir(join(point, path)),
    writeSmall: (path) => writeFile(join(point, path), small),
    readSmall: (path) => readFile(join(point, path)),
    stat: (path) => lstat(join(point, path)),
  };
}

type Figures = Record<string, number>;

async function write(subject: Subject, folder: string): Promise<Figures> {
  await subject.mkdir(folder);
  const big = await secondsOf(() => subject.writeBig(`${folder}/big`));
  const one = await secondsOf(() => inParallel(SMALL_FILES / 4, 1, (i) => subject.writeSmall(`${folder}/one${i}`)));
  const many = await secondsOf(() =>
    inParallel(SMALL_FILES, PARALLEL, (i) => subject.writeSmall(`${folder}/many${i}`)),
  );
  return {
    'sequential write, MB/s': FILE_BYTES / big / 1e6,
    'create + 100 bytes + close, one after another, 1/s': SMALL_FILES / 4 / one,
    [`create + 100 bytes + close, ${PARALLEL} at once, 1/s`]: SMALL_FILES / many,
  };
}

/** `folder` was written through the other subject, so that nothing is cached here. */
async function read(subject: Subject, folder: string): Promise<Figures> {
  const big = await secondsOf(() => subject.readBig(`${folder}/big`));
  const stats = await secondsOf(() => inParallel(SMALL_FILES, PARALLEL, (i) => subject.stat(`${folder}/many${i}`)));
  const small = await secondsOf(() =>
    inParallel(SMALL_FILES, PARALLEL, (i) => subject.readSmall(`${folder}/many${i}`)),
  );
  return {
    'sequential read, MB/s': FILE_BYTES / big / 1e6,
    [`stat, ${PARALLEL} at once, 1/s`]: SMALL_FILES / stats,
    [`read 100 bytes, ${PARALLEL} at once, 1/s`]: SMALL_FILES / small,
  };
}

/** LOOKUPs per second over one connection to a server that answers at once, 64 under way; server and client share a process. */
async function requestRate(): Promise<number> {
  const answer = { flags: 4, type: 1, mode: 420, uid: 0, gid: 0, atime: 1, mtime: 1, ctime: 1, nlink: 1, length: 1 };
  const attr = { ...answer, rdev: 0, winattr: 0 };
  const server = createServer((socket) => {
    const reader = new FrameReader(1000);
    socket.on('data', (bytes: Buffer) => {
      reader.push(bytes);
      const answers: Buffer[] = [];
      for (const { type, payload } of reader) {
        if (type === CLTOMA_FUSE_REGISTER.number) answers.push(MATOCL_FUSE_REGISTER.encode(SESSION));
        else if (type === CLTOMA_FUSE_LOOKUP.number) {
          answers.push(
            MATOCL_FUSE_LOOKUP.encode({ layout: 'data', msgid: payload.readUInt32BE(0), inode: 5, attr, lflags: 255 }),
          );
        }
      }
      socket.write(Buffer.concat(answers));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const session = await connectMaster({ masters: [{ host: '127.0.0.1', port }], info: 'bench' });
  const name = Buffer.from('some-name');
  const count = 300_000;
  const seconds = await secondsOf(() => inParallel(count, 64, () => ops.lookup(session, 1, name, ME)));
  await session.close();
  server.close();
  return count / seconds;
}

const cluster = await Cluster.start({ master: 'stock', chunkservers: ['stock', 'stock', 'stock'] });
const leave = enterNamespace(cluster.namespace.name);
try {
  await using client = await connect({ masters: [cluster.masterHost] });
  const ours = library(client);
  const theirs = stockMount(await cluster.mount('stock'));
  const rows: Record<string, Record<string, number>> = {};
  const note = (subject: Subject, figures: Figures): void => {
    for (const [what, value] of Object.entries(figures))
      rows[what] = { ...rows[what], [subject.name]: Math.round(value) };
  };
  for (let round = 0; round < 2; round++) {
    note(ours, await write(ours, `/ours${round}`));
    note(theirs, await write(theirs, `/theirs${round}`));
    note(ours, await read(ours, `/theirs${round}`));
    note(theirs, await read(theirs, `/ours${round}`));
  }
  console.table(rows);
} finally {
  leave();
  await cluster.destroy();
}
console.log(
  'LOOKUP over one connection, client and a trivial server in one process, 1/s:',
  Math.round(await requestRate()),
);

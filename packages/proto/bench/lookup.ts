/** Decoding of LOOKUP and encoding of its reply, the most frequent pair. Run: `node packages/proto/bench/lookup.ts`. */
import { Bench } from 'tinybench';
import {
  type Attr,
  CLTOMA_FUSE_LOOKUP,
  CSTOCL_READ_DATA,
  encodeFrame,
  type FieldsOf,
  FrameReader,
  MATOCL_FUSE_LOOKUP,
  MATOCL_FUSE_READDIR,
} from '../src/index.ts';

const request = CLTOMA_FUSE_LOOKUP.encode({
  msgid: 1,
  parent: 1,
  name: Buffer.from('filename.txt'),
  uid: 0,
  gids: [0],
});
const requestPayload = request.subarray(8);

const attr: Attr = {
  flags: 8,
  type: 1,
  mode: 0o644,
  uid: 1000,
  gid: 1000,
  atime: 1_795_210_000,
  mtime: 1_795_210_000,
  ctime: 1_795_210_000,
  nlink: 1,
  length: 123_456,
  rdev: 0,
  winattr: 0,
};
const server = { ip: 0x0a620a0b, port: 9422, csVersion: 0x300ea, labelMask: 0 };
const reply: FieldsOf<typeof MATOCL_FUSE_LOOKUP> = {
  layout: 'data',
  msgid: 1,
  inode: 3,
  attr,
  lflags: 0x1ff,
  chunk: { chunkId: 1, version: 1, servers: [server, server] },
};
const replyPayload = MATOCL_FUSE_LOOKUP.encode(reply).subarray(8);

const entries = Array.from({ length: 1000 }, (_, i) => ({ name: Buffer.from(`entry${i}`), inode: i + 2, attr }));
const listing = MATOCL_FUSE_READDIR.encode({ layout: 'attr', msgid: 1, nedgeid: 0n, entries }).subarray(8);

const block = Buffer.alloc(65_536);
const data = { chunkId: 1, block: 0, offset: 0, crc: 0, data: block };
const dataFrame = CSTOCL_READ_DATA.encode(data);
const burst = Buffer.concat(Array.from({ length: 100 }, () => request));
const pieces = encodeFrame(429, Buffer.alloc(1 << 20));
const out = Buffer.alloc(1 << 16);

const bench = new Bench({ time: 500 })
  .add('decode LOOKUP', () => CLTOMA_FUSE_LOOKUP.decode(requestPayload))
  .add('encode LOOKUP reply', () => MATOCL_FUSE_LOOKUP.encode(reply))
  .add('encode LOOKUP reply into a buffer', () => MATOCL_FUSE_LOOKUP.encodeInto(out, 0, reply))
  .add('decode LOOKUP reply', () => MATOCL_FUSE_LOOKUP.decode(replyPayload))
  .add('decode READDIR reply of 1000 entries', () => MATOCL_FUSE_READDIR.decode(listing, { layout: 'attr' }))
  .add('head of READ_DATA', () => CSTOCL_READ_DATA.encodeHead(data))
  .add('decode READ_DATA', () => CSTOCL_READ_DATA.decode(dataFrame.subarray(8)))
  .add('read 100 frames of one buffer', () => {
    const reader = new FrameReader(100_000);
    reader.push(burst);
    while (reader.next() !== undefined);
  })
  .add('read a frame of 1 MiB in pieces of 64 KiB', () => {
    const reader = new FrameReader(2 << 20);
    for (let p = 0; p < pieces.length; p += 65_536) reader.push(pieces.subarray(p, p + 65_536));
    while (reader.next() !== undefined);
  });

await bench.run();
console.table(bench.table());

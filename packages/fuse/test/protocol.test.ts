import { describe, expect, it } from 'vitest';
import type { Channel } from '../src/channel.ts';
import { IN_HEADER_BYTES, InitFlag, Opcode, OUT_HEADER_BYTES } from '../src/constants.ts';
import { DirectoryList } from '../src/directory.ts';
import { HANDLERS } from '../src/handlers.ts';
import { DEFAULT_WISHES, negotiate } from '../src/init.ts';
import { Loop } from '../src/loop.ts';
import type { Operations } from '../src/operations.ts';
import { Request } from '../src/request.ts';
import { allocateBlock, type Block, getBigU64, getU64, putBigU64, putU64 } from '../src/words.ts';

const ENOENT = 2;
const EIO = 5;
const EINVAL = 22;
const EFBIG = 27;
const ERANGE = 34;

/** A channel that keeps what is sent, and answers writes with `errno`. */
function recordingChannel(): Channel & { sent: Buffer[]; errno: number } {
  const sent: Buffer[] = [];
  const channel = {
    kind: 'stream' as const,
    sent,
    errno: 0,
    reply: (bytes: Buffer, lengthBytes: number) => {
      sent.push(Buffer.from(bytes.subarray(0, lengthBytes)));
      return channel.errno;
    },
    replyParts: (parts: readonly Buffer[]) => {
      sent.push(Buffer.concat(parts));
      return channel.errno;
    },
    notify: async () => 0,
    close: () => {},
  };
  return channel;
}

interface Outcome {
  errno: number;
  body: Buffer;
}

/** Hands a request body to the handler of `opcode` and tells what was answered. */
function ask(opcode: number, body: Buffer, operations: Operations, channel = recordingChannel()) {
  const block: Block = allocateBlock(IN_HEADER_BYTES + body.length + 8);
  block.bytes.fill(0);
  body.copy(block.bytes, IN_HEADER_BYTES);
  const loop = new Loop(
    operations,
    () => channel,
    () => {},
  );
  const request = new Request(opcode, 77, 5, 1, 2, 3);
  const lengthBytes = IN_HEADER_BYTES + body.length;
  const released: Block[] = [];
  const handler = HANDLERS[opcode];
  if (!handler) throw new Error(`no handler for ${opcode}`);
  let kept = false;
  let thrown: unknown;
  try {
    kept = handler.handle(loop, request, block, lengthBytes, (free) => released.push(free));
  } catch (error) {
    thrown = error;
  }
  const outcome = (): Outcome => {
    const reply = channel.sent.at(-1);
    if (reply === undefined) throw new Error('nothing was answered');
    expect(reply.readUInt32LE(0)).toBe(reply.length);
    expect(reply.readBigUInt64LE(8)).toBe(77n);
    return { errno: Math.abs(reply.readInt32LE(4)), body: reply.subarray(OUT_HEADER_BYTES) };
  };
  return { outcome, kept, released, thrown, loop, request, block, channel };
}

function words(...values: (number | bigint)[]): Buffer {
  const body = Buffer.alloc(values.length * 8);
  for (const [index, value] of values.entries()) body.writeBigUInt64LE(BigInt(value), index * 8);
  return body;
}

describe('64-bit words', () => {
  it.each([0, 1, 0xffff_ffff, 0x1_0000_0000, Number.MAX_SAFE_INTEGER])('keep %d', (value) => {
    const { words: memory } = allocateBlock(16);
    putU64(memory, 1, value);
    expect(getU64(memory, 1)).toBe(value);
    expect(getBigU64(memory, 1)).toBe(BigInt(value));
  });

  it('keep all bits of a bigint', () => {
    const { words: memory } = allocateBlock(8);
    putBigU64(memory, 0, 0xfedc_ba98_7654_3210n);
    expect(getBigU64(memory, 0)).toBe(0xfedc_ba98_7654_3210n);
  });
});

describe('INIT', () => {
  const init = (major: number, minor: number, flags: number) => {
    const input = new Uint32Array(32);
    input.set([major, minor, 131072, flags], IN_HEADER_BYTES / 4);
    const out = new Uint32Array(32).fill(0xffff_ffff);
    return { outcome: negotiate(input, out, 4, DEFAULT_WISHES), out };
  };

  it('asks a newer major version again and refuses older ones', () => {
    const newer = init(8, 0, 0);
    expect([newer.outcome.kind, newer.out[4], newer.out[5]]).toEqual(['again', 7, 38]);
    expect(init(6, 0, 0).outcome.kind).toBe('refused');
    expect(init(7, 22, 0).outcome.kind).toBe('refused');
    expect(init(7, 23, 0).outcome.kind).toBe('agreed');
  });

  it('agrees on the common flags and the smaller version', () => {
    const { outcome, out } = init(7, 45, InitFlag.ASYNC_READ | InitFlag.WRITEBACK_CACHE | InitFlag.MAX_PAGES);
    if (outcome.kind !== 'agreed') throw new Error(outcome.kind);
    expect(outcome.negotiated).toMatchObject({
      minor: 38,
      flags: InitFlag.ASYNC_READ | InitFlag.MAX_PAGES,
      maxPages: 256,
    });
    expect(out[4 + 5]).toBe(1024 * 1024);
    expect(out[4 + 15]).toBe(0);
  });

  it('keeps to 128 KiB with kernels that know no other size', () => {
    const { outcome } = init(7, 26, InitFlag.ASYNC_READ);
    if (outcome.kind !== 'agreed') throw new Error(outcome.kind);
    expect(outcome.negotiated).toMatchObject({ minor: 26, maxWriteBytes: 128 * 1024, maxPages: 32 });
  });
});

describe('sizes in requests', () => {
  it('a name must end within the request', () => {
    const operations: Operations = { lookup: () => ENOENT };
    expect(ask(Opcode.LOOKUP, Buffer.from('name\0'), operations).outcome().errno).toBe(ENOENT);
    expect(ask(Opcode.LOOKUP, Buffer.from('name'), operations).thrown).toBeInstanceOf(Error);
    expect(ask(Opcode.RENAME, Buffer.concat([words(9), Buffer.from('one\0two')]), {}).thrown).toBeInstanceOf(Error);
  });

  it('data of a WRITE must be there', () => {
    const head = words(1, 0, 100, 0, 0);
    expect(ask(Opcode.WRITE, Buffer.concat([head, Buffer.alloc(99)]), { write: () => 0 }).outcome().errno).toBe(EINVAL);
    const good = ask(Opcode.WRITE, Buffer.concat([head, Buffer.alloc(100)]), { write: () => 0 });
    expect(good.outcome().body.readUInt32LE(0)).toBe(100);
  });

  it('a value of SETXATTR must be there', () => {
    const head = Buffer.alloc(8);
    head.writeUInt32LE(10, 0);
    const body = (length: number): Buffer => Buffer.concat([head, Buffer.from('user.x\0'), Buffer.alloc(length)]);
    expect(ask(Opcode.SETXATTR, body(9), { setxattr: () => 0 }).outcome().errno).toBe(EINVAL);
    expect(ask(Opcode.SETXATTR, body(10), { setxattr: (_r, _n, value) => value.length - 10 }).outcome().errno).toBe(0);
  });

  it('BATCH_FORGET counts only what is there', () => {
    const forgotten: [number, number][] = [];
    const count = Buffer.alloc(8);
    count.writeUInt32LE(1000, 0);
    const operations: Operations = { forget: (node, lookups) => forgotten.push([node, lookups]) };
    ask(Opcode.BATCH_FORGET, Buffer.concat([count, words(10, 1, 11, 2)]), operations);
    expect(forgotten).toEqual([
      [10, 1],
      [11, 2],
    ]);
  });

  it('positions beyond 2^53 are nothing to read and too big to write', () => {
    const head = words(1, 2n ** 60n, 100, 0, 0);
    expect(ask(Opcode.READ, head, { read: () => Buffer.alloc(1) }).outcome().body.length).toBe(0);
    const write = ask(Opcode.WRITE, Buffer.concat([head, Buffer.alloc(100)]), { write: () => 0 });
    expect(write.outcome().errno).toBe(EFBIG);
  });
});

describe('answers', () => {
  it('xattr sizes are told, and values longer than asked for refused', () => {
    const body = (size: number): Buffer => {
      const head = Buffer.alloc(8);
      head.writeUInt32LE(size, 0);
      return Buffer.concat([head, Buffer.from('user.x\0')]);
    };
    const operations: Operations = { getxattr: () => Buffer.from('value') };
    expect(ask(Opcode.GETXATTR, body(0), operations).outcome().body.readUInt32LE(0)).toBe(5);
    expect(ask(Opcode.GETXATTR, body(5), operations).outcome().body.toString()).toBe('value');
    expect(ask(Opcode.GETXATTR, body(4), operations).outcome().errno).toBe(ERANGE);
  });

  it('a large WRITE lends its buffer until it is answered', async () => {
    const head = words(1, 0, 40_000, 0, 0);
    const body = Buffer.concat([head, Buffer.alloc(40_000, 7)]);
    let finish: (errno: number) => void = () => {};
    const waiting = new Promise<number>((resolve) => {
      finish = resolve;
    });
    const lent = ask(Opcode.WRITE, body, { write: () => waiting });
    expect([lent.kept, lent.released.length]).toEqual([true, 0]);
    finish(0);
    await waiting;
    await new Promise(setImmediate);
    expect(lent.released).toEqual([lent.block]);
    const keeping = ask(Opcode.WRITE, body, {
      write: (_request, write) => {
        write.keepData();
        return 0;
      },
    });
    expect([keeping.kept, keeping.released.length]).toEqual([true, 0]);
  });

  it('data of a small WRITE is a copy', () => {
    let data: Buffer = Buffer.alloc(0);
    const body = Buffer.concat([words(1, 0, 4, 0, 0), Buffer.from('data')]);
    const { kept, block } = ask(Opcode.WRITE, body, {
      write: (_request, write) => {
        data = write.data;
        return 0;
      },
    });
    block.bytes.fill(0);
    expect([kept, data.toString()]).toEqual([false, 'data']);
  });

  it('a rejected operation is EIO', async () => {
    const failing = ask(Opcode.GETATTR, words(0, 0), { getattr: () => Promise.reject(new Error('defect')) });
    await new Promise(setImmediate);
    expect(failing.outcome().errno).toBe(EIO);
    expect(failing.loop.pendingRequests).toBe(0);
  });

  it('what could not be delivered is taken back', () => {
    const channel = recordingChannel();
    channel.errno = ENOENT;
    const forgotten: number[] = [];
    const released: number[] = [];
    const attr = {
      inode: 9,
      sizeBytes: 0,
      blocks: 0,
      atime: 0,
      mtime: 0,
      ctime: 0,
      atimeNs: 0,
      mtimeNs: 0,
      ctimeNs: 0,
      mode: 0,
      nlink: 0,
      uid: 0,
      gid: 0,
      rdev: 0,
      blockSizeBytes: 0,
    };
    const entry = { node: 9, generation: 0, entryTimeoutSeconds: 0, attrTimeoutSeconds: 0, attr };
    const operations: Operations = {
      lookup: () => entry,
      create: () => ({ entry, open: { handle: 4, flags: 0 } }),
      readdirplus: (_request, _handle, _offset, list) => {
        list.addPlus(Buffer.from('a'), entry, 1);
        list.addPlus(Buffer.from('.'), { ...entry, node: 0 }, 2);
        return 0;
      },
      forget: (node) => forgotten.push(node),
      release: (_request, handle) => {
        released.push(handle);
        return 0;
      },
    };
    ask(Opcode.LOOKUP, Buffer.from('a\0'), operations, channel);
    ask(Opcode.CREATE, Buffer.concat([words(0, 0), Buffer.from('a\0')]), operations, channel);
    ask(Opcode.READDIRPLUS, words(0, 0, 4096, 0, 0), operations, channel);
    expect(forgotten).toEqual([9, 9, 9]);
    expect(released).toEqual([4]);
  });

  it('an interrupt reaches a waiting operation, also one that listens later', async () => {
    let stopped = 0;
    const waiting = ask(Opcode.GETATTR, words(0, 0), {
      getattr: (request) => {
        request.onInterrupt(() => {
          stopped += 1;
        });
        return new Promise(() => {});
      },
    });
    waiting.loop.interrupt(77);
    waiting.loop.interrupt(77);
    waiting.loop.interrupt(78);
    waiting.request.onInterrupt(() => {
      stopped += 10;
    });
    expect([stopped, waiting.request.interrupted]).toEqual([11, true]);
  });
});

describe('directory lists', () => {
  it('take what fits, aligned to 8 bytes', () => {
    const list = new DirectoryList(64);
    expect(list.add(Buffer.from('12345678'), 1, 0o100000, 1)).toBe(true);
    expect(list.recordBytes).toBe(32);
    expect(list.add(Buffer.from('123456789'), 2, 0o040000, 2)).toBe(false);
    expect(list.add(Buffer.from('1'), 2, 0o040000, 2)).toBe(true);
    expect([list.recordBytes, list.limitBytes]).toEqual([64, 64]);
    const record = list.block.bytes.subarray(OUT_HEADER_BYTES + 32);
    expect([
      record.readBigUInt64LE(0),
      record.readBigUInt64LE(8),
      record.readUInt32LE(16),
      record.readUInt32LE(20),
    ]).toEqual([2n, 2n, 1, 4]);
  });
});

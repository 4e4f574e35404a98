import type { Channel } from './channel.ts';
import { NOTIFY_EXPIRE_ONLY, NotifyCode, OUT_HEADER_BYTES } from './constants.ts';
import { allocateBlock, type Block, putU64 } from './words.ts';

/**
 * Messages to the kernel that nobody asked for. Each resolves to 0 or an errno: ENOENT means the kernel knows no such node or
 * name, which is fine. They may wait for requests under way (a page that is being read, a directory that is being changed), so
 * an operation must never wait for a notification about its own node.
 */
export interface Notifier {
  /** Drops cached attributes of `node` and cached data from `offset` on (`lengthBytes` 0: to the end; negative offset: attributes only). */
  invalidateInode(node: number, offset: number, lengthBytes: number): Promise<number>;
  /** Drops the cached name. `expireOnly`: let it be looked up again instead (kernel 6.2 and newer). */
  invalidateEntry(parent: number, name: Buffer, expireOnly?: boolean): Promise<number>;
  /** The name was removed and was `child`: watchers get a delete event. */
  deleted(parent: number, child: number, name: Buffer): Promise<number>;
  /** Puts data into the page cache of `node`. */
  store(node: number, offset: number, data: Buffer): Promise<number>;
}

/** A notification is an out-header with unique 0 and the code in the place of the errno. */
function message(code: number, lengthBytes: number): Block {
  const block = allocateBlock(OUT_HEADER_BYTES + lengthBytes);
  block.words[0] = OUT_HEADER_BYTES + lengthBytes;
  block.words[1] = code;
  putU64(block.words, 2, 0);
  return block;
}

/** Signed 64-bit, for offsets that may be -1. */
function putSigned(words: Uint32Array, at: number, value: number): void {
  words[at] = value >>> 0;
  words[at + 1] = Math.floor(value / 0x1_0000_0000) >>> 0;
}

function exact(block: Block): Buffer {
  return block.bytes.subarray(0, block.words[0]);
}

export function createNotifier(channel: Channel): Notifier {
  const named = (code: number, headBytes: number, name: Buffer, fill: (words: Uint32Array) => void) => {
    const block = message(code, headBytes + name.length + 1);
    fill(block.words);
    block.bytes.set(name, OUT_HEADER_BYTES + headBytes);
    block.bytes[OUT_HEADER_BYTES + headBytes + name.length] = 0;
    return channel.notify(exact(block));
  };
  return {
    invalidateInode: (node, offset, lengthBytes) => {
      const block = message(NotifyCode.INVAL_INODE, 24);
      putU64(block.words, 4, node);
      putSigned(block.words, 6, offset);
      putSigned(block.words, 8, lengthBytes);
      return channel.notify(exact(block));
    },
    invalidateEntry: (parent, name, expireOnly = false) =>
      named(NotifyCode.INVAL_ENTRY, 16, name, (words) => {
        putU64(words, 4, parent);
        words[6] = name.length;
        words[7] = expireOnly ? NOTIFY_EXPIRE_ONLY : 0;
      }),
    deleted: (parent, child, name) =>
      named(NotifyCode.DELETE, 24, name, (words) => {
        putU64(words, 4, parent);
        putU64(words, 6, child);
        words[8] = name.length;
        words[9] = 0;
      }),
    store: (node, offset, data) => {
      const block = message(NotifyCode.STORE, 24 + data.length);
      putU64(block.words, 4, node);
      putU64(block.words, 6, offset);
      block.words[8] = data.length;
      block.words[9] = 0;
      block.bytes.set(data, OUT_HEADER_BYTES + 24);
      return channel.notify(exact(block));
    },
  };
}

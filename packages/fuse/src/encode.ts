import type { Attr, AttrReply, CreateReply, Entry, FileLock, OpenReply, StatfsReply } from './types.ts';
import { putBigU64, putU64 } from './words.ts';

/**
 * Encoders of reply structures. Each writes at a word index and returns the index behind what it wrote; all words are written,
 * so that the memory needs no clearing.
 */

const NANOSECONDS = 1_000_000_000;

export function putOutHeader(words: Uint32Array, lengthBytes: number, errno: number, unique: number): void {
  words[0] = lengthBytes;
  words[1] = -errno;
  putU64(words, 2, unique);
}

export function putAttr(words: Uint32Array, at: number, attr: Attr): number {
  putU64(words, at, attr.inode);
  putU64(words, at + 2, attr.sizeBytes);
  putU64(words, at + 4, attr.blocks);
  putU64(words, at + 6, attr.atime);
  putU64(words, at + 8, attr.mtime);
  putU64(words, at + 10, attr.ctime);
  words[at + 12] = attr.atimeNs;
  words[at + 13] = attr.mtimeNs;
  words[at + 14] = attr.ctimeNs;
  words[at + 15] = attr.mode;
  words[at + 16] = attr.nlink;
  words[at + 17] = attr.uid;
  words[at + 18] = attr.gid;
  words[at + 19] = attr.rdev;
  words[at + 20] = attr.blockSizeBytes;
  words[at + 21] = 0;
  return at + 22;
}

function secondsPart(timeout: number): number {
  return Math.floor(timeout);
}

function nanosecondsPart(timeout: number): number {
  return Math.floor((timeout - Math.floor(timeout)) * NANOSECONDS);
}

export function putEntry(words: Uint32Array, at: number, entry: Entry): number {
  putU64(words, at, entry.node);
  putU64(words, at + 2, entry.generation);
  putU64(words, at + 4, secondsPart(entry.entryTimeoutSeconds));
  putU64(words, at + 6, secondsPart(entry.attrTimeoutSeconds));
  words[at + 8] = nanosecondsPart(entry.entryTimeoutSeconds);
  words[at + 9] = nanosecondsPart(entry.attrTimeoutSeconds);
  return putAttr(words, at + 10, entry.attr);
}

export function putAttrReply(words: Uint32Array, at: number, reply: AttrReply): number {
  putU64(words, at, secondsPart(reply.attrTimeoutSeconds));
  words[at + 2] = nanosecondsPart(reply.attrTimeoutSeconds);
  words[at + 3] = 0;
  return putAttr(words, at + 4, reply.attr);
}

export function putOpen(words: Uint32Array, at: number, reply: OpenReply): number {
  putU64(words, at, reply.handle);
  words[at + 2] = reply.flags;
  words[at + 3] = 0;
  return at + 4;
}

export function putCreate(words: Uint32Array, at: number, reply: CreateReply): number {
  return putOpen(words, putEntry(words, at, reply.entry), reply.open);
}

export function putStatfs(words: Uint32Array, at: number, reply: StatfsReply): number {
  putU64(words, at, reply.blocks);
  putU64(words, at + 2, reply.blocksFree);
  putU64(words, at + 4, reply.blocksAvailable);
  putU64(words, at + 6, reply.files);
  putU64(words, at + 8, reply.filesFree);
  words[at + 10] = reply.blockSizeBytes;
  words[at + 11] = reply.nameMaxBytes;
  words[at + 12] = reply.fragmentSizeBytes;
  words.fill(0, at + 13, at + 20);
  return at + 20;
}

export function putLock(words: Uint32Array, at: number, lock: FileLock): number {
  putBigU64(words, at, lock.start);
  putBigU64(words, at + 2, lock.end);
  words[at + 4] = lock.type;
  words[at + 5] = lock.pid;
  return at + 6;
}

import { FSYNC_DATASYNC, GETATTR_FH, IN_HEADER_BYTES, Opcode } from './constants.ts';
import { putAttrReply, putStatfs } from './encode.ts';
import { BODY, type HandlerTable } from './handler.ts';
import { textAt } from './handlersNames.ts';
import type { Loop } from './loop.ts';
import type { Answer } from './operations.ts';
import type { Request } from './request.ts';
import type { XattrSize } from './types.ts';
import { type Block, getBigU64, getU64, putBigU64 } from './words.ts';

const EINVAL = 22;
const ERANGE = 34;
const EFBIG = 27;
const ENOSYS = 38;
/** Longest symlink text the kernel takes. */
const LINK_LIMIT_BYTES = 4095;

function getattr(loop: Loop, request: Request, block: Block): boolean {
  const { words } = block;
  const handle = words[BODY] & GETATTR_FH ? getU64(words, BODY + 2) : undefined;
  loop.value(request, loop.operations.getattr?.(request, handle) ?? ENOSYS, putAttrReply);
  return false;
}

function setattr(loop: Loop, request: Request, block: Block): boolean {
  const { words } = block;
  const sizeBytes = getU64(words, BODY + 4);
  if (!Number.isSafeInteger(sizeBytes)) {
    loop.error(request, EFBIG);
    return false;
  }
  const change = {
    valid: words[BODY],
    handle: getU64(words, BODY + 2),
    sizeBytes,
    atime: signedSeconds(words, BODY + 8),
    mtime: signedSeconds(words, BODY + 10),
    ctime: signedSeconds(words, BODY + 12),
    atimeNs: words[BODY + 14],
    mtimeNs: words[BODY + 15],
    ctimeNs: words[BODY + 16],
    mode: words[BODY + 17],
    uid: words[BODY + 19],
    gid: words[BODY + 20],
  };
  loop.value(request, loop.operations.setattr?.(request, change) ?? ENOSYS, putAttrReply);
  return false;
}

/** Times are 64-bit and may lie before 1970. */
function signedSeconds(words: Uint32Array, at: number): number {
  return words[at] + (words[at + 1] | 0) * 0x1_0000_0000;
}

function readlink(loop: Loop, request: Request): boolean {
  loop.bytes(request, loop.operations.readlink?.(request) ?? ENOSYS, LINK_LIMIT_BYTES);
  return false;
}

function statfs(loop: Loop, request: Request): boolean {
  loop.value(request, loop.operations.statfs?.(request) ?? ENOSYS, putStatfs);
  return false;
}

function access(loop: Loop, request: Request, block: Block): boolean {
  loop.status(request, loop.operations.access?.(request, block.words[BODY]) ?? ENOSYS);
  return false;
}

function setxattr(loop: Loop, request: Request, block: Block, lengthBytes: number): boolean {
  const { words } = block;
  const valueBytes = words[BODY];
  const name = textAt(block, IN_HEADER_BYTES + 8, lengthBytes);
  const start = IN_HEADER_BYTES + 8 + name.length + 1;
  if (start + valueBytes > lengthBytes) {
    loop.error(request, EINVAL);
    return false;
  }
  const value = Buffer.from(block.bytes.subarray(start, start + valueBytes));
  loop.status(request, loop.operations.setxattr?.(request, name, value, words[BODY + 1]) ?? ENOSYS);
  return false;
}

function putSize(words: Uint32Array, at: number, size: XattrSize): number {
  words[at] = size.bytes;
  words[at + 1] = 0;
  return at + 2;
}

/** Size 0 asks for the size only; an operation may answer that question with the value too. */
function answerXattr(loop: Loop, request: Request, outcome: Answer<Buffer | XattrSize>, limitBytes: number): boolean {
  if (limitBytes === 0) {
    const toSize = (value: Buffer | XattrSize | number): XattrSize | number =>
      Buffer.isBuffer(value) ? { bytes: value.length } : value;
    loop.value(request, outcome instanceof Promise ? outcome.then(toSize) : toSize(outcome), putSize);
  } else {
    const toBytes = (value: Buffer | XattrSize | number): Buffer | number =>
      Buffer.isBuffer(value) || typeof value === 'number' ? value : ERANGE;
    loop.bytes(request, outcome instanceof Promise ? outcome.then(toBytes) : toBytes(outcome), limitBytes);
  }
  return false;
}

function getxattr(loop: Loop, request: Request, block: Block, lengthBytes: number): boolean {
  const limitBytes = block.words[BODY];
  const name = textAt(block, IN_HEADER_BYTES + 8, lengthBytes);
  return answerXattr(loop, request, loop.operations.getxattr?.(request, name, limitBytes) ?? ENOSYS, limitBytes);
}

function listxattr(loop: Loop, request: Request, block: Block): boolean {
  const limitBytes = block.words[BODY];
  return answerXattr(loop, request, loop.operations.listxattr?.(request, limitBytes) ?? ENOSYS, limitBytes);
}

function removexattr(loop: Loop, request: Request, block: Block, lengthBytes: number): boolean {
  const name = textAt(block, IN_HEADER_BYTES, lengthBytes);
  loop.status(request, loop.operations.removexattr?.(request, name) ?? ENOSYS);
  return false;
}

function bmap(loop: Loop, request: Request, block: Block): boolean {
  const outcome = loop.operations.bmap?.(request, getBigU64(block.words, BODY), block.words[BODY + 2]);
  loop.value(request, outcome ?? ENOSYS, (words, at, value) => {
    putBigU64(words, at, value.block);
    return at + 2;
  });
  return false;
}

function syncfs(loop: Loop, request: Request): boolean {
  loop.status(request, loop.operations.syncfs?.(request) ?? ENOSYS);
  return false;
}

function fsyncdir(loop: Loop, request: Request, block: Block): boolean {
  const handle = getU64(block.words, BODY);
  const dataOnly = (block.words[BODY + 2] & FSYNC_DATASYNC) !== 0;
  loop.status(request, loop.operations.fsyncdir?.(request, handle, dataOnly) ?? ENOSYS);
  return false;
}

/** Requests about a node as such. */
export const nodeHandlers: HandlerTable = {
  [Opcode.GETATTR]: { bodyBytes: 16, handle: getattr },
  [Opcode.SETATTR]: { bodyBytes: 88, handle: setattr },
  [Opcode.READLINK]: { bodyBytes: 0, handle: readlink },
  [Opcode.STATFS]: { bodyBytes: 0, handle: statfs },
  [Opcode.ACCESS]: { bodyBytes: 8, handle: access },
  [Opcode.SETXATTR]: { bodyBytes: 8, handle: setxattr },
  [Opcode.GETXATTR]: { bodyBytes: 8, handle: getxattr },
  [Opcode.LISTXATTR]: { bodyBytes: 8, handle: listxattr },
  [Opcode.REMOVEXATTR]: { bodyBytes: 1, handle: removexattr },
  [Opcode.BMAP]: { bodyBytes: 16, handle: bmap },
  [Opcode.SYNCFS]: { bodyBytes: 0, handle: syncfs },
  [Opcode.FSYNCDIR]: { bodyBytes: 16, handle: fsyncdir },
};

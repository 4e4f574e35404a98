import { FSYNC_DATASYNC, IN_HEADER_BYTES, LockFlag, Opcode, ReleaseFlag } from './constants.ts';
import { DirectoryList } from './directory.ts';
import { putLock, putOpen } from './encode.ts';
import { BODY, type HandlerTable } from './handler.ts';
import { type Loop, putWritten } from './loop.ts';
import type { Operations, Status } from './operations.ts';
import type { Request } from './request.ts';
import type { LockRequest } from './types.ts';
import { type Block, getBigU64, getU64, putU64 } from './words.ts';

const EINVAL = 22;
const EFBIG = 27;
const ENOSYS = 38;
const EMPTY = Buffer.alloc(0);
/** Data of smaller writes is copied, so that a slow server with many small writers does not hold a large buffer for each. */
const LEND_MIN_BYTES = 32 * 1024;

function open(loop: Loop, request: Request, block: Block): boolean {
  const flags = block.words[BODY];
  loop.value(request, loop.operations.open?.(request, flags) ?? ENOSYS, putOpen, ({ handle }) =>
    loop.operations.release?.(request, handle, flags, 0n, false),
  );
  return false;
}

function opendir(loop: Loop, request: Request, block: Block): boolean {
  const flags = block.words[BODY];
  loop.value(request, loop.operations.opendir?.(request, flags) ?? ENOSYS, putOpen, ({ handle }) =>
    loop.operations.releasedir?.(request, handle, flags),
  );
  return false;
}

function read(loop: Loop, request: Request, block: Block): boolean {
  const { words } = block;
  const offset = getU64(words, BODY + 2);
  const sizeBytes = words[BODY + 4];
  if (!Number.isSafeInteger(offset + sizeBytes)) {
    loop.bytes(request, EMPTY, sizeBytes);
    return false;
  }
  const ask = { handle: getU64(words, BODY), offset, sizeBytes, openFlags: words[BODY + 8] };
  loop.bytes(request, loop.operations.read?.(request, ask) ?? ENOSYS, sizeBytes);
  return false;
}

function write(
  loop: Loop,
  request: Request,
  block: Block,
  lengthBytes: number,
  release: (block: Block) => void,
): boolean {
  const { words, bytes } = block;
  const offset = getU64(words, BODY + 2);
  const sizeBytes = words[BODY + 4];
  const start = IN_HEADER_BYTES + 40;
  if (start + sizeBytes > lengthBytes || !Number.isSafeInteger(offset + sizeBytes)) {
    loop.error(request, start + sizeBytes > lengthBytes ? EINVAL : EFBIG);
    return false;
  }
  const view = bytes.subarray(start, start + sizeBytes);
  const lent = sizeBytes >= LEND_MIN_BYTES;
  let kept = false;
  const ask = {
    handle: getU64(words, BODY),
    offset,
    data: lent ? view : Buffer.from(view),
    writeFlags: words[BODY + 5],
    openFlags: words[BODY + 8],
    keepData: () => {
      kept = true;
    },
  };
  const outcome = loop.operations.write?.(request, ask) ?? ENOSYS;
  loop.written(request, outcome, sizeBytes, () => {
    if (lent && !kept) release(block);
  });
  return lent;
}

function flush(loop: Loop, request: Request, block: Block): boolean {
  const { words } = block;
  const handle = getU64(words, BODY);
  loop.status(request, loop.operations.flush?.(request, handle, getBigU64(words, BODY + 4)) ?? ENOSYS);
  return false;
}

function release(loop: Loop, request: Request, block: Block): boolean {
  const { words } = block;
  const flockUnlock = (words[BODY + 3] & ReleaseFlag.FLOCK_UNLOCK) !== 0;
  const handle = getU64(words, BODY);
  const owner = getBigU64(words, BODY + 4);
  loop.status(request, loop.operations.release?.(request, handle, words[BODY + 2], owner, flockUnlock) ?? ENOSYS);
  return false;
}

function releasedir(loop: Loop, request: Request, block: Block): boolean {
  const { words } = block;
  loop.status(request, loop.operations.releasedir?.(request, getU64(words, BODY), words[BODY + 2]) ?? ENOSYS);
  return false;
}

function fsync(loop: Loop, request: Request, block: Block): boolean {
  const handle = getU64(block.words, BODY);
  const dataOnly = (block.words[BODY + 2] & FSYNC_DATASYNC) !== 0;
  loop.status(request, loop.operations.fsync?.(request, handle, dataOnly) ?? ENOSYS);
  return false;
}

type ListDirectory = (request: Request, handle: number, offset: number, list: DirectoryList) => Status;

function list(loop: Loop, request: Request, block: Block, fill: ListDirectory | undefined): boolean {
  const { words } = block;
  if (!fill) {
    loop.error(request, ENOSYS);
    return false;
  }
  const entries = new DirectoryList(words[BODY + 4]);
  const outcome = fill.call(loop.operations, request, getU64(words, BODY), getU64(words, BODY + 2), entries);
  loop.directory(request, outcome, entries);
  return false;
}

function lockOf(words: Uint32Array, wait: boolean): LockRequest {
  return {
    handle: getU64(words, BODY),
    owner: getBigU64(words, BODY + 2),
    lock: {
      start: getBigU64(words, BODY + 4),
      end: getBigU64(words, BODY + 6),
      type: words[BODY + 8],
      pid: words[BODY + 9],
    },
    flock: (words[BODY + 10] & LockFlag.FLOCK) !== 0,
    wait,
  };
}

function getlk(loop: Loop, request: Request, block: Block): boolean {
  loop.value(request, loop.operations.getlk?.(request, lockOf(block.words, false)) ?? ENOSYS, putLock);
  return false;
}

function setlk(loop: Loop, request: Request, block: Block): boolean {
  const wait = request.opcode === Opcode.SETLKW;
  loop.status(request, loop.operations.setlk?.(request, lockOf(block.words, wait)) ?? ENOSYS);
  return false;
}

function fallocate(loop: Loop, request: Request, block: Block): boolean {
  const { words } = block;
  const offset = getU64(words, BODY + 2);
  const length = getU64(words, BODY + 4);
  const operation: Operations['fallocate'] = Number.isSafeInteger(offset + length)
    ? loop.operations.fallocate
    : () => EFBIG;
  const outcome = operation?.call(loop.operations, request, getU64(words, BODY), words[BODY + 6], offset, length);
  loop.status(request, outcome ?? ENOSYS);
  return false;
}

function lseek(loop: Loop, request: Request, block: Block): boolean {
  const { words } = block;
  const offset = getU64(words, BODY + 2);
  const outcome = Number.isSafeInteger(offset)
    ? loop.operations.lseek?.(request, getU64(words, BODY), offset, words[BODY + 4])
    : EINVAL;
  loop.value(request, outcome ?? ENOSYS, (reply, at, value) => {
    putU64(reply, at, value.offset);
    return at + 2;
  });
  return false;
}

function copyFileRange(loop: Loop, request: Request, block: Block): boolean {
  const { words } = block;
  const copy = {
    handle: getU64(words, BODY),
    offset: getU64(words, BODY + 2),
    targetNode: getU64(words, BODY + 4),
    targetHandle: getU64(words, BODY + 6),
    targetOffset: getU64(words, BODY + 8),
    lengthBytes: getU64(words, BODY + 10),
    flags: words[BODY + 12],
  };
  const safe = Number.isSafeInteger(copy.offset + copy.lengthBytes + copy.targetOffset);
  const outcome = safe ? loop.operations.copyFileRange?.(request, copy) : EFBIG;
  loop.value(request, outcome ?? ENOSYS, putWritten);
  return false;
}

function ioctl(loop: Loop, request: Request, block: Block, lengthBytes: number): boolean {
  const { words, bytes } = block;
  const start = IN_HEADER_BYTES + 32;
  const inputBytes = words[BODY + 6];
  const outputLimitBytes = words[BODY + 7];
  if (start + inputBytes > lengthBytes) {
    loop.error(request, EINVAL);
    return false;
  }
  const ask = {
    handle: getU64(words, BODY),
    flags: words[BODY + 2],
    command: words[BODY + 3],
    argument: getBigU64(words, BODY + 4),
    input: Buffer.from(bytes.subarray(start, start + inputBytes)),
    outputLimitBytes,
  };
  const outcome = loop.operations.ioctl?.(request, ask) ?? ENOSYS;
  const withHeader = (value: { result: number; output: Buffer } | number): Buffer[] | number => {
    if (typeof value === 'number') return value;
    const header = Buffer.alloc(16);
    header.writeInt32LE(value.result, 0);
    return [header, value.output];
  };
  const parts = outcome instanceof Promise ? outcome.then(withHeader) : withHeader(outcome);
  loop.bytes(request, parts, outputLimitBytes + 16);
  return false;
}

function poll(loop: Loop, request: Request, block: Block): boolean {
  const { words } = block;
  const outcome = loop.operations.poll?.(request, getU64(words, BODY), words[BODY + 5]) ?? ENOSYS;
  loop.value(request, outcome, (reply, at, value) => putWritten(reply, at, { bytes: value.events }));
  return false;
}

/** Requests about an open file or directory. */
export const fileHandlers: HandlerTable = {
  [Opcode.OPEN]: { bodyBytes: 8, handle: open },
  [Opcode.OPENDIR]: { bodyBytes: 8, handle: opendir },
  [Opcode.READ]: { bodyBytes: 40, handle: read },
  [Opcode.WRITE]: { bodyBytes: 40, handle: write },
  [Opcode.FLUSH]: { bodyBytes: 24, handle: flush },
  [Opcode.RELEASE]: { bodyBytes: 24, handle: release },
  [Opcode.RELEASEDIR]: { bodyBytes: 24, handle: releasedir },
  [Opcode.FSYNC]: { bodyBytes: 16, handle: fsync },
  [Opcode.READDIR]: {
    bodyBytes: 40,
    handle: (loop, request, block) => list(loop, request, block, loop.operations.readdir),
  },
  [Opcode.READDIRPLUS]: {
    bodyBytes: 40,
    handle: (loop, request, block) => list(loop, request, block, loop.operations.readdirplus),
  },
  [Opcode.GETLK]: { bodyBytes: 48, handle: getlk },
  [Opcode.SETLK]: { bodyBytes: 48, handle: setlk },
  [Opcode.SETLKW]: { bodyBytes: 48, handle: setlk },
  [Opcode.FALLOCATE]: { bodyBytes: 32, handle: fallocate },
  [Opcode.LSEEK]: { bodyBytes: 24, handle: lseek },
  [Opcode.COPY_FILE_RANGE]: { bodyBytes: 56, handle: copyFileRange },
  [Opcode.IOCTL]: { bodyBytes: 32, handle: ioctl },
  [Opcode.POLL]: { bodyBytes: 24, handle: poll },
};

import { IN_HEADER_BYTES, Opcode } from './constants.ts';
import { putCreate, putEntry } from './encode.ts';
import { BODY, type HandlerTable } from './handler.ts';
import type { Loop } from './loop.ts';
import type { Answer } from './operations.ts';
import type { Request } from './request.ts';
import type { CreateReply, Entry } from './types.ts';
import { type Block, getU64 } from './words.ts';

const ENOSYS = 38;

/** The zero-terminated bytes at `start`, copied: the block is used again while names may be kept. */
export function textAt(block: Block, start: number, lengthBytes: number): Buffer {
  const end = block.bytes.indexOf(0, start);
  if (end < 0 || end >= lengthBytes) throw new Error('text without its end in a request');
  return Buffer.from(block.bytes.subarray(start, end));
}

function answerEntry(loop: Loop, request: Request, outcome: Answer<Entry> | undefined): boolean {
  if (outcome === undefined) loop.error(request, ENOSYS);
  else {
    loop.value(request, outcome, putEntry, (entry) => {
      if (entry.node !== 0) loop.operations.forget?.(entry.node, 1);
    });
  }
  return false;
}

function answerCreate(loop: Loop, request: Request, outcome: Answer<CreateReply> | undefined, flags: number): boolean {
  if (outcome === undefined) loop.error(request, ENOSYS);
  else {
    loop.value(request, outcome, putCreate, ({ entry, open }) => {
      loop.operations.release?.(request, open.handle, flags, 0n, false);
      loop.operations.forget?.(entry.node, 1);
    });
  }
  return false;
}

function lookup(loop: Loop, request: Request, block: Block, lengthBytes: number): boolean {
  return answerEntry(loop, request, loop.operations.lookup?.(request, textAt(block, IN_HEADER_BYTES, lengthBytes)));
}

function symlink(loop: Loop, request: Request, block: Block, lengthBytes: number): boolean {
  const name = textAt(block, IN_HEADER_BYTES, lengthBytes);
  const target = textAt(block, IN_HEADER_BYTES + name.length + 1, lengthBytes);
  return answerEntry(loop, request, loop.operations.symlink?.(request, name, target));
}

function mknod(loop: Loop, request: Request, block: Block, lengthBytes: number): boolean {
  const { words } = block;
  const name = textAt(block, IN_HEADER_BYTES + 16, lengthBytes);
  const make = { name, mode: words[BODY], umask: words[BODY + 2] };
  return answerEntry(loop, request, loop.operations.mknod?.(request, make, words[BODY + 1]));
}

function mkdir(loop: Loop, request: Request, block: Block, lengthBytes: number): boolean {
  const { words } = block;
  const name = textAt(block, IN_HEADER_BYTES + 8, lengthBytes);
  const make = { name, mode: words[BODY], umask: words[BODY + 1] };
  return answerEntry(loop, request, loop.operations.mkdir?.(request, make));
}

function link(loop: Loop, request: Request, block: Block, lengthBytes: number): boolean {
  const name = textAt(block, IN_HEADER_BYTES + 8, lengthBytes);
  return answerEntry(loop, request, loop.operations.link?.(request, getU64(block.words, BODY), name));
}

function create(loop: Loop, request: Request, block: Block, lengthBytes: number): boolean {
  const { words } = block;
  const flags = words[BODY];
  const name = textAt(block, IN_HEADER_BYTES + 16, lengthBytes);
  const make = { name, mode: words[BODY + 1], umask: words[BODY + 2] };
  return answerCreate(loop, request, loop.operations.create?.(request, make, flags), flags);
}

function tmpfile(loop: Loop, request: Request, block: Block): boolean {
  const { words } = block;
  const flags = words[BODY];
  const outcome = loop.operations.tmpfile?.(request, words[BODY + 1], words[BODY + 2], flags);
  return answerCreate(loop, request, outcome, flags);
}

function unlink(loop: Loop, request: Request, block: Block, lengthBytes: number): boolean {
  const name = textAt(block, IN_HEADER_BYTES, lengthBytes);
  loop.status(request, loop.operations.unlink?.(request, name) ?? ENOSYS);
  return false;
}

function rmdir(loop: Loop, request: Request, block: Block, lengthBytes: number): boolean {
  const name = textAt(block, IN_HEADER_BYTES, lengthBytes);
  loop.status(request, loop.operations.rmdir?.(request, name) ?? ENOSYS);
  return false;
}

function renameWith(loop: Loop, request: Request, block: Block, lengthBytes: number, bodyBytes: number): boolean {
  const name = textAt(block, IN_HEADER_BYTES + bodyBytes, lengthBytes);
  const newName = textAt(block, IN_HEADER_BYTES + bodyBytes + name.length + 1, lengthBytes);
  const flags = bodyBytes === 16 ? block.words[BODY + 2] : 0;
  const rename = { parent: request.node, name, newParent: getU64(block.words, BODY), newName, flags };
  loop.status(request, loop.operations.rename?.(request, rename) ?? ENOSYS);
  return false;
}

/** Requests that carry a name of a directory entry. */
export const nameHandlers: HandlerTable = {
  [Opcode.LOOKUP]: { bodyBytes: 1, handle: lookup },
  [Opcode.SYMLINK]: { bodyBytes: 2, handle: symlink },
  [Opcode.MKNOD]: { bodyBytes: 16, handle: mknod },
  [Opcode.MKDIR]: { bodyBytes: 8, handle: mkdir },
  [Opcode.LINK]: { bodyBytes: 8, handle: link },
  [Opcode.CREATE]: { bodyBytes: 16, handle: create },
  [Opcode.TMPFILE]: { bodyBytes: 16, handle: tmpfile },
  [Opcode.UNLINK]: { bodyBytes: 1, handle: unlink },
  [Opcode.RMDIR]: { bodyBytes: 1, handle: rmdir },
  [Opcode.RENAME]: {
    bodyBytes: 8,
    handle: (loop, request, block, lengthBytes) => renameWith(loop, request, block, lengthBytes, 8),
  },
  [Opcode.RENAME2]: {
    bodyBytes: 16,
    handle: (loop, request, block, lengthBytes) => renameWith(loop, request, block, lengthBytes, 16),
  },
};

import { IN_HEADER_BYTES, Opcode } from './constants.ts';
import { BODY, type Handler, type HandlerTable } from './handler.ts';
import { fileHandlers } from './handlersFiles.ts';
import { nameHandlers } from './handlersNames.ts';
import { nodeHandlers } from './handlersNodes.ts';
import type { Loop } from './loop.ts';
import type { Request } from './request.ts';
import { type Block, getU64 } from './words.ts';

function forget(loop: Loop, request: Request, block: Block): boolean {
  loop.operations.forget?.(request.node, getU64(block.words, BODY));
  return false;
}

function batchForget(loop: Loop, _request: Request, block: Block, lengthBytes: number): boolean {
  const room = Math.floor((lengthBytes - IN_HEADER_BYTES - 8) / 16);
  const count = Math.min(block.words[BODY], room);
  for (let index = 0; index < count; index++) {
    const at = BODY + 2 + index * 4;
    loop.operations.forget?.(getU64(block.words, at), getU64(block.words, at + 2));
  }
  return false;
}

function interrupt(loop: Loop, _request: Request, block: Block): boolean {
  loop.interrupt(getU64(block.words, BODY));
  return false;
}

function destroy(loop: Loop, request: Request): boolean {
  loop.operations.destroy?.();
  loop.error(request, 0);
  return false;
}

const TABLE: HandlerTable = {
  [Opcode.FORGET]: { bodyBytes: 8, handle: forget },
  [Opcode.BATCH_FORGET]: { bodyBytes: 8, handle: batchForget },
  [Opcode.INTERRUPT]: { bodyBytes: 8, handle: interrupt },
  [Opcode.DESTROY]: { bodyBytes: 0, handle: destroy },
  ...nameHandlers,
  ...nodeHandlers,
  ...fileHandlers,
};

/** Every request but INIT, by opcode. */
export const HANDLERS: readonly (Handler | undefined)[] = Array.from(
  { length: Opcode.STATX + 1 },
  (_, opcode) => TABLE[opcode],
);

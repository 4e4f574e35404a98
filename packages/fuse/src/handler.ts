import { IN_HEADER_BYTES } from './constants.ts';
import type { Loop } from './loop.ts';
import type { Request } from './request.ts';
import type { Block } from './words.ts';

/** First word behind the in-header. */
export const BODY = IN_HEADER_BYTES / 4;

/**
 * Decodes one kind of request, calls the operation and answers. True: the block was kept (WRITE), and goes back to the pool
 * through `release`.
 */
export type Handle = (
  loop: Loop,
  request: Request,
  block: Block,
  lengthBytes: number,
  release: (block: Block) => void,
) => boolean;

export interface Handler {
  /** Length of the fixed structure behind the header; shorter requests never reach `handle`. */
  bodyBytes: number;
  handle: Handle;
}

export type HandlerTable = Partial<Record<number, Handler>>;

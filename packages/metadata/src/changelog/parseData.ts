/** Lines about file data and chunks (spec 51 §3.3, old spellings §8). */
import type { Operation } from '../operations.ts';
import { COMMA, type LineCursor } from './cursor.ts';
import { closing, results } from './parseTree.ts';

const WHOLE_FILE_FROM = 0xffff_ffff;

export function parseLength(c: LineCursor): Operation {
  const inode = c.u32();
  c.comma();
  const length = c.long();
  const chtime = c.take(COMMA) ? c.u8() : 1;
  closing(c);
  return { op: 'LENGTH', inode, length, chtime };
}

export function parseWrite(c: LineCursor): Operation {
  const inode = c.u32();
  c.comma();
  const index = c.u32();
  const opflag = c.take(COMMA) ? c.u8() : 1;
  const chtime = c.take(COMMA) ? c.u8() : 1;
  results(c);
  return { op: 'WRITE', inode, index, opflag, chtime, chunkid: c.id() };
}

export function parseTrunc(c: LineCursor): Operation {
  const inode = c.u32();
  c.comma();
  const index = c.u32();
  results(c);
  return { op: 'TRUNC', inode, index, chunkid: c.id() };
}

export function parseUnlock(c: LineCursor): Operation {
  const chunkid = c.id();
  closing(c);
  return { op: 'UNLOCK', chunkid };
}

export function parseRollback(c: LineCursor): Operation {
  const inode = c.u32();
  c.comma();
  const index = c.u32();
  c.comma();
  const prevchunkid = c.id();
  c.comma();
  const chunkid = c.id();
  closing(c);
  return { op: 'ROLLBACK', inode, index, prevchunkid, chunkid };
}

export function parseSetfilechunk(c: LineCursor): Operation {
  const inode = c.u32();
  c.comma();
  const index = c.u32();
  c.comma();
  const chunkid = c.id();
  closing(c);
  return { op: 'SETFILECHUNK', inode, index, chunkid };
}

export function parseRepair(c: LineCursor): Operation {
  const inode = c.u32();
  c.comma();
  const index = c.u32();
  results(c);
  return { op: 'REPAIR', inode, index, version: c.u32() };
}

/** Without a range: the whole file. */
export function parseAppend(c: LineCursor): Operation {
  const dst = c.u32();
  c.comma();
  const src = c.u32();
  let from = WHOLE_FILE_FROM;
  let to = 0;
  if (c.take(COMMA)) {
    from = c.u32();
    c.comma();
    to = c.u32();
  }
  closing(c);
  return { op: 'APPEND', dst, src, from, to };
}

export function parseChunkadd(c: LineCursor): Operation {
  const chunkid = c.id();
  c.comma();
  const version = c.u32();
  c.comma();
  const lockedto = c.u32();
  closing(c);
  return { op: 'CHUNKADD', chunkid, version, lockedto };
}

function chunkAndVersion(c: LineCursor): { chunkid: number; version: number } {
  const chunkid = c.id();
  c.comma();
  const version = c.u32();
  closing(c);
  return { chunkid, version };
}

export function parseChunkdel(c: LineCursor): Operation {
  const { chunkid, version } = chunkAndVersion(c);
  return { op: 'CHUNKDEL', chunkid, version };
}

export function parseSetversion(c: LineCursor): Operation {
  const { chunkid, version } = chunkAndVersion(c);
  return { op: 'SETVERSION', chunkid, version };
}

export function parseIncversion(c: LineCursor): Operation {
  const chunkid = c.id();
  closing(c);
  return { op: 'INCVERSION', chunkid };
}

export function parseNextchunkid(c: LineCursor): Operation {
  const chunkid = c.id();
  closing(c);
  return { op: 'NEXTCHUNKID', chunkid };
}

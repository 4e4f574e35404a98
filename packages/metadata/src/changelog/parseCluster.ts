/** Lines about sessions, open files, locks, storage classes, chunkservers and identity (spec 51 §3.4, §3.5, old spellings §8). */
import type { Operation, SessionParameters } from '../operations.ts';
import type { LineCursor } from './cursor.ts';
import { closing, results } from './parseTree.ts';

const HASH = 35;
const CLOSE = 41;
const MINUS = 45;
const DIGIT_0 = 48;
const LOWER_X = 120;
const MAX_COPIES_FIELD = 0xff;
const MASKS_PER_COPY = 4;
const CSDB_ADD = 0;
const CSDB_DELETE = 1;

/** The umask field `0ooo`; absent (0) in old lines, where the field does not begin with 0. */
function optionalUmask(c: LineCursor): number {
  if (c.peek() !== DIGIT_0) return 0;
  c.position++;
  let umask = 0;
  for (let i = 0; i < 3; i++) {
    const digit = c.peek() - DIGIT_0;
    if (digit < 0 || digit > 7) throw c.error('octal digit expected');
    umask = umask * 8 + digit;
    c.position++;
  }
  c.comma();
  return umask;
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  if (byte >= 65 && byte <= 70) return byte - 55;
  return byte >= 97 && byte <= 102 ? byte - 87 : -1;
}

/** The field `0xXXXXXXXX`; absent (0) in old lines. */
function optionalDisables(c: LineCursor): number {
  const prefixed = c.peek() === DIGIT_0 && c.position + 1 < c.end && c.bytes[c.position + 1] === LOWER_X;
  if (!prefixed) return 0;
  c.position += 2;
  let disables = 0;
  for (let digit = hexDigit(c.peek()); digit >= 0; digit = hexDigit(c.peek())) {
    disables = ((disables << 4) | digit) >>> 0;
    c.position++;
  }
  c.comma();
  return disables;
}

function optionalChecksum(c: LineCursor): bigint {
  if (!c.take(HASH)) return 0n;
  const checksum = c.u64();
  c.comma();
  return checksum;
}

function u32AndComma(c: LineCursor): number {
  const value = c.u32();
  c.comma();
  return value;
}

/** Trailing zero bytes do not belong to the info. */
function sessionInfo(c: LineCursor): Buffer {
  const info = c.data();
  let length = info.length;
  while (length > 0 && info[length - 1] === 0) length--;
  return info.subarray(0, length);
}

function sessionParameters(c: LineCursor): SessionParameters {
  const exportscsum = optionalChecksum(c);
  const rootinode = u32AndComma(c);
  const sesflags = u32AndComma(c) & 0x7f;
  const umask = optionalUmask(c);
  const rootuid = u32AndComma(c);
  const rootgid = u32AndComma(c);
  const mapalluid = u32AndComma(c);
  const mapallgid = u32AndComma(c);
  const mingoal = u32AndComma(c);
  const maxgoal = u32AndComma(c);
  const mintrashtime = u32AndComma(c);
  const maxtrashtime = u32AndComma(c);
  const disables = optionalDisables(c);
  const peerip = u32AndComma(c);
  return {
    exportscsum,
    rootinode,
    sesflags,
    umask,
    rootuid,
    rootgid,
    mapalluid,
    mapallgid,
    mingoal,
    maxgoal,
    mintrashtime,
    maxtrashtime,
    disables,
    peerip,
    info: sessionInfo(c),
  };
}

export function parseSesadd(c: LineCursor): Operation {
  const parameters = sessionParameters(c);
  results(c);
  return { op: 'SESADD', ...parameters, sessionid: c.u32() };
}

export function parseSeschanged(c: LineCursor): Operation {
  const sessionid = u32AndComma(c);
  const parameters = sessionParameters(c);
  closing(c);
  return { op: 'SESCHANGED', ...parameters, sessionid };
}

function onlySession(c: LineCursor): number {
  const sessionid = c.u32();
  closing(c);
  return sessionid;
}

export const parseSesdisconnected = (c: LineCursor): Operation => ({
  op: 'SESDISCONNECTED',
  sessionid: onlySession(c),
});
export const parseSesdel = (c: LineCursor): Operation => ({ op: 'SESDEL', sessionid: onlySession(c) });

export function parseSession(c: LineCursor): Operation {
  results(c);
  return { op: 'SESSION', sessionid: c.u32() };
}

export function parseAcquire(c: LineCursor): Operation {
  const sessionid = u32AndComma(c);
  const inode = c.u32();
  closing(c);
  return { op: 'ACQUIRE', sessionid, inode };
}

export function parseRelease(c: LineCursor): Operation {
  const sessionid = u32AndComma(c);
  const inode = c.u32();
  closing(c);
  return { op: 'RELEASE', sessionid, inode };
}

const LETTERS = Array.from({ length: 128 }, (_, code) => String.fromCharCode(code));

function letter(c: LineCursor): string {
  const code = c.peek();
  if (code < 32 || code > 126) throw c.error('lock type expected');
  c.position++;
  return LETTERS[code];
}

export function parseFlock(c: LineCursor): Operation {
  const inode = u32AndComma(c);
  const sessionid = u32AndComma(c);
  const owner = c.u64();
  c.comma();
  const type = letter(c);
  closing(c);
  return { op: 'FLOCK', inode, sessionid, owner, c: type };
}

export function parsePosixlock(c: LineCursor): Operation {
  const inode = u32AndComma(c);
  const sessionid = u32AndComma(c);
  const owner = c.u64();
  c.comma();
  const type = letter(c);
  c.comma();
  const start = c.u64();
  c.comma();
  const end = c.u64();
  c.comma();
  const pid = c.u32();
  closing(c);
  return { op: 'POSIXLOCK', inode, sessionid, owner, c: type, start, end, pid };
}

/** A count with its letter in front, as `W2`. */
function copies(c: LineCursor, prefix: string): number {
  c.expect(prefix.charCodeAt(0));
  const count = c.u8();
  c.comma();
  return count;
}

export function parseScset(c: LineCursor): Operation {
  const name = c.name();
  c.comma();
  const isNew = c.u8();
  c.comma();
  const createcnt = copies(c, 'W');
  const keepcnt = copies(c, 'K');
  const archcnt = copies(c, 'A');
  const mode = c.u8();
  c.comma();
  const archdelay = c.u16();
  c.comma();
  const adminonly = c.u8();
  c.comma();
  const wanted = (createcnt + keepcnt + archcnt) * MASKS_PER_COPY;
  if (wanted > 3 * MAX_COPIES_FIELD * MASKS_PER_COPY) throw c.error('too many masks');
  const masks: number[] = [];
  if (wanted === 0) c.expect(MINUS);
  for (let i = 0; i < wanted; i++) {
    if (i > 0) c.comma();
    masks.push(c.u32());
  }
  results(c);
  return { op: 'SCSET', name, new: isNew, createcnt, keepcnt, archcnt, mode, archdelay, adminonly, masks, id: c.u32() };
}

export function parseScdup(c: LineCursor): Operation {
  const src = c.name();
  c.comma();
  const dst = c.name();
  results(c);
  const srcid = u32AndComma(c);
  return { op: 'SCDUP', src, dst, srcid, dstid: c.u32() };
}

export function parseScren(c: LineCursor): Operation {
  const old = c.name();
  c.comma();
  const renamed = c.name();
  results(c);
  return { op: 'SCREN', old, new: renamed, id: c.u32() };
}

export function parseScdel(c: LineCursor): Operation {
  const name = c.name();
  results(c);
  return { op: 'SCDEL', name, id: c.u32() };
}

export function parseCsdbop(c: LineCursor): Operation {
  const csop = c.u8();
  c.comma();
  const ip = u32AndComma(c);
  const port = c.u16();
  c.comma();
  const arg = c.u32();
  closing(c);
  return { op: 'CSDBOP', csop, ip, port, arg };
}

/** Old `CSADD(ip,port)` and `CSDEL(ip,port)`. */
function parseServer(c: LineCursor, csop: number): Operation {
  const ip = u32AndComma(c);
  const port = c.u16();
  closing(c);
  return { op: 'CSDBOP', csop, ip, port, arg: 0 };
}

export const parseCsadd = (c: LineCursor): Operation => parseServer(c, CSDB_ADD);
export const parseCsdel = (c: LineCursor): Operation => parseServer(c, CSDB_DELETE);

export function parseSetmetaid(c: LineCursor): Operation {
  const id = c.u64();
  closing(c);
  return { op: 'SETMETAID', id };
}

export function parseIdle(c: LineCursor): Operation {
  c.expect(CLOSE);
  return { op: 'IDLE' };
}

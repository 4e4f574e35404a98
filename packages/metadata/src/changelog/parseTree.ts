/** Lines that change the tree and attributes (spec 51 §3.1, §3.2, old spellings §8). */
import { ALL_BUCKETS, type Operation } from '../operations.ts';
import { COMMA, type LineCursor } from './cursor.ts';

const CLOSE = 41;
const COLON = 58;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;
const DEFAULT_FREE_DELAY_SECONDS = 86400;
/** Type numbers from here on are the codes of the letters below. */
const FIRST_LETTER_CODE = 16;
const TYPE_LETTERS = new Map([...'fdlqbcstr'].map((letter, index) => [letter.charCodeAt(0), index + 1]));

/** `)` and `:`, behind which results stand. */
export function results(c: LineCursor): void {
  c.expect(CLOSE);
  c.expect(COLON);
}

export function closing(c: LineCursor): void {
  c.expect(CLOSE);
}

function isDigit(byte: number): boolean {
  return byte >= 48 && byte <= 57;
}

/** The three counters behind a recursive setter. */
export function counters(c: LineCursor): { changed: number; unchanged: number; denied: number } {
  results(c);
  const changed = c.u32();
  c.comma();
  const unchanged = c.u32();
  c.comma();
  return { changed, unchanged, denied: c.u32() };
}

/** A type as number, or as letter (alone or as its code): then the line has no cumask. */
function createType(c: LineCursor): { type: number; old: boolean } {
  const byte = c.peek();
  const letter = TYPE_LETTERS.get(byte);
  if (letter !== undefined) {
    c.position++;
    return { type: letter, old: true };
  }
  const type = c.u8();
  return type < FIRST_LETTER_CODE ? { type, old: false } : { type: TYPE_LETTERS.get(type) ?? type, old: true };
}

export function parseCreate(c: LineCursor): Operation {
  const parent = c.u32();
  c.comma();
  const name = c.name();
  c.comma();
  const { type, old } = createType(c);
  c.comma();
  const mode = c.u16();
  c.comma();
  let cumask = 0;
  if (!old) {
    cumask = c.u16();
    c.comma();
  }
  const uid = c.u32();
  c.comma();
  const gid = c.u32();
  c.comma();
  const rdev = c.u32();
  results(c);
  return { op: 'CREATE', parent, name, type, mode, cumask, uid, gid, rdev, inode: c.u32() };
}

export function parseSymlink(c: LineCursor): Operation {
  const parent = c.u32();
  c.comma();
  const name = c.name();
  c.comma();
  const path = c.text();
  c.comma();
  const uid = c.u32();
  c.comma();
  const gid = c.u32();
  results(c);
  return { op: 'SYMLINK', parent, name, path, uid, gid, inode: c.u32() };
}

export function parseLink(c: LineCursor): Operation {
  const inode = c.u32();
  c.comma();
  const parent = c.u32();
  c.comma();
  const name = c.name();
  closing(c);
  return { op: 'LINK', inode, parent, name };
}

export function parseUnlink(c: LineCursor): Operation {
  const parent = c.u32();
  c.comma();
  const name = c.name();
  results(c);
  return { op: 'UNLINK', parent, name, inode: c.u32() };
}

export function parseMove(c: LineCursor): Operation {
  const parentSrc = c.u32();
  c.comma();
  const nameSrc = c.name();
  c.comma();
  const parentDst = c.u32();
  c.comma();
  const nameDst = c.name();
  results(c);
  return { op: 'MOVE', parentSrc, nameSrc, parentDst, nameDst, inode: c.u32() };
}

export function parseSetpath(c: LineCursor): Operation {
  const inode = c.u32();
  c.comma();
  const path = c.text();
  closing(c);
  return { op: 'SETPATH', inode, path };
}

/** A single inode as the only argument. */
function onlyInode(c: LineCursor): number {
  const inode = c.u32();
  closing(c);
  return inode;
}

export const parseUndel = (c: LineCursor): Operation => ({ op: 'UNDEL', inode: onlyInode(c) });
export const parsePurge = (c: LineCursor): Operation => ({ op: 'PURGE', inode: onlyInode(c) });
export const parseAccess = (c: LineCursor): Operation => ({ op: 'ACCESS', inode: onlyInode(c) });

/** The argument of `OP(n)`, or the given value for `OP()`. */
function optionalArgument(c: LineCursor, otherwise: number): number {
  return c.peek() === CLOSE ? otherwise : c.u32();
}

/** `,n` if it is there, else 0. */
function optionalResult(c: LineCursor): number {
  return c.take(COMMA) ? c.u32() : 0;
}

export function parseEmptytrash(c: LineCursor): Operation {
  const bucket = optionalArgument(c, ALL_BUCKETS);
  results(c);
  const removed = c.u32();
  c.comma();
  const sustained = c.u32();
  return { op: 'EMPTYTRASH', bucket, removed, sustained, xor: optionalResult(c) };
}

export function parseEmptysustained(c: LineCursor): Operation {
  const bucket = optionalArgument(c, ALL_BUCKETS);
  results(c);
  const removed = c.u32();
  return { op: 'EMPTYSUSTAINED', bucket, removed, xor: optionalResult(c) };
}

export function parseFreeinodes(c: LineCursor): Operation {
  const delay = optionalArgument(c, DEFAULT_FREE_DELAY_SECONDS);
  results(c);
  const freed = c.u32();
  const kept = optionalResult(c);
  return { op: 'FREEINODES', delay, freed, kept, xor: optionalResult(c) };
}

export function parseRenumerateedges(c: LineCursor): Operation {
  results(c);
  return { op: 'RENUMERATEEDGES', nextedgeid: c.u64() };
}

/** `[a,b,...]` as written since 3.0. */
function bracketedGids(c: LineCursor): number[] {
  c.expect(OPEN_BRACKET);
  const gids = [c.u32()];
  while (c.take(COMMA)) gids.push(c.u32());
  c.expect(CLOSE_BRACKET);
  return gids;
}

/** Whether all bytes from `at` to the closing parenthesis are digits. */
function onlyDigitsFollow(c: LineCursor, at: number): boolean {
  let end = at;
  while (end < c.end && isDigit(c.bytes[end])) end++;
  return end < c.end && c.bytes[end] === CLOSE;
}

/** Old forms: a single gid, or a number of gids followed by their escaped little-endian bytes. */
function unbracketedGids(c: LineCursor): number[] {
  const first = c.u32();
  const next = c.position + 1;
  if (c.peek() !== COMMA || onlyDigitsFollow(c, next)) return [first];
  c.comma();
  const raw = c.data();
  if (raw.length !== first * 4 || first === 0) throw c.mismatch(`${first} groups in ${raw.length} bytes`);
  return Array.from({ length: first }, (_, i) => raw.readUInt32LE(i * 4));
}

export function parseSnapshot(c: LineCursor): Operation {
  const src = c.u32();
  c.comma();
  const parent = c.u32();
  c.comma();
  const name = c.name();
  c.comma();
  const smode = c.u32();
  c.comma();
  const sesflags = c.u32();
  c.comma();
  const uid = c.u32();
  c.comma();
  const gids = c.peek() === OPEN_BRACKET ? bracketedGids(c) : unbracketedGids(c);
  c.comma();
  const cumask = c.u32();
  closing(c);
  const [xor, removed, same, existing, hardlinks, made] = c.take(COLON) ? snapshotResults(c) : [0, 0, 0, 0, 0, 0];
  return {
    op: 'SNAPSHOT',
    src,
    parent,
    name,
    smode,
    sesflags,
    uid,
    gids,
    cumask,
    xor,
    removed,
    same,
    existing,
    hardlinks,
    new: made,
  };
}

function snapshotResults(c: LineCursor): number[] {
  const values = [c.u32()];
  for (let i = 0; i < 5; i++) {
    c.comma();
    values.push(c.u32());
  }
  return values;
}

/** `…,mtime)`: winattr 0 and aclmode = mode; `…,mtime,aclmode)`: winattr 0. */
export function parseAttr(c: LineCursor): Operation {
  const inode = c.u32();
  c.comma();
  const mode = c.u32();
  c.comma();
  const uid = c.u32();
  c.comma();
  const gid = c.u32();
  c.comma();
  const atime = c.u32();
  c.comma();
  const mtime = c.u32();
  let winattr = 0;
  let aclmode = mode;
  if (c.take(COMMA)) {
    aclmode = c.u32();
    if (c.take(COMMA)) {
      winattr = aclmode;
      aclmode = c.u32();
    }
  }
  closing(c);
  return { op: 'ATTR', inode, mode, uid, gid, atime, mtime, winattr, aclmode };
}

export function parseAmtime(c: LineCursor): Operation {
  const inode = c.u32();
  c.comma();
  const atime = c.u32();
  c.comma();
  const mtime = c.u32();
  c.comma();
  const ctime = c.u32();
  closing(c);
  return { op: 'AMTIME', inode, atime, mtime, ctime };
}

export function parseSeteattr(c: LineCursor): Operation {
  const inode = c.u32();
  c.comma();
  const uid = c.u32();
  c.comma();
  const eattr = c.u32();
  c.comma();
  const smode = c.u32();
  const { changed, unchanged, denied } = counters(c);
  return { op: 'SETEATTR', inode, uid, eattr, smode, changed, unchanged, denied };
}

export function parseSettrashtime(c: LineCursor): Operation {
  const inode = c.u32();
  c.comma();
  const uid = c.u32();
  c.comma();
  const seconds = c.u32();
  c.comma();
  const smode = c.u32();
  const { changed, unchanged, denied } = counters(c);
  return { op: 'SETTRASHTIME', inode, uid, seconds, smode, changed, unchanged, denied };
}

export function parseSetsclass(c: LineCursor): Operation {
  const inode = c.u32();
  c.comma();
  const uid = c.u32();
  c.comma();
  const srcClass = c.u32();
  c.comma();
  const dstClass = c.u32();
  c.comma();
  const smode = c.u32();
  const { changed, unchanged, denied } = counters(c);
  return { op: 'SETSCLASS', inode, uid, srcClass, dstClass, smode, changed, unchanged, denied };
}

/** Old: SETSCLASS from and to the goal. */
export function parseSetgoal(c: LineCursor): Operation {
  const inode = c.u32();
  c.comma();
  const uid = c.u32();
  c.comma();
  const goal = c.u32();
  c.comma();
  const smode = c.u32();
  const { changed, unchanged, denied } = counters(c);
  return { op: 'SETSCLASS', inode, uid, srcClass: goal, dstClass: goal, smode, changed, unchanged, denied };
}

export function parseArchchg(c: LineCursor): Operation {
  const inode = c.u32();
  c.comma();
  const uid = c.u32();
  c.comma();
  const cmd = c.u8();
  const { changed, unchanged, denied } = counters(c);
  return { op: 'ARCHCHG', inode, uid, cmd, changed, unchanged, denied };
}

export function parseSetxattr(c: LineCursor): Operation {
  const inode = c.u32();
  c.comma();
  const name = c.name();
  c.comma();
  const value = c.data();
  c.comma();
  const mode = c.u32();
  closing(c);
  return { op: 'SETXATTR', inode, name, value, mode };
}

export function parseSetacl(c: LineCursor): Operation {
  const inode = c.u32();
  c.comma();
  const mode = c.u16();
  c.comma();
  const changectime = c.u8();
  c.comma();
  const acltype = c.u8();
  c.comma();
  const user = c.u16();
  c.comma();
  const group = c.u16();
  c.comma();
  const other = c.u16();
  c.comma();
  const mask = c.u16();
  c.comma();
  const nusers = c.u16();
  c.comma();
  const ngroups = c.u16();
  c.comma();
  const blob = c.data();
  closing(c);
  return { op: 'SETACL', inode, mode, changectime, acltype, user, group, other, mask, nusers, ngroups, blob };
}

/** Without the last field: the grace period stays. */
export function parseQuota(c: LineCursor): Operation {
  const inode = c.u32();
  c.comma();
  const exceeded = c.u32();
  c.comma();
  const flags = c.u32();
  c.comma();
  const stimestamp = c.u32();
  c.comma();
  const sinodes = c.u32();
  c.comma();
  const hinodes = c.u32();
  const limits: bigint[] = [];
  for (let i = 0; i < 6; i++) {
    c.comma();
    limits.push(c.u64());
  }
  const [slength, hlength, ssize, hsize, srealsize, hrealsize] = limits;
  const graceperiod = optionalResult(c);
  closing(c);
  return {
    op: 'QUOTA',
    inode,
    exceeded,
    flags,
    stimestamp,
    sinodes,
    hinodes,
    slength,
    hlength,
    ssize,
    hsize,
    srealsize,
    hrealsize,
    graceperiod,
  };
}

import type { Operation } from '../operations.ts';
import { LineCursor } from './cursor.ts';
import * as cluster from './parseCluster.ts';
import * as data from './parseData.ts';
import * as tree from './parseTree.ts';

/** A change: what the line with this version says. Byte fields may be views of the parsed buffer. */
export interface Change {
  /** Unix time of the master that made the change. */
  timestamp: number;
  operation: Operation;
}

export interface NumberedChange extends Change {
  /** The change turns metaversion `version` into `version + 1`. */
  version: number;
}

type ParseOperation = (cursor: LineCursor) => Operation;

const PARSERS: Record<string, ParseOperation> = {
  ACCESS: tree.parseAccess,
  ACQUIRE: cluster.parseAcquire,
  AMTIME: tree.parseAmtime,
  APPEND: data.parseAppend,
  AQUIRE: cluster.parseAcquire,
  ARCHCHG: tree.parseArchchg,
  ATTR: tree.parseAttr,
  CHUNKADD: data.parseChunkadd,
  CHUNKDEL: data.parseChunkdel,
  CREATE: tree.parseCreate,
  CSADD: cluster.parseCsadd,
  CSDBOP: cluster.parseCsdbop,
  CSDEL: cluster.parseCsdel,
  CUSTOMER: cluster.parseSession,
  EMPTYRESERVED: tree.parseEmptysustained,
  EMPTYSUSTAINED: tree.parseEmptysustained,
  EMPTYTRASH: tree.parseEmptytrash,
  FLOCK: cluster.parseFlock,
  FREEINODES: tree.parseFreeinodes,
  IDLE: cluster.parseIdle,
  INCVERSION: data.parseIncversion,
  LENGTH: data.parseLength,
  LINK: tree.parseLink,
  MOVE: tree.parseMove,
  NEXTCHUNKID: data.parseNextchunkid,
  POSIXLOCK: cluster.parsePosixlock,
  PURGE: tree.parsePurge,
  QUOTA: tree.parseQuota,
  RELEASE: cluster.parseRelease,
  RENUMERATEEDGES: tree.parseRenumerateedges,
  REPAIR: data.parseRepair,
  ROLLBACK: data.parseRollback,
  SCDEL: cluster.parseScdel,
  SCDUP: cluster.parseScdup,
  SCREN: cluster.parseScren,
  SCSET: cluster.parseScset,
  SESADD: cluster.parseSesadd,
  SESCHANGED: cluster.parseSeschanged,
  SESDEL: cluster.parseSesdel,
  SESDISCONNECTED: cluster.parseSesdisconnected,
  SESSION: cluster.parseSession,
  SETACL: tree.parseSetacl,
  SETEATTR: tree.parseSeteattr,
  SETFILECHUNK: data.parseSetfilechunk,
  SETGOAL: tree.parseSetgoal,
  SETMETAID: cluster.parseSetmetaid,
  SETPATH: tree.parseSetpath,
  SETSCLASS: tree.parseSetsclass,
  SETTRASHTIME: tree.parseSettrashtime,
  SETVERSION: data.parseSetversion,
  SETXATTR: tree.parseSetxattr,
  SNAPSHOT: tree.parseSnapshot,
  SYMLINK: tree.parseSymlink,
  TRUNC: data.parseTrunc,
  UNDEL: tree.parseUndel,
  UNLINK: tree.parseUnlink,
  UNLOCK: data.parseUnlock,
  WRITE: data.parseWrite,
};

const OPEN = 40;
const COLON = 58;
const SPACE = 32;
const BAR = 124;
const LONGEST_NAME = 20;
/** A text of this many bytes shows what an unknown entry is. */
const SHOWN_BYTES = 60;

interface NamedParser {
  name: Buffer;
  parse: ParseOperation;
  /** Of the same slot. */
  next: NamedParser | undefined;
}

const SLOTS = 1024;
const BY_SLOT = new Array<NamedParser | undefined>(SLOTS).fill(undefined);

function slotOf(bytes: Buffer, start: number, end: number): number {
  let hash = end - start;
  for (let i = start; i < end; i++) hash = (Math.imul(hash, 33) + bytes[i]) | 0;
  return (hash ^ (hash >>> 10)) & (SLOTS - 1);
}

for (const [text, parse] of Object.entries(PARSERS)) {
  const name = Buffer.from(text, 'latin1');
  const slot = slotOf(name, 0, name.length);
  BY_SLOT[slot] = { name, parse, next: BY_SLOT[slot] };
}

function isName(name: Buffer, bytes: Buffer, start: number, end: number): boolean {
  if (name.length !== end - start) return false;
  for (let i = 0; i < name.length; i++) {
    if (bytes[start + i] !== name[i]) return false;
  }
  return true;
}

function parseOperation(c: LineCursor): Operation {
  const start = c.position;
  const { bytes } = c;
  const limit = Math.min(c.end, start + LONGEST_NAME);
  let end = start;
  while (end < limit && bytes[end] !== OPEN) end++;
  let found = end < limit ? BY_SLOT[slotOf(bytes, start, end)] : undefined;
  while (found !== undefined && !isName(found.name, bytes, start, end)) found = found.next;
  if (found === undefined) {
    throw c.unknown(bytes.toString('latin1', start, Math.min(c.end, start + SHOWN_BYTES)));
  }
  c.position = end + 1;
  return found.parse(c);
}

const cursor = new LineCursor();

/**
 * Parses a change without its version: `timestamp|OPERATION(arguments):results` (the form pushed to metaloggers, spec 52).
 * @throws ChangelogError
 */
export function parseChange(bytes: Buffer, start = 0, end: number = bytes.length): Change {
  cursor.reset(bytes, start, end);
  const timestamp = cursor.u32();
  cursor.expect(BAR);
  return { timestamp, operation: parseOperation(cursor) };
}

/**
 * Parses a line of a change log file, `version: timestamp|OPERATION(arguments):results` without the newline (spec 51 §2, §3, §8).
 * @throws ChangelogError
 */
export function parseChangelogLine(bytes: Buffer, start = 0, end: number = bytes.length): NumberedChange {
  cursor.reset(bytes, start, end);
  const first = cursor.peek();
  if (first < 48 || first > 57) throw cursor.error('version expected');
  const version = cursor.id();
  cursor.expect(COLON);
  while (cursor.take(SPACE));
  const timestamp = cursor.u32();
  cursor.expect(BAR);
  return { version, timestamp, operation: parseOperation(cursor) };
}

import type { Operation, OperationName, OperationOf } from '../operations.ts';
import * as cluster from './formatCluster.ts';
import * as tree from './formatTree.ts';
import { LineWriter } from './lineWriter.ts';
import type { Change } from './parse.ts';

const CLOSE = 41;
const BAR = 124;
const NEWLINE = 10;
/** Longest text after `version: ` that the real reader takes, its terminating NUL included (spec 51 §2). */
export const LONGEST_CHANGE_BYTES = 200_000;

function onlyInode(w: LineWriter, o: OperationOf<'UNDEL' | 'PURGE' | 'ACCESS'>): void {
  w.number(o.inode);
  w.byte(CLOSE);
}

function onlyChunk(w: LineWriter, o: OperationOf<'UNLOCK' | 'INCVERSION' | 'NEXTCHUNKID'>): void {
  w.number(o.chunkid);
  w.byte(CLOSE);
}

function onlySession(w: LineWriter, o: OperationOf<'SESDISCONNECTED' | 'SESDEL'>): void {
  w.number(o.sessionid);
  w.byte(CLOSE);
}

type Formatter<N extends OperationName> = (writer: LineWriter, operation: OperationOf<N>) => void;

const FORMATTERS: { [N in OperationName]: Formatter<N> } = {
  CREATE: tree.formatCreate,
  SYMLINK: tree.formatSymlink,
  LINK: tree.formatLink,
  UNLINK: tree.formatUnlink,
  MOVE: tree.formatMove,
  SETPATH: tree.formatSetpath,
  UNDEL: onlyInode,
  PURGE: onlyInode,
  EMPTYTRASH: tree.formatEmptytrash,
  EMPTYSUSTAINED: tree.formatEmptysustained,
  FREEINODES: tree.formatFreeinodes,
  SNAPSHOT: tree.formatSnapshot,
  RENUMERATEEDGES: tree.formatRenumerateedges,
  ATTR: tree.formatAttr,
  ACCESS: onlyInode,
  AMTIME: tree.formatAmtime,
  SETEATTR: tree.formatSeteattr,
  SETTRASHTIME: tree.formatSettrashtime,
  SETSCLASS: tree.formatSetsclass,
  ARCHCHG: tree.formatArchchg,
  SETXATTR: tree.formatSetxattr,
  SETACL: tree.formatSetacl,
  QUOTA: tree.formatQuota,
  LENGTH: cluster.formatLength,
  WRITE: cluster.formatWrite,
  TRUNC: cluster.formatTrunc,
  UNLOCK: onlyChunk,
  ROLLBACK: cluster.formatRollback,
  SETFILECHUNK: cluster.formatSetfilechunk,
  REPAIR: cluster.formatRepair,
  APPEND: cluster.formatAppend,
  CHUNKADD: cluster.formatChunkadd,
  CHUNKDEL: cluster.formatChunkVersion,
  SETVERSION: cluster.formatChunkVersion,
  INCVERSION: onlyChunk,
  NEXTCHUNKID: onlyChunk,
  SESADD: cluster.formatSesadd,
  SESCHANGED: cluster.formatSeschanged,
  SESDISCONNECTED: onlySession,
  SESDEL: onlySession,
  SESSION: (w, o) => w.results(o.sessionid),
  ACQUIRE: cluster.formatOpenRelation,
  RELEASE: cluster.formatOpenRelation,
  FLOCK: cluster.formatFlock,
  POSIXLOCK: cluster.formatPosixlock,
  SCSET: cluster.formatScset,
  SCDUP: cluster.formatScdup,
  SCREN: cluster.formatScren,
  SCDEL: cluster.formatScdel,
  CSDBOP: cluster.formatCsdbop,
  SETMETAID: cluster.formatSetmetaid,
  IDLE: (w) => w.byte(CLOSE),
};

/** Appends `timestamp|OPERATION(arguments):results` to a writer. */
export function writeChange(writer: LineWriter, change: Change): void {
  writer.number(change.timestamp);
  writer.byte(BAR);
  writer.ascii(change.operation.op);
  writer.ascii('(');
  const format = FORMATTERS[change.operation.op] as (writer: LineWriter, operation: Operation) => void;
  format(writer, change.operation);
}

/** Appends a line of a change log file, with its newline. */
export function writeChangelogLine(writer: LineWriter, version: number, change: Change): void {
  writer.number(version);
  writer.ascii(': ');
  writeChange(writer, change);
  writer.byte(NEWLINE);
}

/** A change as the text that is pushed to metaloggers (spec 51 §2): `timestamp|OPERATION(arguments):results`. */
export function formatChange(change: Change): Buffer {
  const writer = new LineWriter();
  writeChange(writer, change);
  return writer.bytes.subarray(0, writer.length);
}

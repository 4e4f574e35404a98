/** Writes the arguments and results of operations on data, sessions, classes and servers (spec 51 §3.3-3.5). */
import type { OperationOf, SessionParameters } from '../operations.ts';
import type { LineWriter } from './lineWriter.ts';

const CLOSE = 41;
const HASH = 35;

export function formatLength(w: LineWriter, o: OperationOf<'LENGTH'>): void {
  w.number(o.inode);
  w.item(o.length);
  w.item(o.chtime);
  w.byte(CLOSE);
}

export function formatWrite(w: LineWriter, o: OperationOf<'WRITE'>): void {
  w.number(o.inode);
  w.item(o.index);
  w.item(o.opflag);
  w.item(o.chtime);
  w.results(o.chunkid);
}

export function formatTrunc(w: LineWriter, o: OperationOf<'TRUNC'>): void {
  w.number(o.inode);
  w.item(o.index);
  w.results(o.chunkid);
}

export function formatRollback(w: LineWriter, o: OperationOf<'ROLLBACK'>): void {
  w.number(o.inode);
  w.item(o.index);
  w.item(o.prevchunkid);
  w.item(o.chunkid);
  w.byte(CLOSE);
}

export function formatSetfilechunk(w: LineWriter, o: OperationOf<'SETFILECHUNK'>): void {
  w.number(o.inode);
  w.item(o.index);
  w.item(o.chunkid);
  w.byte(CLOSE);
}

export function formatRepair(w: LineWriter, o: OperationOf<'REPAIR'>): void {
  w.number(o.inode);
  w.item(o.index);
  w.results(o.version);
}

export function formatAppend(w: LineWriter, o: OperationOf<'APPEND'>): void {
  w.number(o.dst);
  w.item(o.src);
  w.item(o.from);
  w.item(o.to);
  w.byte(CLOSE);
}

export function formatChunkadd(w: LineWriter, o: OperationOf<'CHUNKADD'>): void {
  w.number(o.chunkid);
  w.item(o.version);
  w.item(o.lockedto);
  w.byte(CLOSE);
}

/** CHUNKDEL and SETVERSION. */
export function formatChunkVersion(w: LineWriter, o: OperationOf<'CHUNKDEL' | 'SETVERSION'>): void {
  w.number(o.chunkid);
  w.item(o.version);
  w.byte(CLOSE);
}

function formatSessionParameters(w: LineWriter, o: SessionParameters): void {
  w.byte(HASH);
  w.big(o.exportscsum);
  w.item(o.rootinode);
  w.item(o.sesflags);
  w.ascii(',0');
  w.padded(o.umask, 8, 3);
  w.item(o.rootuid);
  w.item(o.rootgid);
  w.item(o.mapalluid);
  w.item(o.mapallgid);
  w.item(o.mingoal);
  w.item(o.maxgoal);
  w.item(o.mintrashtime);
  w.item(o.maxtrashtime);
  w.ascii(',0x');
  w.padded(o.disables, 16, 8);
  w.item(o.peerip);
  w.textItem(o.info);
}

export function formatSesadd(w: LineWriter, o: OperationOf<'SESADD'>): void {
  formatSessionParameters(w, o);
  w.results(o.sessionid);
}

export function formatSeschanged(w: LineWriter, o: OperationOf<'SESCHANGED'>): void {
  w.number(o.sessionid);
  w.ascii(',');
  formatSessionParameters(w, o);
  w.byte(CLOSE);
}

/** ACQUIRE and RELEASE. */
export function formatOpenRelation(w: LineWriter, o: OperationOf<'ACQUIRE' | 'RELEASE'>): void {
  w.number(o.sessionid);
  w.item(o.inode);
  w.byte(CLOSE);
}

export function formatFlock(w: LineWriter, o: OperationOf<'FLOCK'>): void {
  w.number(o.inode);
  w.item(o.sessionid);
  w.bigItem(o.owner);
  w.ascii(',');
  w.ascii(o.c);
  w.byte(CLOSE);
}

export function formatPosixlock(w: LineWriter, o: OperationOf<'POSIXLOCK'>): void {
  w.number(o.inode);
  w.item(o.sessionid);
  w.bigItem(o.owner);
  w.ascii(',');
  w.ascii(o.c);
  w.bigItem(o.start);
  w.bigItem(o.end);
  w.item(o.pid);
  w.byte(CLOSE);
}

export function formatScset(w: LineWriter, o: OperationOf<'SCSET'>): void {
  w.text(o.name);
  w.item(o.new);
  w.ascii(',W');
  w.number(o.createcnt);
  w.ascii(',K');
  w.number(o.keepcnt);
  w.ascii(',A');
  w.number(o.archcnt);
  w.item(o.mode);
  w.item(o.archdelay);
  w.item(o.adminonly);
  if (o.masks.length === 0) w.ascii(',-');
  for (const mask of o.masks) w.item(mask);
  w.results(o.id);
}

export function formatScdup(w: LineWriter, o: OperationOf<'SCDUP'>): void {
  w.text(o.src);
  w.textItem(o.dst);
  w.results(o.srcid, o.dstid);
}

export function formatScren(w: LineWriter, o: OperationOf<'SCREN'>): void {
  w.text(o.old);
  w.textItem(o.new);
  w.results(o.id);
}

export function formatScdel(w: LineWriter, o: OperationOf<'SCDEL'>): void {
  w.text(o.name);
  w.results(o.id);
}

export function formatCsdbop(w: LineWriter, o: OperationOf<'CSDBOP'>): void {
  w.number(o.csop);
  w.item(o.ip);
  w.item(o.port);
  w.item(o.arg);
  w.byte(CLOSE);
}

export function formatSetmetaid(w: LineWriter, o: OperationOf<'SETMETAID'>): void {
  w.big(o.id);
  w.byte(CLOSE);
}

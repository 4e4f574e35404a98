/** Writes the arguments and results of operations on the tree and its attributes (spec 51 §3.1, §3.2). */
import type { OperationOf } from '../operations.ts';
import type { LineWriter } from './lineWriter.ts';

const CLOSE = 41;

export function formatCreate(w: LineWriter, o: OperationOf<'CREATE'>): void {
  w.number(o.parent);
  w.textItem(o.name);
  w.item(o.type);
  w.item(o.mode);
  w.item(o.cumask);
  w.item(o.uid);
  w.item(o.gid);
  w.item(o.rdev);
  w.results(o.inode);
}

export function formatSymlink(w: LineWriter, o: OperationOf<'SYMLINK'>): void {
  w.number(o.parent);
  w.textItem(o.name);
  w.textItem(o.path);
  w.item(o.uid);
  w.item(o.gid);
  w.results(o.inode);
}

export function formatLink(w: LineWriter, o: OperationOf<'LINK'>): void {
  w.number(o.inode);
  w.item(o.parent);
  w.textItem(o.name);
  w.byte(CLOSE);
}

export function formatUnlink(w: LineWriter, o: OperationOf<'UNLINK'>): void {
  w.number(o.parent);
  w.textItem(o.name);
  w.results(o.inode);
}

export function formatMove(w: LineWriter, o: OperationOf<'MOVE'>): void {
  w.number(o.parentSrc);
  w.textItem(o.nameSrc);
  w.item(o.parentDst);
  w.textItem(o.nameDst);
  w.results(o.inode);
}

export function formatSetpath(w: LineWriter, o: OperationOf<'SETPATH'>): void {
  w.number(o.inode);
  w.textItem(o.path);
  w.byte(CLOSE);
}

export function formatEmptytrash(w: LineWriter, o: OperationOf<'EMPTYTRASH'>): void {
  w.number(o.bucket);
  w.results(o.removed, o.sustained, o.xor);
}

export function formatEmptysustained(w: LineWriter, o: OperationOf<'EMPTYSUSTAINED'>): void {
  w.number(o.bucket);
  w.results(o.removed, o.xor);
}

export function formatFreeinodes(w: LineWriter, o: OperationOf<'FREEINODES'>): void {
  w.number(o.delay);
  w.results(o.freed, o.kept, o.xor);
}

/**
 * The real reader drops the first digit of every gid, so each but 0 is written with a zero in front, which any reader takes for
 * the same number (spec 51 §7.1).
 */
function formatGids(w: LineWriter, gids: readonly number[]): void {
  w.ascii(',[');
  gids.forEach((gid, index) => {
    if (index > 0) w.ascii(',');
    if (gid !== 0) w.ascii('0');
    w.number(gid);
  });
  w.ascii(']');
}

export function formatSnapshot(w: LineWriter, o: OperationOf<'SNAPSHOT'>): void {
  w.number(o.src);
  w.item(o.parent);
  w.textItem(o.name);
  w.item(o.smode);
  w.item(o.sesflags);
  w.item(o.uid);
  formatGids(w, o.gids);
  w.item(o.cumask);
  w.results(o.xor, o.removed, o.same, o.existing, o.hardlinks, o.new);
}

export function formatRenumerateedges(w: LineWriter, o: OperationOf<'RENUMERATEEDGES'>): void {
  w.ascii('):');
  w.big(o.nextedgeid);
}

export function formatAttr(w: LineWriter, o: OperationOf<'ATTR'>): void {
  w.number(o.inode);
  w.item(o.mode);
  w.item(o.uid);
  w.item(o.gid);
  w.item(o.atime);
  w.item(o.mtime);
  w.item(o.winattr);
  w.item(o.aclmode);
  w.byte(CLOSE);
}

export function formatAmtime(w: LineWriter, o: OperationOf<'AMTIME'>): void {
  w.number(o.inode);
  w.item(o.atime);
  w.item(o.mtime);
  w.item(o.ctime);
  w.byte(CLOSE);
}

export function formatSeteattr(w: LineWriter, o: OperationOf<'SETEATTR'>): void {
  w.number(o.inode);
  w.item(o.uid);
  w.item(o.eattr);
  w.item(o.smode);
  w.results(o.changed, o.unchanged, o.denied);
}

export function formatSettrashtime(w: LineWriter, o: OperationOf<'SETTRASHTIME'>): void {
  w.number(o.inode);
  w.item(o.uid);
  w.item(o.seconds);
  w.item(o.smode);
  w.results(o.changed, o.unchanged, o.denied);
}

export function formatSetsclass(w: LineWriter, o: OperationOf<'SETSCLASS'>): void {
  w.number(o.inode);
  w.item(o.uid);
  w.item(o.srcClass);
  w.item(o.dstClass);
  w.item(o.smode);
  w.results(o.changed, o.unchanged, o.denied);
}

export function formatArchchg(w: LineWriter, o: OperationOf<'ARCHCHG'>): void {
  w.number(o.inode);
  w.item(o.uid);
  w.item(o.cmd);
  w.results(o.changed, o.unchanged, o.denied);
}

export function formatSetxattr(w: LineWriter, o: OperationOf<'SETXATTR'>): void {
  w.number(o.inode);
  w.textItem(o.name);
  w.textItem(o.value);
  w.item(o.mode);
  w.byte(CLOSE);
}

export function formatSetacl(w: LineWriter, o: OperationOf<'SETACL'>): void {
  w.number(o.inode);
  w.item(o.mode);
  w.item(o.changectime);
  w.item(o.acltype);
  w.item(o.user);
  w.item(o.group);
  w.item(o.other);
  w.item(o.mask);
  w.item(o.nusers);
  w.item(o.ngroups);
  w.textItem(o.blob);
  w.byte(CLOSE);
}

export function formatQuota(w: LineWriter, o: OperationOf<'QUOTA'>): void {
  w.number(o.inode);
  w.item(o.exceeded);
  w.item(o.flags);
  w.item(o.stimestamp);
  w.item(o.sinodes);
  w.item(o.hinodes);
  w.bigItem(o.slength);
  w.bigItem(o.hlength);
  w.bigItem(o.ssize);
  w.bigItem(o.hsize);
  w.bigItem(o.srealsize);
  w.bigItem(o.hrealsize);
  w.item(o.graceperiod);
  w.byte(CLOSE);
}

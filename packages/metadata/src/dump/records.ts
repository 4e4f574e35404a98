/** One line per record of an image, as the stock dump tool prints it (spec 50 §9.1), older section versions included. */
import type {
  AclRecord,
  ChunkRecord,
  ChunkserverRecord,
  EdgeRecord,
  FlockRecord,
  NodeRecord,
  PosixLockRecord,
  QuotaRecord,
  SessionRecord,
  StorageClassRecord,
  XattrRecord,
} from '../image/records.ts';
import { MASKS_PER_COPY } from '../image/records.ts';
import { hex, hexBytes, ipText, octal, right } from './text.ts';

const NODE_KINDS = '?-DLFBCSTR';
const MAINTENANCE = ['off', 'on', 'temp'];
const DEFAULT_QUOTA_GRACE = 604_800;

/** Turns the bytes of a name into text. */
export type NameText = (bytes: Buffer) => string;

export function sessionLine(r: SessionRecord, version: number, name: NameText): string {
  const checksum = version >= 0x13 ? `|e:#${r.exportsChecksum}` : '';
  const flags = version >= 0x14 ? `0x${hex(r.flags, 2)}|u:0${octal(r.umask, 3)}` : hex(r.flags, 2);
  const maps = [r.rootUid, r.rootGid, r.mapAllUid, r.mapAllGid].map((id) => right(id, 10)).join(',');
  const disables = version >= 0x15 ? `|x:0x${hex(r.disables, 8)}` : '';
  const disconnected = version >= 0x11 ? `|d:${right(r.disconnected ?? 0, 10)}` : '';
  return (
    `SESSION|s:${right(r.sessionId, 10)}${checksum}|p:${ipText(r.peerIp)}|r:${right(r.rootInode, 10)}|f:${flags}` +
    `|g:${r.minGoal}-${r.maxGoal}|t:${right(r.minTrashTime, 10)}-${right(r.maxTrashTime, 10)}|m:${maps}` +
    `${disables}${disconnected}|c:[${r.currentHour.join(',')}]|l:[${r.lastHour.join(',')}]|i:${name(r.info)}`
  );
}

function maskText(mask: number): string {
  let text = '';
  for (let bit = 0; bit < 26; bit++) {
    if ((mask & (1 << bit)) !== 0) text += String.fromCharCode(65 + bit);
  }
  return text;
}

function copiesText(masks: Uint32Array, copies: number): string {
  const texts: string[] = [];
  for (let copy = 0; copy < copies; copy++) {
    const alternatives = masks.subarray(copy * MASKS_PER_COPY, (copy + 1) * MASKS_PER_COPY);
    const end = alternatives.indexOf(0);
    const used = Array.from(end < 0 ? alternatives : alternatives.subarray(0, end));
    texts.push(used.length === 0 ? '*' : used.map(maskText).join('+'));
  }
  return texts.join(':');
}

export function classLine(r: StorageClassRecord, version: number, name: NameText): string {
  const head = `SCLASS|#:${right(r.classId, 5)}|x:${r.adminOnly}|m:${r.mode}|d:${right(r.archiveDelayDays, 5)}`;
  const create = copiesText(r.createMasks, r.createCount);
  const keep = copiesText(r.keepMasks, r.keepCount);
  if (version <= 0x13) return `${head}|c+k+a: ${create}`;
  if (version === 0x14) return `${head}|c: ${create} |k+a: ${keep}`;
  const named = version >= 0x16 ? `|n:${name(r.name)}` : '';
  return `${head}|c: ${create} |k: ${keep} |a: ${copiesText(r.archiveMasks, r.archiveCount)} ${named}`;
}

function chunkIds(r: NodeRecord): string {
  const ids: string[] = [];
  for (let i = 0, at = r.chunksStart; i < r.chunkCount; i++, at += 8) {
    const high = r.view.getUint32(at);
    const low = r.view.getUint32(at + 4);
    ids.push(high === 0 && low === 0 ? 'N' : hex(high, 8) + hex(low, 8));
  }
  return ids.join(',');
}

function openSessions(r: NodeRecord): string {
  const ids: number[] = [];
  for (let i = 0; i < r.sessionCount; i++) ids.push(r.view.getUint32(r.sessionsStart + 4 * i));
  return ids.join(',');
}

export function nodeLine(r: NodeRecord, version: number, name: NameText): string {
  const winattr = version >= 0x14 ? `|w:0x${hex(r.winattr, 1)}` : '';
  const trash = version >= 0x14 ? `${right(r.trashTimeStored, 5)}h` : `${right(r.trashTimeStored, 10)}s`;
  const head =
    `NODE|k:${NODE_KINDS[r.type]}|i:${right(r.inode, 10)}|#:${r.classId}|e:0x${hex(r.eattr, 2)}${winattr}` +
    `|m:0${octal(r.mode, 4)}|u:${right(r.uid, 10)}|g:${right(r.gid, 10)}` +
    `|a:${right(r.atime, 10)},m:${right(r.mtime, 10)},c:${right(r.ctime, 10)}|t:${trash}`;
  switch (NODE_KINDS[r.type]) {
    case 'B':
    case 'C':
      return `${head}|d:${right(r.rdev >>> 16, 5)},${right(r.rdev & 0xffff, 5)}`;
    case 'L':
      return `${head}|p:${name(r.bytes.subarray(r.pathStart, r.pathEnd))}`;
    case '-':
    case 'T':
    case 'R': {
      const sessions = version >= 0x14 ? '' : `|r:(${openSessions(r)})`;
      return `${head}|l:${right(BigInt(r.lengthBytes), 20)}|c:(${chunkIds(r)})${sessions}`;
    }
    default:
      return head;
  }
}

export function edgeLine(r: EdgeRecord, name: NameText): string {
  const parent = r.parent === 0 ? right('NULL', 10) : right(r.parent, 10);
  const text = name(r.bytes.subarray(r.nameStart, r.nameEnd));
  return `EDGE|p:${parent}|c:${right(r.child, 10)}|i:0x${hex(r.idHigh, 8)}${hex(r.idLow, 8)}|n:${text}`;
}

export function quotaLine(r: QuotaRecord): string {
  const limit = (flag: number, value: number | bigint, width: number) =>
    right((r.flags & flag) === 0 ? '-' : value, width);
  return (
    `QUOTA|i:${right(r.inode, 10)}|g:${r.gracePeriod ?? DEFAULT_QUOTA_GRACE}|e:${r.exceeded === 0 ? 0 : 1}` +
    `|f:0x${hex(r.flags, 2)}|s:${right(r.softSince, 10)}` +
    `|si:${limit(0x01, r.softInodes, 10)}|hi:${limit(0x10, r.hardInodes, 10)}` +
    `|sl:${limit(0x02, r.softLength, 20)}|hl:${limit(0x20, r.hardLength, 20)}` +
    `|ss:${limit(0x04, r.softSize, 20)}|hs:${limit(0x40, r.hardSize, 20)}` +
    `|sr:${limit(0x08, r.softRealSize, 20)}|hr:${limit(0x80, r.hardRealSize, 20)}`
  );
}

export function xattrLine(r: XattrRecord, name: NameText): string {
  const text = name(r.bytes.subarray(r.nameStart, r.nameEnd));
  return `XATTR|i:${right(r.inode, 10)}|n:${text}|v:${hexBytes(r.bytes.subarray(r.valueStart, r.valueEnd))}`;
}

export function aclLine(r: AclRecord): string {
  const named: string[] = [];
  for (let i = 0, at = r.namedStart; i < r.namedUsers + r.namedGroups; i++, at += 6) {
    const kind = i < r.namedUsers ? 'u' : 'g';
    named.push(`${kind}(${r.view.getUint32(at)}):0${octal(r.view.getUint16(at + 4), 5)}`);
  }
  const [u, g, o, m] = [r.user, r.group, r.other, r.mask].map((permissions) => `0${octal(permissions, 5)}`);
  return `POSIXACL|i:${right(r.inode, 10)}|t:${r.type}|u:${u}|g:${g}|o:${o}|m:${m}|n:(${named.join(',')})`;
}

export function openLine(sessionId: number, inode: number): string {
  return `OPENFILE|s:${right(sessionId, 10)}|i:${right(inode, 10)}`;
}

/** The stock tool takes the session for the upper half of the owner and the rest behind it for the owner; scripts know it so. */
export function flockLine(r: FlockRecord): string {
  const shownSession = r.owner >> 32n;
  const shownOwner = ((r.owner & 0xffff_ffffn) << 32n) | BigInt(r.sessionId);
  const type = r.type === 0 ? 'R' : 'W';
  return `FLOCK|i:${right(r.inode, 10)}|s:${right(shownSession, 10)}|o:${hex(shownOwner, 16)}|t:${type}`;
}

export function posixLockLine(r: PosixLockRecord): string {
  const type = r.type === 1 ? 'R' : r.type === 2 ? 'W' : '?';
  return (
    `POSIXLOCK|i:${right(r.inode, 10)}|s:${right(r.sessionId, 10)}|o:0x${hex(r.owner, 16)}|p:${right(r.pid, 10)}` +
    `|r:<${right(r.start, 20)},${right(r.end, 20)})|t:${type}`
  );
}

export function chunkserverLine(r: ChunkserverRecord, version: number): string {
  const address = `CHUNKSERVER|i:${ipText(r.ip)}|p:${right(r.port, 5)}`;
  if (version <= 0x10) return address;
  const numbered = `${address}|#:${right(r.csid, 5)}`;
  if (version === 0x11) return numbered;
  if (version === 0x12) return `${numbered}|m:${r.maintenance}`;
  const mode = MAINTENANCE[r.maintenance] ?? '???';
  return `${numbered}|m:${right(mode, 4)}|t:${right(r.maintenanceTimeout, 10)}`;
}

export function chunkLine(r: ChunkRecord): string {
  return `CHUNK|i:0x${hex(r.chunkId, 16)}|v:0x${hex(r.version, 8)}|t:${right(r.lockedTo, 10)}|a:${r.archived}`;
}

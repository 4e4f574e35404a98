import { createHash, timingSafeEqual } from 'node:crypto';
import { type ExportRecord, SessionFlag } from './record.ts';

/** What a client presents at registration. */
export interface ExportRequest {
  ip: number;
  /** Wire encoding (minor doubled). */
  version: number;
  /** The directory to mount as sent (slashes at the ends do not matter); undefined for a meta registration. */
  path: Buffer | undefined;
  /** Absent when the client sent no password digest. */
  digest: Buffer | undefined;
  /** The 32 bytes given out by GETRANDOM on this connection; absent when it was never asked. */
  random: Buffer | undefined;
}

export type ExportMatch =
  | { result: 'granted'; record: ExportRecord }
  | { result: 'refused' | 'noPassword' | 'badPassword' };

const SLASH = 0x2f;

function stripSlashes(path: Buffer): Buffer {
  let start = 0;
  let end = path.length;
  while (start < end && path[start] === SLASH) start++;
  while (end > start && path[end - 1] === SLASH) end--;
  return path.subarray(start, end);
}

function pathMatches(record: ExportRecord, path: Buffer): boolean {
  const own = record.path;
  if (own.length === 0) return path.length === 0 || record.alldirs;
  if (path.equals(own)) return true;
  return (
    record.alldirs && path.length > own.length && path[own.length] === SLASH && path.subarray(0, own.length).equals(own)
  );
}

/** MD5( random[0..15] || MD5(password) || random[16..31] ), the digest a client must send (spec 00 §4.3). */
export function passwordDigest(random: Buffer, passwordMd5: Buffer): Buffer {
  return createHash('md5').update(random.subarray(0, 16)).update(passwordMd5).update(random.subarray(16, 32)).digest();
}

function passwordMatches(record: ExportRecord, request: ExportRequest): boolean {
  if (!record.passwordMd5) return true;
  if (!request.digest || !request.random) return false;
  return timingSafeEqual(passwordDigest(request.random, record.passwordMd5), request.digest);
}

/** Whether `later` in the file takes the place of `current`; by any one advantage, whatever it loses (spec 00 §5.4). */
function replaces(later: ExportRecord, current: ExportRecord): boolean {
  const gained = later.sesflags & ~current.sesflags;
  const lost = current.sesflags & ~later.sesflags;
  return (
    (lost & SessionFlag.READONLY) !== 0 ||
    (later.rootUid === 0 && current.rootUid !== 0) ||
    (gained & SessionFlag.ADMIN) !== 0 ||
    (later.passwordMd5 !== undefined && current.passwordMd5 === undefined) ||
    later.path.length > current.path.length
  );
}

/** Finds the export record for a registration (spec 00 §5.4). */
export function matchExport(records: readonly ExportRecord[], request: ExportRequest): ExportMatch {
  const path = request.path === undefined ? undefined : stripSlashes(request.path);
  let found: ExportRecord | undefined;
  let passwordProblem = false;
  for (const record of records) {
    if (request.ip < record.fromIp || request.ip > record.toIp) continue;
    if (request.version < record.minVersion || record.meta !== (path === undefined)) continue;
    if (path !== undefined && !pathMatches(record, path)) continue;
    if (!passwordMatches(record, request)) passwordProblem = true;
    else if (!found || replaces(record, found)) found = record;
  }
  if (found) return { result: 'granted', record: found };
  if (!passwordProblem) return { result: 'refused' };
  return { result: request.digest && request.random ? 'badPassword' : 'noPassword' };
}

/** SESS, OPEN, FLCK and PLCK sections (spec 50 §3.1, §3.9-3.11, older versions §4). */
import type { ImageInput, Resumable } from '../input.ts';
import {
  type FlockRecord,
  type PosixLockRecord,
  SESSION_COUNTERS,
  type SectionContext,
  type SessionRecord,
} from '../records.ts';

interface SessionLayout {
  hasChecksum: boolean;
  hasUmask: boolean;
  hasDisables: boolean;
  hasDisconnected: boolean;
  /** Bytes of the record without counters and info. */
  fixedBytes: number;
}

function sessionLayout(version: number): SessionLayout {
  const hasChecksum = version >= 0x13;
  const hasUmask = version >= 0x14;
  const hasDisables = version >= 0x15;
  const hasDisconnected = version >= 0x11;
  const fixedBytes =
    43 + (hasChecksum ? 8 : 0) + (hasUmask ? 2 : 0) + (hasDisables ? 4 : 0) + (hasDisconnected ? 4 : 0);
  return { hasChecksum, hasUmask, hasDisables, hasDisconnected, fixedBytes };
}

/** Reads the fixed fields at `start`; returns the length of the info text behind the counters. */
function readSession(session: SessionRecord, view: DataView, start: number, layout: SessionLayout): number {
  let at = start;
  const u32 = () => {
    at += 4;
    return view.getUint32(at - 4);
  };
  session.sessionId = u32();
  session.exportsChecksum = 0n;
  if (layout.hasChecksum) {
    session.exportsChecksum = view.getBigUint64(at);
    at += 8;
  }
  const infoBytes = u32();
  session.peerIp = u32();
  session.rootInode = u32();
  session.flags = view.getUint8(at++);
  session.umask = 0;
  if (layout.hasUmask) {
    session.umask = view.getUint16(at);
    at += 2;
  }
  session.minGoal = view.getUint8(at++);
  session.maxGoal = view.getUint8(at++);
  session.minTrashTime = u32();
  session.maxTrashTime = u32();
  session.rootUid = u32();
  session.rootGid = u32();
  session.mapAllUid = u32();
  session.mapAllGid = u32();
  session.disables = layout.hasDisables ? u32() : 0;
  session.disconnected = layout.hasDisconnected ? u32() : undefined;
  return infoBytes;
}

/** The real reader skips surplus counters of the first array only, and reads the second right behind (spec 50 §4). */
function readCounters(session: SessionRecord, view: DataView, start: number, stored: number): void {
  const used = Math.min(stored, SESSION_COUNTERS);
  for (let i = 0; i < used; i++) {
    session.currentHour[i] = view.getUint32(start + 4 * i);
    session.lastHour[i] = view.getUint32(start + 4 * (stored + i));
  }
}

interface SessionHeader {
  version: number;
  nextSessionId: number;
  countersStored: number;
}

function* parseSessionHeader(input: ImageInput, sectionVersion: number): Resumable<SessionHeader> {
  let version = sectionVersion;
  if (version <= 0x11) {
    yield* input.demand(2);
    const stored = input.view.getUint16(input.position);
    if (stored !== 1 && stored !== 2) input.fail(`unknown sessions data version ${stored}`);
    version = stored === 1 ? 0x10 : 0x11;
    input.position += 2;
  }
  yield* input.demand(6);
  const nextSessionId = input.view.getUint32(input.position);
  const countersStored = input.view.getUint16(input.position + 4);
  input.position += 6;
  return { version, nextSessionId, countersStored };
}

export function* parseSessions(input: ImageInput, context: SectionContext): Resumable<void> {
  const { version, nextSessionId, countersStored } = yield* parseSessionHeader(input, context.version);
  context.sink.sessions(nextSessionId, countersStored);
  const layout = sessionLayout(version);
  const headBytes = layout.fixedBytes + 8 * countersStored;
  const session = {
    currentHour: new Uint32Array(SESSION_COUNTERS),
    lastHour: new Uint32Array(SESSION_COUNTERS),
  } as SessionRecord;
  for (;;) {
    yield* input.demand(headBytes);
    const infoBytes = readSession(session, input.view, input.position, layout);
    if (session.sessionId === 0) break;
    readCounters(session, input.view, input.position + layout.fixedBytes, countersStored);
    yield* input.demand(headBytes + infoBytes);
    const infoStart = input.position + headBytes;
    session.info = input.bytes.subarray(infoStart, infoStart + infoBytes);
    context.sink.session(session);
    input.position += headBytes + infoBytes;
  }
  input.position += headBytes;
}

export function* parseOpenFiles(input: ImageInput, context: SectionContext): Resumable<void> {
  for (;;) {
    if (input.available < 8) yield* input.demand(8);
    const sessionId = input.view.getUint32(input.position);
    const inode = input.view.getUint32(input.position + 4);
    if (sessionId === 0 && inode === 0) break;
    if (sessionId === 0 || inode === 0) input.fail('an open file without session or inode');
    context.sink.openFile(sessionId, inode);
    input.position += 8;
  }
  input.position += 8;
}

export function* parseFlocks(input: ImageInput, context: SectionContext): Resumable<void> {
  const lock = {} as FlockRecord;
  for (;;) {
    if (input.available < 17) yield* input.demand(17);
    const { view, position } = input;
    lock.inode = view.getUint32(position);
    lock.owner = view.getBigUint64(position + 4);
    lock.sessionId = view.getUint32(position + 12);
    lock.type = view.getUint8(position + 16);
    if (lock.inode === 0 && lock.owner === 0n && lock.sessionId === 0) break;
    context.sink.flock(lock);
    input.position += 17;
  }
  input.position += 17;
}

export function* parsePosixLocks(input: ImageInput, context: SectionContext): Resumable<void> {
  const lock = {} as PosixLockRecord;
  for (;;) {
    if (input.available < 37) yield* input.demand(37);
    const { view, position } = input;
    lock.inode = view.getUint32(position);
    lock.owner = view.getBigUint64(position + 4);
    lock.sessionId = view.getUint32(position + 12);
    lock.pid = view.getUint32(position + 16);
    lock.start = view.getBigUint64(position + 20);
    lock.end = view.getBigUint64(position + 28);
    lock.type = view.getUint8(position + 36);
    if (lock.inode === 0 && lock.owner === 0n && lock.sessionId === 0) break;
    context.sink.posixLock(lock);
    input.position += 37;
  }
  input.position += 37;
}

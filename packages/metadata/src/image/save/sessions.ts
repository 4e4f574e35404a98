/** SESS, OPEN, FLCK and PLCK sections out of the tables (spec 50 §3.1, §3.9-3.11). */
import type { State } from '../../state.ts';
import { SESSION_COUNTERS, type Session } from '../../tables/sessions.ts';
import type { ImageOutput, ImageWriter } from './output.ts';

const SESSION_BYTES = 61 + 8 * SESSION_COUNTERS;
const OPEN_BYTES = 8;
const FLOCK_BYTES = 17;
const POSIX_LOCK_BYTES = 37;
const LOCK_READ = 1;
const LOCK_WRITE = 2;

function putSession(out: ImageOutput, session: Session): void {
  const start = out.length;
  out.u32(session.sessionid);
  out.big(session.exportscsum);
  out.u32(session.info.length);
  out.u32(session.peerip);
  out.u32(session.rootinode);
  out.u8(session.sesflags & 0x3f);
  out.u16(session.umask);
  out.u8(session.mingoal);
  out.u8(session.maxgoal);
  out.u32(session.mintrashtime);
  out.u32(session.maxtrashtime);
  out.u32(session.rootuid);
  out.u32(session.rootgid);
  out.u32(session.mapalluid);
  out.u32(session.mapallgid);
  out.u32(session.disables);
  out.u32(session.disconnected);
  for (const counter of session.currentStats) out.u32(counter);
  for (const counter of session.lastHourStats) out.u32(counter);
  out.checksum(start);
}

export function* writeSessions(out: ImageOutput, state: State): ImageWriter {
  yield* out.reserve(6);
  const start = out.length;
  out.u32(state.nextsessionid);
  out.u16(SESSION_COUNTERS);
  out.checksum(start);
  for (const session of state.sessions.values()) {
    yield* out.reserve(SESSION_BYTES);
    putSession(out, session);
    yield* out.record(session.info);
  }
  yield* out.terminator(SESSION_BYTES);
}

/** Relations of sessions that are not written would make a loader drop them, and refuse their locks. */
function isWritten(state: State, session: number, inode: number): boolean {
  return session !== 0 && inode !== 0 && state.sessions.has(session) && state.openFiles.has(session, inode);
}

export function* writeOpenFiles(out: ImageOutput, state: State): ImageWriter {
  for (const { session, inode } of state.openFiles.pairs()) {
    if (!isWritten(state, session, inode)) continue;
    yield* out.reserve(OPEN_BYTES);
    const start = out.length;
    out.u32(session);
    out.u32(inode);
    out.checksum(start);
  }
  yield* out.terminator(OPEN_BYTES);
}

export function* writeFlocks(out: ImageOutput, state: State): ImageWriter {
  for (const [inode, locks] of state.flocks) {
    for (const lock of locks) {
      if (!isWritten(state, lock.session, inode)) continue;
      yield* out.reserve(FLOCK_BYTES);
      const start = out.length;
      out.u32(inode);
      out.big(lock.owner);
      out.u32(lock.session);
      out.u8(lock.exclusive ? 1 : 0);
      out.checksum(start);
    }
  }
  yield* out.terminator(FLOCK_BYTES);
}

export function* writePosixLocks(out: ImageOutput, state: State): ImageWriter {
  for (const [inode, owners] of state.posixLocks) {
    for (const holder of owners) {
      if (!isWritten(state, holder.session, inode)) continue;
      for (const range of holder.ranges) {
        yield* out.reserve(POSIX_LOCK_BYTES);
        const start = out.length;
        out.u32(inode);
        out.big(holder.owner);
        out.u32(holder.session);
        out.u32(holder.pid);
        out.big(range.start);
        out.big(range.end);
        out.u8(range.write ? LOCK_WRITE : LOCK_READ);
        out.checksum(start);
      }
    }
  }
  yield* out.terminator(POSIX_LOCK_BYTES);
}

import { Status } from '@alces/proto';
import type {
  ChunkaddOperation,
  ChunkdelOperation,
  IncversionOperation,
  NextchunkidOperation,
  SetversionOperation,
  UnlockOperation,
} from '../operations.ts';
import type { State } from '../state.ts';
import type { Handlers } from './common.ts';

/** A reported unknown chunk may be at most this far above the next id. */
export const MAX_CHUNK_ID_JUMP = 1_000_000_000;

/** Sets the time until which a chunk (row) is locked. */
export function lockChunk(state: State, chunk: number, lockedTo: number): void {
  state.chunks.lockedTo.set(chunk, lockedTo);
  if (lockedTo === 0) {
    state.begunChanges.delete(state.chunks.id.get(chunk));
  }
  state.observer.chunkLockChanged(chunk, state.chunks.id.get(chunk), lockedTo);
}

/** Sets the version of a chunk (row). */
export function setChunkVersion(state: State, chunk: number, version: number): void {
  state.chunks.version.set(chunk, version);
  state.observer.chunkVersionChanged(chunk, state.chunks.id.get(chunk), version >>> 0);
}

function unlock(state: State, _now: number, op: UnlockOperation, mode: string): number {
  const chunk = state.chunks.find(op.chunkid);
  if (chunk === 0) {
    if (mode !== 'replay') {
      return Status.NOCHUNK;
    }
    state.observer.deviation('UNLOCK', `chunk ${op.chunkid} does not exist`);
    return Status.OK;
  }
  lockChunk(state, chunk, 0);
  return Status.OK;
}

function chunkadd(state: State, now: number, op: ChunkaddOperation): number {
  const { chunks } = state;
  if (op.chunkid === 0 || op.chunkid > state.nextchunkid + MAX_CHUNK_ID_JUMP) {
    return Status.MISMATCH;
  }
  if (chunks.find(op.chunkid) !== 0) {
    return Status.CHUNKEXIST;
  }
  if (op.lockedto > 0 && op.lockedto < now) {
    return Status.MISMATCH;
  }
  const chunk = chunks.insert(op.chunkid, op.version, op.lockedto, 0);
  state.nextchunkid = Math.max(state.nextchunkid, op.chunkid + 1);
  state.observer.chunkCreated(chunk, op.chunkid, 0);
  return Status.OK;
}

function chunkdel(state: State, now: number, op: ChunkdelOperation): number {
  const { chunks } = state;
  const chunk = chunks.find(op.chunkid);
  if (chunk === 0) {
    return Status.NOCHUNK;
  }
  if (chunks.version.get(chunk) !== op.version) {
    return Status.WRONGVERSION;
  }
  if (chunks.refs.get(chunk) > 0) {
    return Status.ACTIVE;
  }
  if (chunks.lockedTo.get(chunk) >= now) {
    return Status.LOCKED;
  }
  state.begunChanges.delete(op.chunkid);
  state.observer.chunkRemoved(chunk, op.chunkid);
  chunks.remove(chunk);
  return Status.OK;
}

function setversion(state: State, _now: number, op: SetversionOperation): number {
  const chunk = state.chunks.find(op.chunkid);
  if (chunk === 0) {
    return Status.NOCHUNK;
  }
  setChunkVersion(state, chunk, op.version);
  return Status.OK;
}

function incversion(state: State, _now: number, op: IncversionOperation): number {
  const chunk = state.chunks.find(op.chunkid);
  if (chunk === 0) {
    return Status.NOCHUNK;
  }
  setChunkVersion(state, chunk, state.chunks.version.get(chunk) + 1);
  return Status.OK;
}

function nextchunkid(state: State, _now: number, op: NextchunkidOperation): number {
  if (op.chunkid <= state.nextchunkid) {
    return Status.MISMATCH;
  }
  state.nextchunkid = op.chunkid;
  return Status.OK;
}

export const chunkHandlers: Handlers<'UNLOCK' | 'CHUNKADD' | 'CHUNKDEL' | 'SETVERSION' | 'INCVERSION' | 'NEXTCHUNKID'> =
  {
    UNLOCK: unlock,
    CHUNKADD: chunkadd,
    CHUNKDEL: chunkdel,
    SETVERSION: setversion,
    INCVERSION: incversion,
    NEXTCHUNKID: nextchunkid,
  };

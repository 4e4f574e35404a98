import { Status } from '@alces/proto';
import type {
  AcquireOperation,
  ReleaseOperation,
  SesaddOperation,
  SeschangedOperation,
  SesdelOperation,
  SesdisconnectedOperation,
  SessionOperation,
} from '../operations.ts';
import type { State } from '../state.ts';
import { newSession, pickParameters } from '../tables/sessions.ts';
import { type ApplyMode, type Handlers, settle } from './common.ts';
import { dropAllLocks, dropLocks } from './locks.ts';

function sesadd(state: State, _now: number, op: SesaddOperation, mode: ApplyMode): number {
  if (!settle(mode, op, 'sessionid', state.nextsessionid)) {
    return Status.MISMATCH;
  }
  state.nextsessionid++;
  state.sessions.set(op.sessionid, newSession(op.sessionid, op));
  state.observer.sessionChanged(op.sessionid, 'added');
  return Status.OK;
}

function seschanged(state: State, _now: number, op: SeschangedOperation): number {
  const session = state.sessions.get(op.sessionid);
  if (session === undefined) {
    return Status.MISMATCH;
  }
  Object.assign(session, pickParameters(op));
  state.observer.sessionChanged(op.sessionid, 'changed');
  return Status.OK;
}

/**
 * Stock images lack sessions that were closed but not yet deleted, so lines about them may follow (spec 51, section 7.5):
 * tolerated in replay, else `status`.
 */
function unknownSession(
  state: State,
  op: { op: 'SESDISCONNECTED' | 'SESDEL'; sessionid: number },
  mode: ApplyMode,
  status: number,
): number {
  if (mode !== 'replay') {
    return status;
  }
  state.observer.deviation(op.op, `session ${op.sessionid} does not exist`);
  return Status.OK;
}

function sesdisconnected(state: State, now: number, op: SesdisconnectedOperation, mode: ApplyMode): number {
  const session = state.sessions.get(op.sessionid);
  if (session === undefined) {
    return unknownSession(state, op, mode, Status.NOTFOUND);
  }
  session.disconnected = now;
  state.observer.sessionChanged(op.sessionid, 'disconnected');
  return Status.OK;
}

function sesdel(state: State, _now: number, op: SesdelOperation, mode: ApplyMode): number {
  if (!state.sessions.has(op.sessionid)) {
    return unknownSession(state, op, mode, Status.BADSESSIONID);
  }
  for (const inode of state.openFiles.inodesOf(op.sessionid)) {
    closeFile(state, op.sessionid, inode, mode);
  }
  dropAllLocks(state, op.sessionid);
  state.sessions.delete(op.sessionid);
  state.observer.sessionChanged(op.sessionid, 'removed');
  return Status.OK;
}

/** Removes an open relation with the locks that depend on it. */
function closeFile(state: State, session: number, inode: number, mode: ApplyMode): void {
  state.openFiles.remove(session, inode);
  const flocks = dropLocks(state, session, inode);
  state.metaversion += mode === 'strict' ? flocks : 0; // counted by the stock replayer (spec 51, section 7.4)
  state.observer.openChanged(session, inode, false);
}

function session(state: State, _now: number, op: SessionOperation, mode: ApplyMode): number {
  if (!settle(mode, op, 'sessionid', state.nextsessionid)) {
    return Status.MISMATCH;
  }
  state.nextsessionid++;
  return Status.OK;
}

function acquire(state: State, _now: number, op: AcquireOperation, mode: ApplyMode): number {
  if (!state.openFiles.has(op.sessionid, op.inode)) {
    state.openFiles.add(op.sessionid, op.inode);
    state.observer.openChanged(op.sessionid, op.inode, true);
    return Status.OK;
  }
  if (mode !== 'replay') {
    return Status.MISMATCH;
  }
  state.observer.deviation('ACQUIRE', `session ${op.sessionid} has inode ${op.inode} open already`);
  return Status.OK;
}

function release(state: State, _now: number, op: ReleaseOperation, mode: ApplyMode): number {
  if (state.openFiles.has(op.sessionid, op.inode)) {
    closeFile(state, op.sessionid, op.inode, mode);
    return Status.OK;
  }
  if (mode !== 'replay') {
    return Status.MISMATCH;
  }
  state.observer.deviation('RELEASE', `session ${op.sessionid} does not have inode ${op.inode} open`);
  return Status.OK;
}

export const sessionHandlers: Handlers<
  'SESADD' | 'SESCHANGED' | 'SESDISCONNECTED' | 'SESDEL' | 'SESSION' | 'ACQUIRE' | 'RELEASE'
> = {
  SESADD: sesadd,
  SESCHANGED: seschanged,
  SESDISCONNECTED: sesdisconnected,
  SESDEL: sesdel,
  SESSION: session,
  ACQUIRE: acquire,
  RELEASE: release,
};

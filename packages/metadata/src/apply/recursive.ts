import { Status } from '@alces/proto';
import { CHANGED_ATTRIBUTES } from '../observer.ts';
import type { ArchchgOperation, SeteattrOperation, SetsclassOperation, SettrashtimeOperation } from '../operations.ts';
import type { State } from '../state.ts';
import { EATTR_IMMUTABLE, EATTR_NOENTRYCACHE, EATTR_NOOWNER, isFileType, TYPE_DIRECTORY } from '../tables/constants.ts';
import { changeClass } from '../tree/fileData.ts';
import { forEachBelow } from '../tree/walk.ts';
import type { ApplyMode, Handlers } from './common.ts';

export const SMODE_SET = 0;
export const SMODE_INCREASE = 1;
export const SMODE_DECREASE = 2;
export const SMODE_EXCHANGE = 3;
export const SMODE_MASK = 3;
export const SMODE_RECURSIVE = 4;
export const SMODE_MAX = 7;

/** Results of a recursive setter. */
export interface Counters {
  changed: number;
  unchanged: number;
  denied: number;
}

/** What a setter would do with one node. */
export type Verdict = 'changed' | 'unchanged' | 'denied' | 'skipped';

/** Whether a caller counts as owner of a node (row) for setters: root, the owner, or anybody with eattr noowner. */
export function mayChange(state: State, row: number, uid: number): boolean {
  const { nodes } = state;
  return uid === 0 || nodes.uid.get(row) === uid || (nodes.eattr.get(row) & EATTR_NOOWNER) !== 0;
}

function isFileOrDirectory(type: number): boolean {
  return type === TYPE_DIRECTORY || isFileType(type);
}

/** Trash time in hours that SETTRASHTIME stores for these seconds. */
export function trashHours(seconds: number): number {
  return Math.floor(((seconds + 3599) >>> 0) / 3600) & 0xffff;
}

/** What SETTRASHTIME does with a node. */
export function judgeTrashtime(state: State, row: number, op: SettrashtimeOperation): Verdict {
  const { nodes } = state;
  if (!isFileOrDirectory(nodes.type.get(row))) {
    return 'skipped';
  }
  if (!mayChange(state, row, op.uid) || nodes.eattr.get(row) & EATTR_IMMUTABLE) {
    return 'denied';
  }
  return differs(op.smode, nodes.trashtime.get(row), trashHours(op.seconds), -1) ? 'changed' : 'unchanged';
}

/** Whether set, increase, decrease or exchange changes `present` to `wanted`; exchange only from `source`. */
function differs(smode: number, present: number, wanted: number, source: number): boolean {
  switch (smode & SMODE_MASK) {
    case SMODE_SET:
      return present !== wanted;
    case SMODE_INCREASE:
      return present < wanted;
    case SMODE_DECREASE:
      return present > wanted;
    default:
      return present === source;
  }
}

/** What SETSCLASS does with a node; `adminClasses`: also deny what a non-admin session may not change. */
export function judgeSclass(state: State, row: number, op: SetsclassOperation, adminClasses: boolean): Verdict {
  const { nodes, storageClasses } = state;
  if (!isFileOrDirectory(nodes.type.get(row))) {
    return 'skipped';
  }
  const present = nodes.sclass.get(row);
  if (!mayChange(state, row, op.uid) || nodes.eattr.get(row) & EATTR_IMMUTABLE) {
    return 'denied';
  }
  if (adminClasses && (storageClasses.get(present)?.adminonly || storageClasses.get(op.dstClass)?.adminonly)) {
    return 'denied';
  }
  return differs(op.smode, present, op.dstClass, op.srcClass) ? 'changed' : 'unchanged';
}

/** The eattr that SETEATTR gives a node which it may change. */
function newEattr(state: State, row: number, op: SeteattrOperation): number {
  const { nodes } = state;
  const kept = nodes.type.get(row) === TYPE_DIRECTORY ? 0xff : 0xff & ~EATTR_NOENTRYCACHE;
  const present = nodes.eattr.get(row) & kept;
  const wanted = op.eattr & kept;
  switch (op.smode & SMODE_MASK) {
    case SMODE_SET:
      return wanted;
    case SMODE_INCREASE:
      return present | wanted;
    case SMODE_DECREASE:
      return present & ~wanted;
    default:
      return present;
  }
}

/** What SETEATTR does with a node. */
export function judgeEattr(state: State, row: number, op: SeteattrOperation): Verdict {
  const { nodes } = state;
  const present = nodes.eattr.get(row);
  if (!mayChange(state, row, op.uid) || (present & EATTR_IMMUTABLE && op.eattr & EATTR_NOOWNER)) {
    return 'denied';
  }
  const kept = nodes.type.get(row) === TYPE_DIRECTORY ? 0xff : 0xff & ~EATTR_NOENTRYCACHE;
  return newEattr(state, row, op) === (present & kept) ? 'unchanged' : 'changed';
}

/** Visits a node, or with the recursive bit everything below it too, and counts the verdicts. */
export function countVerdicts(state: State, row: number, smode: number, visit: (row: number) => Verdict): Counters {
  const counters: Counters = { changed: 0, unchanged: 0, denied: 0 };
  const count = (at: number): void => {
    const verdict = visit(at);
    if (verdict !== 'skipped') {
      counters[verdict]++;
    }
  };
  if (smode & SMODE_RECURSIVE) {
    forEachBelow(state, row, count);
  } else {
    count(row);
  }
  return counters;
}

/** Only one node was asked for, and it was denied: an error instead of counters. */
export function isPlainDenial(smode: number, counters: Counters): boolean {
  return (smode & SMODE_RECURSIVE) === 0 && counters.denied > 0;
}

function settleCounters(mode: ApplyMode, op: Counters & { smode: number }, counted: Counters): number {
  if (isPlainDenial(op.smode, counted)) {
    return Status.EPERM;
  }
  if (mode === 'live') {
    op.changed = counted.changed;
    op.unchanged = counted.unchanged;
    op.denied = counted.denied;
    return Status.OK;
  }
  return sameCounters(op, counted) ? Status.OK : Status.MISMATCH;
}

function sameCounters(a: Counters, b: Counters): boolean {
  return a.changed === b.changed && a.unchanged === b.unchanged && a.denied === b.denied;
}

function changed(state: State, row: number, now: number): void {
  state.nodes.ctime.set(row, now);
  state.observer.nodeChanged(row, state.nodes.inode.get(row), CHANGED_ATTRIBUTES);
}

function settrashtime(state: State, now: number, op: SettrashtimeOperation, mode: ApplyMode): number {
  const { nodes } = state;
  if (op.smode > SMODE_MAX) {
    return Status.EINVAL;
  }
  const row = nodes.find(op.inode);
  if (row === 0) {
    return Status.ENOENT;
  }
  if (!isFileOrDirectory(nodes.type.get(row))) {
    return Status.EPERM;
  }
  const hours = trashHours(op.seconds);
  const counted = countVerdicts(state, row, op.smode, (at) => {
    const verdict = judgeTrashtime(state, at, op);
    if (verdict === 'changed') {
      nodes.trashtime.set(at, hours);
      changed(state, at, now);
    }
    return verdict;
  });
  return settleCounters(mode, op, counted);
}

function setsclass(state: State, now: number, op: SetsclassOperation, mode: ApplyMode): number {
  const { nodes } = state;
  const relative = (op.smode & SMODE_MASK) === SMODE_INCREASE || (op.smode & SMODE_MASK) === SMODE_DECREASE;
  if (op.smode > SMODE_MAX || op.dstClass === 0 || op.dstClass > 255 || (relative && op.dstClass > 9)) {
    return Status.EINVAL;
  }
  const row = nodes.find(op.inode);
  if (row === 0) {
    return Status.ENOENT;
  }
  if (!isFileOrDirectory(nodes.type.get(row))) {
    return Status.EPERM;
  }
  const adminClasses = mode === 'replay' && wasLimitedToAdmins(state, row, op);
  const counted = countVerdicts(state, row, op.smode, (at) => {
    const verdict = judgeSclass(state, at, op, adminClasses);
    if (verdict === 'changed') {
      changeClass(state, at, op.dstClass);
      changed(state, at, now);
    }
    return verdict;
  });
  return settleCounters(mode, op, counted);
}

/**
 * Whether the counters of an entry only make sense if its session was not allowed to touch admin-only classes, which the entry
 * does not say (spec 51, section 7.7).
 */
function wasLimitedToAdmins(state: State, row: number, op: SetsclassOperation): boolean {
  if (![...state.storageClasses.entries()].some(([, definition]) => definition.adminonly)) {
    return false;
  }
  const preview = (adminClasses: boolean): Counters => {
    const done = new Set<number>();
    return countVerdicts(state, row, op.smode, (at) => {
      const verdict = judgeSclass(state, at, op, adminClasses);
      if (verdict === 'changed' && done.has(at)) {
        return (op.smode & SMODE_MASK) === SMODE_EXCHANGE && op.srcClass === op.dstClass ? 'changed' : 'unchanged';
      }
      done.add(at);
      return verdict;
    });
  };
  if (sameCounters(op, preview(false)) || !sameCounters(op, preview(true))) {
    return false;
  }
  state.observer.deviation('SETSCLASS', `inode ${op.inode}: taken as a request of a session without admin rights`);
  return true;
}

function seteattr(state: State, now: number, op: SeteattrOperation, mode: ApplyMode): number {
  const { nodes } = state;
  if (op.smode > SMODE_MAX) {
    return Status.EINVAL;
  }
  const row = nodes.find(op.inode);
  if (row === 0) {
    return Status.ENOENT;
  }
  const counted = countVerdicts(state, row, op.smode, (at) => {
    const verdict = judgeEattr(state, at, op);
    if (verdict !== 'denied') {
      nodes.eattr.set(at, newEattr(state, at, op));
    }
    if (verdict === 'changed') {
      changed(state, at, now);
    }
    return verdict;
  });
  return settleCounters(mode, op, counted);
}

/** Whether ARCHCHG of this uid is denied for a file. */
export function isArchiveDenied(state: State, row: number, uid: number): boolean {
  return !mayChange(state, row, uid) || (state.nodes.eattr.get(row) & EATTR_IMMUTABLE) !== 0;
}

function archchg(state: State, now: number, op: ArchchgOperation, mode: ApplyMode): number {
  const { nodes } = state;
  const row = nodes.find(op.inode);
  if (row === 0) {
    return Status.ENOENT;
  }
  const type = nodes.type.get(row);
  if (!isFileOrDirectory(type)) {
    return Status.EPERM;
  }
  const counted: Counters = { changed: 0, unchanged: 0, denied: 0 };
  const visit = (at: number): void => archiveFile(state, at, now, op, mode, counted);
  if (type === TYPE_DIRECTORY) {
    forEachBelow(state, row, visit);
  } else {
    visit(row);
  }
  if (type !== TYPE_DIRECTORY && counted.denied > 0) {
    return Status.EPERM;
  }
  if (mode === 'live') {
    Object.assign(op, counted);
  } else if (!sameCounters(op, counted)) {
    if (mode === 'strict') {
      return Status.MISMATCH;
    }
    state.observer.deviation('ARCHCHG', `inode ${op.inode}: counters differ`);
  }
  return Status.OK;
}

/** Sets or clears the archive flag of all chunks of a file. */
function archiveFile(
  state: State,
  row: number,
  now: number,
  op: ArchchgOperation,
  mode: ApplyMode,
  counted: Counters,
): void {
  const { nodes, chunks } = state;
  if (!isFileType(nodes.type.get(row))) {
    return;
  }
  const byBackgroundCheck = mode === 'replay' && op.uid === 0 && op.cmd === 1 && op.denied === 0;
  if (isArchiveDenied(state, row, op.uid) && !byBackgroundCheck) {
    counted.denied++;
    return;
  }
  const flag = op.cmd === 1 ? 1 : 0;
  const slots = nodes.slots.get(row);
  for (let i = nodes.nextUsedSlot(row, 0); i < slots; i = nodes.nextUsedSlot(row, i + 1)) {
    const chunk = chunks.find(nodes.chunkAt(row, i));
    if (chunk === 0 || chunks.archive.get(chunk) === flag) {
      counted.unchanged++;
    } else {
      counted.changed++;
      chunks.archive.set(chunk, flag);
      state.observer.chunkArchiveChanged(chunk, chunks.id.get(chunk), flag);
    }
  }
  if (op.cmd === 0) {
    changed(state, row, now);
  }
}

export const recursiveHandlers: Handlers<'SETEATTR' | 'SETTRASHTIME' | 'SETSCLASS' | 'ARCHCHG'> = {
  SETEATTR: seteattr,
  SETTRASHTIME: settrashtime,
  SETSCLASS: setsclass,
  ARCHCHG: archchg,
};

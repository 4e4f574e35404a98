import { Status } from '@alces/proto';
import type {
  EmptysustainedOperation,
  EmptytrashOperation,
  FreeinodesOperation,
  PurgeOperation,
  SetpathOperation,
  UndelOperation,
} from '../operations.ts';
import type { State } from '../state.ts';
import {
  EATTR_IMMUTABLE,
  MAX_DETACHED_PATH_BYTES,
  ROOT_INODE,
  SUSTAINED_BUCKETS,
  TRASH_BUCKETS,
  TYPE_DIRECTORY,
  TYPE_TRASH,
} from '../tables/constants.ts';
import { hasNul, isValidName, takeEdgeId } from '../tree/names.ts';
import { addName, createNode, detach, purgeTrashFile, removeNode, undetach } from '../tree/nodes.ts';
import type { ApplyMode, Handlers } from './common.ts';

const SLASH = 0x2f;

/** Row of a trash file, 0 if the inode is anything else. */
export function findTrashFile(state: State, inode: number): number {
  const row = state.nodes.find(inode);
  return row !== 0 && state.nodes.type.get(row) === TYPE_TRASH ? row : 0;
}

/** Whether bytes may be the path of a trash file. */
export function isValidTrashPath(path: Uint8Array): boolean {
  return path.length > 0 && path.length <= MAX_DETACHED_PATH_BYTES && !hasNul(path);
}

function setpath(state: State, _now: number, op: SetpathOperation): number {
  if (!isValidTrashPath(op.path)) {
    return Status.EINVAL;
  }
  const row = findTrashFile(state, op.inode);
  if (row === 0) {
    return Status.ENOENT;
  }
  undetach(state, row);
  detach(state, row, TYPE_TRASH, takeEdgeId(state), op.path);
  return Status.OK;
}

function purge(state: State, now: number, op: PurgeOperation): number {
  const row = findTrashFile(state, op.inode);
  if (row === 0) {
    return Status.ENOENT;
  }
  purgeTrashFile(state, now, row);
  return Status.OK;
}

/** Components of the path of a trash file, undefined if it cannot be restored. */
function splitPath(path: Buffer): Buffer[] | undefined {
  let start = 0;
  while (start < path.length && path[start] === SLASH) {
    start++;
  }
  const parts: Buffer[] = [];
  while (start <= path.length) {
    const slash = path.indexOf(SLASH, start);
    const end = slash < 0 ? path.length : slash;
    const part = Buffer.from(path.subarray(start, end));
    if (!isValidName(part)) {
      return undefined;
    }
    parts.push(part);
    start = end + 1;
  }
  return parts;
}

/**
 * Whether the directories on the way of an UNDEL allow it, and how many of them exist: status, and the row of the deepest one.
 */
function checkUndelPath(state: State, parts: Buffer[]): { status: number; directory: number; existing: number } {
  const { nodes, edges } = state;
  let directory = nodes.find(ROOT_INODE);
  for (let depth = 0; ; depth++) {
    if (state.quotas.get(nodes.inode.get(directory))?.exceeded) {
      return { status: Status.QUOTA, directory, existing: depth };
    }
    if (nodes.eattr.get(directory) & EATTR_IMMUTABLE) {
      return { status: Status.EPERM, directory, existing: depth };
    }
    const edge = edges.find(directory, parts[depth]);
    if (depth === parts.length - 1) {
      return { status: edge === 0 ? Status.OK : Status.EEXIST, directory, existing: depth };
    }
    if (edge === 0) {
      return { status: Status.OK, directory, existing: depth };
    }
    if (nodes.type.get(edges.child.get(edge)) !== TYPE_DIRECTORY) {
      return { status: Status.CANTCREATEPATH, directory, existing: depth };
    }
    directory = edges.child.get(edge);
  }
}

/** Status that UNDEL of this trash file (node row) would have. */
export function checkUndel(state: State, row: number): number {
  const parts = splitPath(state.edges.name(state.nodes.firstEdge.get(row)));
  return parts === undefined ? Status.CANTCREATEPATH : checkUndelPath(state, parts).status;
}

function undel(state: State, now: number, op: UndelOperation): number {
  const { nodes, edges } = state;
  const row = findTrashFile(state, op.inode);
  if (row === 0) {
    return Status.ENOENT;
  }
  const parts = splitPath(edges.name(nodes.firstEdge.get(row)));
  if (parts === undefined) {
    return Status.CANTCREATEPATH;
  }
  const { status, directory, existing } = checkUndelPath(state, parts);
  if (status !== Status.OK) {
    return status;
  }
  let parent = directory;
  for (let depth = existing; depth < parts.length - 1; depth++) {
    const wanted = { type: TYPE_DIRECTORY, mode: 0o755, cumask: 0, uid: 0, gid: 0 };
    parent = createNode(state, now, parent, parts[depth], wanted);
  }
  undetach(state, row);
  addName(state, now, parent, row, parts[parts.length - 1]);
  return Status.OK;
}

/** Whether a trash file's time is over (spec 51, section 3.1). */
function isExpired(state: State, row: number, now: number): boolean {
  const { nodes } = state;
  const limit = now - nodes.trashtime.get(row) * 3600;
  return nodes.atime.get(row) < limit && nodes.mtime.get(row) < limit && nodes.ctime.get(row) < limit;
}

/** Rows of the expired trash files of a bucket (all buckets if it is too high), in the order of their removal. */
function expiredTrash(state: State, bucket: number, now: number): number[] {
  const { edges } = state;
  const rows: number[] = [];
  const all = bucket >= TRASH_BUCKETS;
  for (let b = all ? 0 : bucket; b <= (all ? TRASH_BUCKETS - 1 : bucket); b++) {
    for (let edge = edges.firstTrash(b); edge !== 0; edge = edges.nextSibling.get(edge)) {
      if (isExpired(state, edges.child.get(edge), now)) {
        rows.push(edges.child.get(edge));
      }
    }
  }
  return rows;
}

/** Rows of the sustained files of a bucket that nobody has open, in the order of their removal. */
function closedSustained(state: State, bucket: number): number[] {
  const { edges, nodes, openFiles } = state;
  const rows: number[] = [];
  const all = bucket >= SUSTAINED_BUCKETS;
  for (let b = all ? 0 : bucket; b <= (all ? SUSTAINED_BUCKETS - 1 : bucket); b++) {
    for (let edge = edges.firstSustained(b); edge !== 0; edge = edges.nextSibling.get(edge)) {
      if (!openFiles.isOpen(nodes.inode.get(edges.child.get(edge)))) {
        rows.push(edges.child.get(edge));
      }
    }
  }
  return rows;
}

/** Whether the counts and the XOR of an entry agree with what would happen; a XOR of 0 in the entry is not compared. */
function countsAgree(expected: readonly number[], counted: readonly number[], xor: number, counter: number): boolean {
  return expected.every((value, i) => value === counted[i]) && (xor === 0 || xor === counter);
}

/** What EMPTYTRASH would do now. */
export function previewEmptyTrash(
  state: State,
  now: number,
  bucket: number,
): { rows: number[]; sustained: number; xor: number } {
  const { nodes, openFiles } = state;
  const rows = expiredTrash(state, bucket, now);
  let sustained = 0;
  let xor = 0;
  for (const row of rows) {
    xor ^= nodes.inode.get(row);
    sustained += openFiles.isOpen(nodes.inode.get(row)) ? 1 : 0;
  }
  return { rows, sustained, xor: xor >>> 0 };
}

function emptytrash(state: State, now: number, op: EmptytrashOperation, mode: ApplyMode): number {
  const { rows, sustained, xor } = previewEmptyTrash(state, now, op.bucket);
  const removed = rows.length - sustained;
  if (mode === 'live') {
    op.removed = removed;
    op.sustained = sustained;
    op.xor = xor;
  } else if (!countsAgree([op.removed, op.sustained], [removed, sustained], op.xor, xor)) {
    return Status.MISMATCH;
  }
  for (const row of rows) {
    purgeTrashFile(state, now, row);
  }
  return Status.OK;
}

/** What EMPTYSUSTAINED would remove now. */
export function previewEmptySustained(state: State, bucket: number): { rows: number[]; xor: number } {
  const rows = closedSustained(state, bucket);
  return { rows, xor: rows.reduce((xor, row) => xor ^ state.nodes.inode.get(row), 0) >>> 0 };
}

function emptysustained(state: State, now: number, op: EmptysustainedOperation, mode: ApplyMode): number {
  const { rows, xor } = previewEmptySustained(state, op.bucket);
  if (mode === 'live') {
    op.removed = rows.length;
    op.xor = xor;
  } else if (!countsAgree([op.removed], [rows.length], op.xor, xor)) {
    return Status.MISMATCH;
  }
  for (const row of rows) {
    undetach(state, row);
    removeNode(state, now, row);
  }
  return Status.OK;
}

/** What FREEINODES would do now to the first entries of the free list. */
export function previewFreeInodes(
  state: State,
  now: number,
  delay: number,
  lookAtOpenFiles: boolean,
): { freed: number; kept: number; xor: number } {
  const { freeInodes, openFiles } = state;
  const result = { freed: 0, kept: 0, xor: 0 };
  for (let position = freeInodes.head; position < freeInodes.tail; position++) {
    if (Math.min(freeInodes.timeAt(position), now) + delay >= now) {
      break;
    }
    const inode = freeInodes.inodeAt(position);
    result.xor ^= inode;
    if (lookAtOpenFiles && openFiles.isOpen(inode)) {
      result.kept++;
    } else {
      result.freed++;
    }
  }
  result.xor >>>= 0;
  return result;
}

function freeinodes(state: State, now: number, op: FreeinodesOperation, mode: ApplyMode): number {
  const { freeInodes, openFiles, inodeNumbers, nodes } = state;
  const lookAtOpenFiles = mode === 'live' || op.kept > 0;
  const { freed, kept, xor } = previewFreeInodes(state, now, op.delay, lookAtOpenFiles);
  if (mode === 'live') {
    op.freed = freed;
    op.kept = kept;
    op.xor = xor;
  } else if (!countsAgree([op.freed, op.kept], [freed, kept], op.xor, xor)) {
    return Status.MISMATCH;
  }
  freeInodes.lowerTimes(now);
  for (let i = 0; i < freed + kept; i++) {
    const inode = freeInodes.shift();
    if (lookAtOpenFiles && openFiles.isOpen(inode)) {
      freeInodes.push(inode, now);
    } else if (nodes.find(inode) === 0) {
      inodeNumbers.release(inode); // an image may list an inode that exists
    }
  }
  return Status.OK;
}

export const trashHandlers: Handlers<'SETPATH' | 'PURGE' | 'UNDEL' | 'EMPTYTRASH' | 'EMPTYSUSTAINED' | 'FREEINODES'> = {
  SETPATH: setpath,
  PURGE: purge,
  UNDEL: undel,
  EMPTYTRASH: emptytrash,
  EMPTYSUSTAINED: emptysustained,
  FREEINODES: freeinodes,
};

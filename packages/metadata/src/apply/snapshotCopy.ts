import { CHANGED_ATTRIBUTES } from '../observer.ts';
import type { SnapshotOperation } from '../operations.ts';
import type { State } from '../state.ts';
import {
  ACL_ACCESS,
  ACL_DEFAULT,
  EATTR_SNAPSHOT,
  isDetachedType,
  TYPE_BLOCKDEV,
  TYPE_CHARDEV,
  TYPE_DIRECTORY,
  TYPE_FILE,
  TYPE_SYMLINK,
} from '../tables/constants.ts';
import { changeClass, changeLength, copyChunkList } from '../tree/fileData.ts';
import { addName, createNode, unlinkName } from '../tree/nodes.ts';
import { ACCESS_EXECUTE, ACCESS_READ, type Credentials, mayAccess } from '../tree/permissions.ts';
import { SNAPSHOT_CPLIKE_ATTR, SNAPSHOT_PRESERVE_HARDLINKS, type SnapshotResults } from './snapshot.ts';
import { replaceTarget } from './tree.ts';

const SESSION_IGNOREGID = 0x04;
/** Mode bits that a copy keeps when the caller is neither root nor the owner. */
const MODE_OF_OTHERS = 0o1777;

/** The caller of a SNAPSHOT. */
export function credentialsOf(op: SnapshotOperation): Credentials {
  return { uid: op.uid, gids: op.gids, ignoreGid: (op.sesflags & SESSION_IGNOREGID) !== 0 };
}

/** A directory of the source whose children are being copied into `target`. */
interface Frame {
  source: number;
  target: number;
  /** Next name of the source to copy. */
  next: number;
  /** Whether the target existed before, so that names are looked for in it. */
  existed: boolean;
}

interface CopyJob {
  readonly state: State;
  readonly now: number;
  readonly op: SnapshotOperation;
  readonly who: Credentials;
  readonly results: SnapshotResults;
  readonly frames: Frame[];
  /** Copies of nodes with several names, by source row. */
  readonly copies: Map<number, number>;
  ignoresTrailingZeros: boolean;
}

/** Copies a node, with everything below it, to a name in a directory (spec 51, section 4.6). */
export function copyTree(
  state: State,
  now: number,
  source: number,
  parent: number,
  op: SnapshotOperation,
  results: SnapshotResults,
  isReplay: boolean,
): void {
  const { edges } = state;
  const job: CopyJob = {
    state,
    now,
    op,
    who: credentialsOf(op),
    results,
    frames: [],
    copies: new Map(),
    ignoresTrailingZeros: false,
  };
  job.ignoresTrailingZeros = isReplay && mustIgnoreTrailingZeros(state, job, source, parent);
  copyNode(job, source, parent, op.name, true);
  for (let frame = job.frames.at(-1); frame !== undefined; frame = job.frames.at(-1)) {
    const edge = frame.next;
    if (edge !== 0) {
      frame.next = edges.nextSibling.get(edge);
      copyNode(job, edges.child.get(edge), frame.target, Buffer.from(edges.name(edge)), frame.existed);
      continue;
    }
    job.frames.pop();
    finish(job, frame.source, frame.target, frame.existed);
  }
}

function copyNode(job: CopyJob, source: number, directory: number, name: Buffer, lookForName: boolean): void {
  const { state, who } = job;
  const type = state.nodes.type.get(source);
  if (isDetachedType(type) || (type === TYPE_FILE && !mayAccess(state, source, who, ACCESS_READ))) {
    return;
  }
  const edge = lookForName ? state.edges.find(directory, name) : 0;
  const target = edge === 0 ? copyToNewName(job, source, directory, name) : mergeInto(job, source, edge);
  if (target === 0) {
    return;
  }
  const existed = edge !== 0;
  if (type === TYPE_DIRECTORY && mayAccess(state, source, who, ACCESS_READ | ACCESS_EXECUTE)) {
    job.frames.push({ source, target, next: state.edges.firstChild(source), existed });
  } else {
    finish(job, source, target, existed);
  }
}

function isCpLike(job: CopyJob): boolean {
  return (job.op.smode & SNAPSHOT_CPLIKE_ATTR) !== 0;
}

/** Root and the owner of the source keep its ownership and all mode bits. */
function keepsOwner(job: CopyJob, source: number): boolean {
  return job.op.uid === 0 || job.op.uid === job.state.nodes.uid.get(source);
}

/** A node like `source` under a new name, with what step 3 of the spec gives it before its children; 0 for a hard link. */
function copyToNewName(job: CopyJob, source: number, directory: number, name: Buffer): number {
  const { state, now, results, copies } = job;
  const { nodes } = state;
  const remembers =
    (job.op.smode & SNAPSHOT_PRESERVE_HARDLINKS) !== 0 &&
    nodes.names.get(source) > 1 &&
    nodes.type.get(source) !== TYPE_DIRECTORY;
  const earlier = remembers ? copies.get(source) : undefined;
  if (earlier !== undefined) {
    addName(state, now, directory, earlier, name);
    results.hardlinks++;
    return 0;
  }
  const target = makeNode(job, source, directory, name);
  results.xor ^= nodes.inode.get(target);
  results.new++;
  if (remembers) {
    copies.set(source, target);
  }
  if (!isCpLike(job)) {
    copyProperties(job, source, target);
  }
  copyContent(state, source, target);
  return target;
}

function makeNode(job: CopyJob, source: number, directory: number, name: Buffer): number {
  const { state, now, op } = job;
  const { nodes } = state;
  const type = nodes.type.get(source);
  const mode = nodes.mode.get(source);
  if (isCpLike(job)) {
    return createNode(state, now, directory, name, { type, mode, cumask: op.cumask, uid: op.uid, gid: op.gids[0] });
  }
  const wanted = keepsOwner(job, source)
    ? { type, mode, cumask: 0, uid: nodes.uid.get(source), gid: nodes.gid.get(source) }
    : { type, mode: mode & MODE_OF_OTHERS, cumask: 0, uid: op.uid, gid: op.gids[0] };
  return createNode(state, now, directory, name, wanted);
}

function copyProperties(job: CopyJob, source: number, target: number): void {
  const { state } = job;
  const { nodes, xattrs, acls } = state;
  const type = nodes.type.get(source);
  if (type === TYPE_DIRECTORY || type === TYPE_FILE) {
    changeClass(state, target, nodes.sclass.get(source));
  }
  nodes.trashtime.set(target, nodes.trashtime.get(source));
  nodes.eattr.set(target, nodes.eattr.get(source));
  nodes.winattr.set(target, nodes.winattr.get(source));
  const mode = nodes.mode.get(source);
  nodes.mode.set(target, keepsOwner(job, source) ? mode : mode & MODE_OF_OTHERS);
  for (let attribute = xattrs.first(source); attribute !== 0; attribute = xattrs.next.get(attribute)) {
    xattrs.insertLast(target, xattrs.name(attribute), xattrs.value(attribute));
  }
  for (const kind of [ACL_ACCESS, ACL_DEFAULT]) {
    const acl = acls.find(source, kind);
    if (acl !== 0) {
      acls.set(target, kind, acls.read(acl));
    }
  }
}

function copyContent(state: State, source: number, target: number): void {
  const { nodes } = state;
  switch (nodes.type.get(source)) {
    case TYPE_FILE:
      changeLength(state, target, nodes.length.get(source));
      copyChunkList(state, source, target);
      break;
    case TYPE_SYMLINK:
      replaceTarget(state, target, Buffer.from(nodes.symlink(source)));
      break;
    case TYPE_BLOCKDEV:
    case TYPE_CHARDEV:
      nodes.aux.set(target, nodes.aux.get(source));
      break;
    default:
  }
}

/** Makes the node that has the name already like `source`; returns the row of the node that has it then. */
function mergeInto(job: CopyJob, source: number, edge: number): number {
  const { state, results } = job;
  const { nodes, edges } = state;
  const present = edges.child.get(edge);
  if (nodes.type.get(source) !== TYPE_FILE) {
    results.existing++;
    if (present !== source) {
      copyContent(state, source, present);
    }
    return present;
  }
  if (hasSameData(state, source, present, job.ignoresTrailingZeros)) {
    results.same++;
    return present;
  }
  const directory = edges.parent.get(edge);
  const name = Buffer.from(edges.name(edge));
  results.xor ^= nodes.inode.get(present);
  unlinkName(state, job.now, edge);
  const target = makeNode(job, source, directory, name);
  changeClass(state, target, nodes.sclass.get(source));
  nodes.trashtime.set(target, nodes.trashtime.get(source));
  copyContent(state, source, target);
  results.xor ^= nodes.inode.get(target);
  results.existing++;
  return target;
}

/** Whether two files have the same length and the same chunks, entry by entry; trailing empty entries count unless ignored. */
function hasSameData(state: State, a: number, b: number, ignoresTrailingZeros: boolean): boolean {
  const { nodes } = state;
  const slots = Math.max(nodes.slots.get(a), nodes.slots.get(b));
  if (nodes.length.get(a) !== nodes.length.get(b)) {
    return false;
  }
  if (!ignoresTrailingZeros && nodes.slots.get(a) !== nodes.slots.get(b)) {
    return false;
  }
  for (let from = 0; from < slots; ) {
    const i = nextChunk(state, a, from);
    if (i !== nextChunk(state, b, from)) {
      return false;
    }
    if (i < slots && nodes.chunkAt(a, i) !== nodes.chunkAt(b, i)) {
      return false;
    }
    from = i + 1;
  }
  return true;
}

/** Index of the next chunk of a file, Infinity if there is none. */
function nextChunk(state: State, row: number, from: number): number {
  const index = state.nodes.nextUsedSlot(row, from);
  return index < state.nodes.slots.get(row) ? index : Number.POSITIVE_INFINITY;
}

/** How many files of a copy would be found to be there already with the same data. */
function countSame(state: State, top: CopyJob, source: number, parent: number, ignoresTrailingZeros: boolean): number {
  const { nodes, edges } = state;
  let same = 0;
  const pending = [{ row: source, directory: parent, name: top.op.name as Uint8Array }];
  for (let item = pending.pop(); item !== undefined; item = pending.pop()) {
    const edge = edges.find(item.directory, item.name);
    const type = nodes.type.get(item.row);
    if (edge === 0) {
      continue;
    }
    const counterpart = edges.child.get(edge);
    if (type === TYPE_FILE && mayAccess(state, item.row, top.who, ACCESS_READ)) {
      same += hasSameData(state, item.row, counterpart, ignoresTrailingZeros) ? 1 : 0;
    } else if (type === TYPE_DIRECTORY && mayAccess(state, item.row, top.who, ACCESS_READ | ACCESS_EXECUTE)) {
      for (let child = edges.firstChild(item.row); child !== 0; child = edges.nextSibling.get(child)) {
        pending.push({ row: edges.child.get(child), directory: counterpart, name: Buffer.from(edges.name(child)) });
      }
    }
  }
  return same;
}

/**
 * Whether the results of an entry only make sense if trailing empty chunk entries do not count: the number of entries in the
 * memory of a stock master may differ from that of a replay (spec 51, section 7.7).
 */
function mustIgnoreTrailingZeros(state: State, job: CopyJob, source: number, parent: number): boolean {
  const expected = job.op.same;
  return (
    countSame(state, job, source, parent, false) !== expected &&
    countSame(state, job, source, parent, true) === expected
  );
}

/** Attributes that a node gets after its children were handled, and the snapshot mark. */
function finish(job: CopyJob, source: number, target: number, existed: boolean): void {
  const { state, now } = job;
  const { nodes } = state;
  if (existed) {
    copyOwnership(job, source, target);
  }
  if (!isCpLike(job)) {
    nodes.atime.set(target, nodes.atime.get(source));
    nodes.mtime.set(target, nodes.mtime.get(source));
    nodes.ctime.set(target, existed && !keepsOwner(job, source) ? now : nodes.ctime.get(source));
  } else if (existed) {
    nodes.ctime.set(target, now);
  }
  nodes.eattr.set(target, nodes.eattr.get(target) | EATTR_SNAPSHOT);
  state.observer.nodeChanged(target, nodes.inode.get(target), CHANGED_ATTRIBUTES);
}

function copyOwnership(job: CopyJob, source: number, target: number): void {
  const { state, op } = job;
  const { nodes } = state;
  const mode = nodes.mode.get(source);
  if (!isCpLike(job) && keepsOwner(job, source)) {
    nodes.mode.set(target, mode);
    nodes.uid.set(target, nodes.uid.get(source));
    nodes.gid.set(target, nodes.gid.get(source));
    return;
  }
  nodes.mode.set(target, isCpLike(job) ? mode & ~op.cumask : mode & MODE_OF_OTHERS);
  nodes.uid.set(target, op.uid);
  nodes.gid.set(target, op.gids[0]);
}

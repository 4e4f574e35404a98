import { CHANGED_ATTRIBUTES, CHANGED_TYPE, silentObserver } from '../observer.ts';
import type { State } from '../state.ts';
import { type Acl, isMinimalAcl } from '../tables/acls.ts';
import {
  ACL_ACCESS,
  ACL_DEFAULT,
  DEFAULT_TRASH_HOURS,
  EATTR_APPENDONLY,
  EATTR_IMMUTABLE,
  EATTR_NOENTRYCACHE,
  EATTR_SNAPSHOT,
  EATTR_UNDELETABLE,
  isFileType,
  TYPE_DIRECTORY,
  TYPE_FILE,
  TYPE_SUSTAINED,
  TYPE_TRASH,
} from '../tables/constants.ts';
import { sustainedList, trashList } from '../tables/edges.ts';
import { contributionOf } from './contribution.ts';
import { cutSlots } from './fileData.ts';
import { detachedPathOf, takeEdgeId } from './names.ts';
import { addUpwards } from './sums.ts';

const MODE_SETGID = 0o2000;
const EATTR_NOT_INHERITED = EATTR_SNAPSHOT | EATTR_UNDELETABLE | EATTR_APPENDONLY | EATTR_IMMUTABLE;

/** What the creator of a node asks for. */
export interface NewNode {
  type: number;
  /** As requested, before umask and default ACL. */
  mode: number;
  cumask: number;
  uid: number;
  gid: number;
}

/** Makes a node with a name (spec 51, sections 4.1 and 4.2). The name must be free, `parent` a directory. Returns its row. */
export function createNode(state: State, now: number, parent: number, name: Uint8Array, wanted: NewNode): number {
  const { nodes } = state;
  const inode = state.inodeNumbers.take();
  state.maxinode = Math.max(state.maxinode, inode);
  const row = nodes.insert(inode, wanted.type);
  const isDirectory = wanted.type === TYPE_DIRECTORY;
  if (isDirectory) {
    nodes.aux.set(row, state.directories.insert());
  }
  if (isDirectory || wanted.type === TYPE_FILE) {
    inheritClass(state, row, parent, isDirectory);
  } else {
    nodes.trashtime.set(row, DEFAULT_TRASH_HOURS);
  }
  const dropped = isDirectory ? EATTR_NOT_INHERITED : EATTR_NOT_INHERITED | EATTR_NOENTRYCACHE;
  nodes.eattr.set(row, nodes.eattr.get(parent) & ~dropped);
  nodes.uid.set(row, wanted.uid);
  nodes.gid.set(row, nodes.mode.get(parent) & MODE_SETGID ? nodes.gid.get(parent) : wanted.gid);
  nodes.mode.set(row, inheritMode(state, row, parent, wanted));
  nodes.atime.set(row, now);
  nodes.mtime.set(row, now);
  state.observer.nodeCreated(row, inode);
  addName(state, now, parent, row, name);
  return row;
}

function inheritClass(state: State, row: number, parent: number, isDirectory: boolean): void {
  const { nodes, storageClasses } = state;
  const classId = nodes.sclass.get(parent);
  nodes.sclass.set(row, classId);
  nodes.trashtime.set(row, nodes.trashtime.get(parent));
  (isDirectory ? storageClasses.directories : storageClasses.files)[classId]++;
}

/** Mode of a new node; gives it the ACLs that a default ACL of the parent demands (spec 51, section 4.1). */
function inheritMode(state: State, row: number, parent: number, wanted: NewNode): number {
  const defaultRow = state.acls.find(parent, ACL_DEFAULT);
  if (defaultRow === 0) {
    return wanted.mode & ~wanted.cumask & 0o7777;
  }
  const inherited = state.acls.read(defaultRow);
  if (wanted.type === TYPE_DIRECTORY) {
    state.acls.set(row, ACL_DEFAULT, inherited);
  }
  const upper = wanted.mode & 0o7000;
  if (isMinimalAcl(inherited)) {
    return upper | (wanted.mode & ((inherited.user << 6) | (inherited.group << 3) | inherited.other));
  }
  const access: Acl = {
    ...inherited,
    user: (wanted.mode >> 6) & 7 & inherited.user,
    other: wanted.mode & 7 & inherited.other,
    mask: (wanted.mode >> 3) & 7 & inherited.mask,
  };
  state.acls.set(row, ACL_ACCESS, access);
  return upper | ((access.user << 6) & 0o700) | ((access.group << 3) & 0o70) | (access.other & 7);
}

/** A new name for a node (spec 51, section 4.2). */
export function addName(state: State, now: number, parent: number, child: number, name: Uint8Array): void {
  const { nodes, edges, directories } = state;
  const edge = edges.insertFirst(parent, child, takeEdgeId(state), name);
  const list = nodes.aux.get(parent);
  directories.children.set(list, directories.children.get(list) + 1);
  if (nodes.type.get(child) === TYPE_DIRECTORY) {
    directories.subdirs.set(list, directories.subdirs.get(list) + 1);
  }
  addUpwards(state, parent, contributionOf(state, child), 1);
  nodes.ctime.set(child, now);
  state.observer.nodeChanged(child, nodes.inode.get(child), CHANGED_ATTRIBUTES);
  touchDirectory(state, now, parent);
  // A view of the name is made only for those who look at it.
  if (state.observer !== silentObserver) {
    state.observer.entryAdded(nodes.inode.get(parent), edges.name(edge), nodes.inode.get(child));
  }
}

/** Takes a name out of its directory; the node stays as it is, maybe without any name. */
export function removeName(state: State, now: number, edge: number): void {
  const { nodes, edges, directories } = state;
  const parent = edges.parent.get(edge);
  const child = edges.child.get(edge);
  const list = nodes.aux.get(parent);
  directories.children.set(list, directories.children.get(list) - 1);
  if (nodes.type.get(child) === TYPE_DIRECTORY) {
    directories.subdirs.set(list, directories.subdirs.get(list) - 1);
  }
  addUpwards(state, parent, contributionOf(state, child), -1);
  if (state.observer !== silentObserver) {
    state.observer.entryRemoved(nodes.inode.get(parent), edges.name(edge), nodes.inode.get(child));
  }
  edges.remove(edge, list);
  nodes.ctime.set(child, now);
  state.observer.nodeChanged(child, nodes.inode.get(child), CHANGED_ATTRIBUTES);
  touchDirectory(state, now, parent);
}

/** A directory's names changed: times, and the snapshot mark goes. */
function touchDirectory(state: State, now: number, row: number): void {
  const { nodes } = state;
  nodes.mtime.set(row, now);
  nodes.ctime.set(row, now);
  nodes.eattr.set(row, nodes.eattr.get(row) & ~EATTR_SNAPSHOT);
  state.observer.nodeChanged(row, nodes.inode.get(row), CHANGED_ATTRIBUTES);
}

/** Unlinks a name: the node follows if it was the last one (spec 51, section 4.3). */
export function unlinkName(state: State, now: number, edge: number): void {
  const { nodes, edges } = state;
  const child = edges.child.get(edge);
  if (nodes.names.get(child) > 1) {
    removeName(state, now, edge);
    return;
  }
  const isFile = nodes.type.get(child) === TYPE_FILE;
  const toTrash = isFile && nodes.trashtime.get(child) > 0;
  if (toTrash || (isFile && state.openFiles.isOpen(nodes.inode.get(child)))) {
    const path = detachedPathOf(state, edge);
    removeName(state, now, edge);
    detach(state, child, toTrash ? TYPE_TRASH : TYPE_SUSTAINED, takeEdgeId(state), path);
    return;
  }
  removeName(state, now, edge);
  removeNode(state, now, child);
}

/** Gives a file without names a detached name in the trash or among the sustained files. */
export function detach(state: State, row: number, type: number, edgeId: bigint, path: Uint8Array): void {
  const { nodes, edges, detached } = state;
  const inode = nodes.inode.get(row);
  const length = nodes.length.get(row);
  nodes.type.set(row, type);
  if (type === TYPE_TRASH) {
    edges.insertDetached(trashList(inode), row, edgeId, path);
    detached.trashCount++;
    detached.trashBytes += length;
  } else {
    edges.insertDetached(sustainedList(inode), row, edgeId, path);
    detached.sustainedCount++;
    detached.sustainedBytes += length;
  }
  state.observer.nodeChanged(row, inode, CHANGED_TYPE);
}

/** Removes the detached name of a trash or sustained file, which has no name afterwards (and becomes type 1). */
export function undetach(state: State, row: number): void {
  const { nodes, edges, detached } = state;
  const inode = nodes.inode.get(row);
  const isTrash = nodes.type.get(row) === TYPE_TRASH;
  edges.remove(nodes.firstEdge.get(row), isTrash ? trashList(inode) : sustainedList(inode));
  if (isTrash) {
    detached.trashCount--;
    detached.trashBytes -= nodes.length.get(row);
  } else {
    detached.sustainedCount--;
    detached.sustainedBytes -= nodes.length.get(row);
  }
  nodes.type.set(row, TYPE_FILE);
}

/** Trash file: removed, or made a sustained file if it is open. Returns whether it was removed. */
export function purgeTrashFile(state: State, now: number, row: number): boolean {
  const { nodes, edges } = state;
  if (!state.openFiles.isOpen(nodes.inode.get(row))) {
    undetach(state, row);
    removeNode(state, now, row);
    return true;
  }
  const edge = nodes.firstEdge.get(row);
  const edgeId = edges.id(edge);
  const path = Buffer.from(edges.name(edge));
  undetach(state, row);
  detach(state, row, TYPE_SUSTAINED, edgeId, path);
  return false;
}

/** Removes a node without names; its inode goes to the free list (spec 51, section 4.4). */
export function removeNode(state: State, now: number, row: number): void {
  const { nodes, storageClasses } = state;
  const inode = nodes.inode.get(row);
  const type = nodes.type.get(row);
  state.observer.nodeRemoved(row, inode);
  state.quotas.delete(inode);
  state.xattrs.removeAll(row);
  state.acls.remove(row, ACL_ACCESS);
  state.acls.remove(row, ACL_DEFAULT);
  if (isFileType(type)) {
    cutSlots(state, row, 0);
    storageClasses.files[nodes.sclass.get(row)]--;
  } else if (type === TYPE_DIRECTORY) {
    storageClasses.directories[nodes.sclass.get(row)]--;
    state.directories.remove(nodes.aux.get(row));
  }
  nodes.remove(row);
  state.freeInodes.lowerTimes(now);
  state.freeInodes.push(inode, now);
}

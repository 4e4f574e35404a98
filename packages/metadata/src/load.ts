import type { State } from './state.ts';
import {
  DEFAULT_TRASH_HOURS,
  isFileType,
  ROOT_INODE,
  TYPE_BLOCKDEV,
  TYPE_CHARDEV,
  TYPE_DIRECTORY,
  TYPE_SYMLINK,
  TYPE_TRASH,
} from './tables/constants.ts';
import { sustainedList, trashList } from './tables/edges.ts';
import { recomputeSums } from './tree/sums.ts';

/** What an image stores of every node. */
export interface NodeHead {
  inode: number;
  /** 1 file, 2 directory, 3 symlink, 4 fifo, 5 block device, 6 character device, 7 socket, 8 trash, 9 sustained. */
  type: number;
  classId: number;
  eattr: number;
  winattr: number;
  mode: number;
  uid: number;
  gid: number;
  atime: number;
  mtime: number;
  ctime: number;
  trashTimeHours: number;
}

/** A node as the image stores it. One record may be filled again and again. */
export interface LoadedNode extends NodeHead {
  /** Devices. */
  rdev: number;
  /** Files: length in bytes. */
  lengthBytes: number;
  /** Symlinks: target, copied. */
  path: Uint8Array;
  /** Files: number of entries to take from `chunks`. */
  slots: number;
  chunks: ArrayLike<number>;
}

/** A record for loadNode with everything 0. */
export function emptyLoadedNode(): LoadedNode {
  return {
    inode: 0,
    type: 0,
    classId: 0,
    eattr: 0,
    winattr: 0,
    mode: 0,
    uid: 0,
    gid: 0,
    atime: 0,
    mtime: 0,
    ctime: 0,
    trashTimeHours: 0,
    rdev: 0,
    lengthBytes: 0,
    path: new Uint8Array(0),
    slots: 0,
    chunks: [],
  };
}

/**
 * Inserts a node of an image, without what only its type has (but for the row of a directory), and returns its row; 0 if the inode
 * exists already.
 */
export function loadNodeHead(state: State, node: NodeHead): number {
  const { nodes } = state;
  const { inode, type } = node;
  if (nodes.find(inode) !== 0) {
    return 0;
  }
  const row = nodes.insert(inode, type);
  if (type === TYPE_DIRECTORY) {
    nodes.aux.set(row, state.directories.insert());
    nodes.sclass.set(row, node.classId);
  } else if (isFileType(type)) {
    nodes.sclass.set(row, node.classId);
  }
  // Columns of which no value was ever set take no memory.
  if (node.eattr !== 0) nodes.eattr.set(row, node.eattr);
  if (node.winattr !== 0) nodes.winattr.set(row, node.winattr);
  nodes.mode.set(row, node.mode & 0o7777);
  nodes.uid.set(row, node.uid);
  nodes.gid.set(row, node.gid);
  nodes.atime.set(row, node.atime);
  nodes.mtime.set(row, node.mtime);
  nodes.ctime.set(row, node.ctime);
  nodes.trashtime.set(row, node.trashTimeHours);
  state.inodeNumbers.markUsed(inode);
  return row;
}

/**
 * Inserts a node of an image and returns its row; 0 if the inode exists already. Names, attributes and ACLs follow; chunk
 * references and directory sums are computed by finishLoading.
 */
export function loadNode(state: State, node: LoadedNode): number {
  const { nodes } = state;
  const row = loadNodeHead(state, node);
  if (row === 0) {
    return 0;
  }
  if (node.type === TYPE_SYMLINK) {
    nodes.setSymlink(row, node.path);
  } else if (node.type === TYPE_BLOCKDEV || node.type === TYPE_CHARDEV) {
    nodes.aux.set(row, node.rdev);
  } else if (isFileType(node.type)) {
    nodes.length.set(row, node.lengthBytes);
    nodes.resizeSlots(row, node.slots);
    for (let i = 0; i < node.slots; i++) {
      nodes.setChunkAt(row, i, node.chunks[i]);
    }
  }
  return row;
}

/** Appends a name to the list of a directory. Rows are node rows; the parent must be a directory. */
export function loadEdge(state: State, parentRow: number, childRow: number, id: bigint, name: Uint8Array): void {
  state.edges.insertLast(parentRow, childRow, id, name);
}

/** Puts a detached name at the head of its bucket. The child must be of type 8 or 9. */
export function loadDetachedEdge(state: State, childRow: number, id: bigint, path: Uint8Array): void {
  const inode = state.nodes.inode.get(childRow);
  const list = state.nodes.type.get(childRow) === TYPE_TRASH ? trashList(inode) : sustainedList(inode);
  state.edges.insertDetached(list, childRow, id, path);
}

/** Appends an entry to the list of freed inodes. */
export function loadFreeInode(state: State, inode: number, freetime: number): void {
  state.freeInodes.push(inode, freetime);
  state.inodeNumbers.markUsed(inode);
}

/**
 * Computes what the image does not store: chunk references, directory sums, link counts, class use, trash totals. To be called
 * once, after all sections were read and structure errors were repaired: in particular every directory must be reachable from the
 * root. Chunk ids in files that do not exist in the chunk table stay in the files (spec 50, section 5). A next chunk id that was
 * given out already is raised.
 */
export function finishLoading(state: State): void {
  const { chunks } = state;
  for (let row = 1; row < chunks.rowLimit; row++) {
    state.nextchunkid = Math.max(state.nextchunkid, chunks.id.get(row) + 1);
  }
  recomputeSums(state);
}

/** The state of a new, empty file system (spec 50, section 2): a root directory and nothing else. */
export function initializeNewFilesystem(state: State, now: number): void {
  loadNode(state, {
    ...emptyLoadedNode(),
    inode: ROOT_INODE,
    type: TYPE_DIRECTORY,
    classId: 2,
    mode: 0o777,
    atime: now,
    mtime: now,
    ctime: now,
    trashTimeHours: DEFAULT_TRASH_HOURS,
  });
  state.maxinode = ROOT_INODE;
  finishLoading(state);
}

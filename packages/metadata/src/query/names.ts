import { Disable, LookupFlag, packVersion, SessionFlag, Status } from '@alces/proto';
import {
  edgeIsBelow,
  isDisabled,
  isPermitted,
  type Planned,
  type RequestContext,
  resolve,
  sessionRoot,
} from '../plan/context.ts';
import type { State } from '../state.ts';
import {
  EATTR_APPENDONLY,
  EATTR_IMMUTABLE,
  EATTR_NODATACACHE,
  EATTR_NOENTRYCACHE,
  isFileType,
  ROOT_INODE,
  TYPE_DIRECTORY,
  TYPE_SUSTAINED,
  TYPE_SYMLINK,
  TYPE_TRASH,
} from '../tables/constants.ts';
import { isValidName, parentOf, pathOf } from '../tree/names.ts';
import { ACCESS_EXECUTE, ACCESS_READ, accessByte } from '../tree/permissions.ts';

/** Clients from here on know ENOENT_NOCACHE. */
const NOCACHE_VERSION = packVersion(3, 0, 25);
/** Clients from here on handle append-only files themselves. */
const APPENDONLY_VERSION = packVersion(3, 0, 113);
/** Access bits that include writing. */
const WRITE_ACCESS_BITS = 0xcc;
/** Access bits that include reading or writing. */
const DATA_ACCESS_BITS = 0xfc;
const END_OF_DIRECTORY = 0x7fff_ffff_ffff_ffffn;

const DOT = Buffer.from('.');
const DOTDOT = Buffer.from('..');

/** Result of LOOKUP without what the master's memory adds (KEEPCACHE, chunk data). */
export interface LookedUp {
  /** As shown to the client: the session's root is 1. */
  inode: number;
  row: number;
  /** Row of the directory that was searched. */
  parent: number;
  /** Access byte, RO_FILESYSTEM, IMMUTABLE, DIRECTMODE, APPENDONLY. */
  lflags: number;
  /** The caller may read or write the data of this file: KEEPCACHE and chunk data may be added. */
  hasData: boolean;
  /**
   * Chunk of a file with exactly one slot (0 = hole) whose location may be sent along; undefined if there is no such, or reading
   * is disabled.
   */
  onlyChunkId: number | undefined;
}

/** LOOKUP (spec 10, section 3.3). */
export function lookup(
  state: State,
  context: RequestContext,
  request: { parent: number; name: Buffer },
): Planned<LookedUp> {
  const { nodes } = state;
  const missing = context.clientVersion < NOCACHE_VERSION ? Status.ENOENT : Status.ENOENT_NOCACHE;
  const parent = resolve(state, context, request.parent);
  if (parent === 0) {
    return missing;
  }
  if (nodes.type.get(parent) !== TYPE_DIRECTORY) {
    return Status.ENOTDIR;
  }
  if (!isPermitted(state, context, parent, ACCESS_EXECUTE)) {
    return Status.EACCES;
  }
  const row = findName(state, context, parent, request.name);
  if (row > 0) {
    return lookedUp(state, context, parent, row);
  }
  if (row < 0) {
    return Status.EINVAL;
  }
  return nodes.eattr.get(parent) & EATTR_NOENTRYCACHE ? missing : Status.ENOENT;
}

/** Row of what a name means in a directory, 0 = nothing, -1 = not a valid name. */
function findName(state: State, context: RequestContext, parent: number, name: Buffer): number {
  if (name.equals(DOT)) {
    return parent;
  }
  if (name.equals(DOTDOT)) {
    return parentWithin(state, context, parent);
  }
  if (!isValidName(name)) {
    return -1;
  }
  const edge = state.edges.find(parent, name);
  return edge === 0 ? 0 : state.edges.child.get(edge);
}

/** Row of the parent of a directory as a session sees it: its root is its own parent. */
function parentWithin(state: State, context: RequestContext, directory: number): number {
  const root = sessionRoot(state, context);
  if (directory === root) {
    return root;
  }
  return parentOf(state, directory) || state.nodes.find(ROOT_INODE);
}

/** Inode of a node (row) as shown to a session: its root is 1. */
export function shownInode(state: State, context: RequestContext, row: number): number {
  const inode = state.nodes.inode.get(row);
  return inode === context.session.rootinode ? ROOT_INODE : inode;
}

function lookedUp(state: State, context: RequestContext, parent: number, row: number): LookedUp {
  const { nodes } = state;
  const eattr = nodes.eattr.get(row);
  let lflags = accessByte(state, row, context);
  if (context.session.sesflags & SessionFlag.READONLY) {
    lflags |= LookupFlag.RO_FILESYSTEM;
  }
  if (eattr & EATTR_IMMUTABLE) {
    lflags = (lflags & ~WRITE_ACCESS_BITS) | LookupFlag.IMMUTABLE;
  }
  if (eattr & EATTR_APPENDONLY) {
    lflags |= LookupFlag.APPENDONLY;
    lflags &= context.clientVersion < APPENDONLY_VERSION ? ~WRITE_ACCESS_BITS : ~0;
  }
  if (eattr & EATTR_NODATACACHE) {
    lflags |= LookupFlag.DIRECTMODE;
  }
  const hasData = isFileType(nodes.type.get(row)) && (lflags & DATA_ACCESS_BITS) !== 0;
  const hasOneSlot = hasData && nodes.slots.get(row) === 1 && !isDisabled(context, Disable.READ);
  const onlyChunkId = hasOneSlot ? nodes.chunkAt(row, 0) : undefined;
  return { inode: shownInode(state, context, row), row, parent, lflags, hasData, onlyChunkId };
}

/** READLINK: the target, a view valid until the next change; also its row for the atime (spec 10, section 3.7). */
export function readSymlink(
  state: State,
  context: RequestContext,
  inode: number,
): Planned<{ row: number; path: Buffer }> {
  const row = resolve(state, context, inode);
  if (row === 0) {
    return Status.ENOENT;
  }
  return state.nodes.type.get(row) === TYPE_SYMLINK ? { row, path: state.nodes.symlink(row) } : Status.EINVAL;
}

/** Checks of READDIR: the row of the directory (spec 10, section 3.14). */
export function openListing(
  state: State,
  context: RequestContext,
  request: { inode: number; nedgeid: bigint },
  withAttributes: boolean,
): Planned<{ row: number }> {
  if (isDisabled(context, Disable.READDIR)) {
    return Status.EPERM;
  }
  const row = resolve(state, context, request.inode);
  if (row === 0) {
    return Status.ENOENT;
  }
  if (state.nodes.type.get(row) !== TYPE_DIRECTORY) {
    return Status.ENOTDIR;
  }
  const wanted = withAttributes ? ACCESS_READ | ACCESS_EXECUTE : ACCESS_READ;
  return request.nedgeid !== 0n || isPermitted(state, context, row, wanted) ? { row } : Status.EACCES;
}

/**
 * Receives an entry of a listing; `name` is a view valid during the call, `inode` as shown to the session. `parent` is the listed
 * directory, also for `.` and `..`, and belongs into attributesOf.
 */
export type EntryVisitor = (name: Buffer, inode: number, row: number, parent: number) => void;

/**
 * Visits the entries of a directory (row) in the order of READDIR: `.`, `..`, then the names, newest first.
 *
 * @param maxEntries counts `.` and `..` too.
 * @param nedgeid 0 = from `.`, 1 = from `..`, 2^63-1 = nothing, else from the first name with at least this edge id.
 */
export function listDirectory(
  state: State,
  context: RequestContext,
  directory: number,
  maxEntries: number,
  nedgeid: bigint,
  visit: EntryVisitor,
): void {
  const { nodes, edges } = state;
  let left = maxEntries;
  if (nedgeid === END_OF_DIRECTORY) {
    return;
  }
  if (nedgeid === 0n && left-- > 0) {
    visit(DOT, shownInode(state, context, directory), directory, directory);
  }
  if (nedgeid <= 1n && left-- > 0) {
    const up = parentWithin(state, context, directory);
    visit(DOTDOT, shownInode(state, context, up), up, directory);
  }
  let edge = nedgeid <= 1n ? edges.firstChild(directory) : findFrom(state, directory, nedgeid);
  for (; edge !== 0 && left > 0; edge = edges.nextSibling.get(edge), left--) {
    const child = edges.child.get(edge);
    visit(edges.name(edge), nodes.inode.get(child), child, directory);
  }
}

/** First edge of a directory (row) whose id is at least `id`, 0 = none. */
export function findFrom(state: State, directory: number, id: bigint): number {
  const { edges } = state;
  const high = Number(id >> 32n);
  const low = Number(id & 0xffff_ffffn);
  let edge = edges.firstChild(directory);
  while (edge !== 0) {
    const edgeHigh = edges.idHigh.get(edge);
    if (edgeHigh > high || (edgeHigh === high && edges.idLow.get(edge) >= low)) {
      return edge;
    }
    edge = edges.nextSibling.get(edge);
  }
  return 0;
}

/** PARENTS: inodes of the directories of a node's names inside the session's root (spec 10, section 11.11). */
export function parentsOf(state: State, context: RequestContext, inode: number): Planned<number[]> {
  const { nodes, edges } = state;
  const row = resolve(state, context, inode);
  if (row === 0) {
    return Status.ENOENT;
  }
  const root = sessionRoot(state, context);
  const parents: number[] = [];
  for (let edge = nodes.firstEdge.get(row); edge !== 0 && row !== root; edge = edges.nextOfChild.get(edge)) {
    if (edges.parent.get(edge) !== 0 && edgeIsBelow(state, edge, root)) {
      parents.push(shownInode(state, context, edges.parent.get(edge)));
    }
  }
  return parents;
}

/** PATHS: all paths of a node inside the session's root, relative to it (spec 10, section 11.11). */
export function pathsOf(state: State, context: RequestContext, inode: number): Planned<Buffer[]> {
  const row = resolve(state, context, inode);
  return row === 0 ? Status.ENOENT : pathsBelow(state, row, sessionRoot(state, context));
}

/** Paths of a node (row) below the directory `root` (row); `/` for that directory itself. */
export function pathsBelow(state: State, row: number, root: number): Buffer[] {
  const { nodes, edges } = state;
  if (row === root) {
    return [Buffer.from('/')];
  }
  const paths: Buffer[] = [];
  for (let edge = nodes.firstEdge.get(row); edge !== 0; edge = edges.nextOfChild.get(edge)) {
    const type = nodes.type.get(row);
    if (type === TYPE_TRASH || type === TYPE_SUSTAINED) {
      const place = type === TYPE_TRASH ? './TRASH (' : './SUSTAINED (';
      paths.push(Buffer.concat([Buffer.from(place), edges.name(edge), Buffer.from(')')]));
    } else if (edgeIsBelow(state, edge, root)) {
      paths.push(pathOf(state, edge, root));
    }
  }
  return paths;
}

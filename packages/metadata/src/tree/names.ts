import type { State } from '../state.ts';
import { MAX_DETACHED_PATH_BYTES, MAX_NAME_BYTES, ROOT_INODE, UNKNOWN_EDGE_ID } from '../tables/constants.ts';

const SLASH = 0x2f;
const DOT = 0x2e;

/** Whether these bytes may name a directory entry (spec 10, section 2.8). */
export function isValidName(name: Uint8Array): boolean {
  const { length } = name;
  if (length === 0 || length > MAX_NAME_BYTES || isDots(name)) {
    return false;
  }
  for (let i = 0; i < length; i++) {
    if (name[i] === 0 || name[i] === SLASH) {
      return false;
    }
  }
  return true;
}

/** `.` or `..`. */
function isDots(name: Uint8Array): boolean {
  return name[0] === DOT && (name.length === 1 || (name.length === 2 && name[1] === DOT));
}

/** Whether bytes contain a NUL. */
export function hasNul(bytes: Uint8Array): boolean {
  return bytes.includes(0);
}

/** Id for a new edge (spec 51, section 4.2): given out downwards; 0 while the next one is unknown. */
export function takeEdgeId(state: State): bigint {
  const id = state.nextedgeid;
  if (id === UNKNOWN_EDGE_ID) {
    return 0n;
  }
  state.nextedgeid = id - 1n;
  return id;
}

/** Parent of a directory (node row): the directory that holds its name, 0 for the root. */
export function parentOf(state: State, directory: number): number {
  const edge = state.nodes.firstEdge.get(directory);
  return edge === 0 ? 0 : state.edges.parent.get(edge);
}

/** Whether node row `ancestor` is a directory above `row`, or `row` itself. `row` must be a directory. */
export function isSameOrBelow(state: State, row: number, ancestor: number): boolean {
  let at = row;
  while (at !== 0 && at !== ancestor) {
    at = parentOf(state, at);
  }
  return at !== 0;
}

/**
 * Path of a name from the directory `top` (node row; default: the root) without leading slash. `top` must be above the name.
 */
export function pathOf(state: State, edge: number, top = 0): Buffer {
  const { edges, nodes } = state;
  const stop = top === 0 ? nodes.find(ROOT_INODE) : top;
  const parts: number[] = [edge];
  let length = edges.nameLength.get(edge);
  for (let row = edges.parent.get(edge); row !== stop && row !== 0; ) {
    const up = nodes.firstEdge.get(row);
    if (up === 0) {
      break;
    }
    parts.push(up);
    length += edges.nameLength.get(up) + 1;
    row = edges.parent.get(up);
  }
  const path = Buffer.allocUnsafe(length);
  let at = 0;
  for (let i = parts.length - 1; i >= 0; i--) {
    at += edges.copyName(parts[i], path, at);
    if (i > 0) {
      path[at++] = SLASH;
    }
  }
  return path;
}

/** The path that a file keeps as its name in the trash: the last bytes of its path (spec 51, section 4.3). */
export function detachedPathOf(state: State, edge: number): Buffer {
  const path = pathOf(state, edge);
  return path.length > MAX_DETACHED_PATH_BYTES ? path.subarray(path.length - MAX_DETACHED_PATH_BYTES) : path;
}

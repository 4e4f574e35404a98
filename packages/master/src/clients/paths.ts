import { isValidName, pathsBelow, ROOT_INODE, type State, TYPE_DIRECTORY } from '@alces/metadata';
import { Status } from '@alces/proto';

const SLASH = 0x2f;

function* components(path: Buffer): Generator<Buffer> {
  let start = 0;
  for (let at = 0; at <= path.length; at++) {
    if (at < path.length && path[at] !== SLASH) continue;
    if (at > start) yield path.subarray(start, at);
    start = at + 1;
  }
}

/**
 * The directory that a path names, from the real root on (spec 00 §4.4 step 2): slashes may be repeated, symbolic links are not
 * followed, nobody's permission is needed.
 */
export function resolvePath(state: State, path: Buffer): { status: number; inode: number } {
  const { nodes, edges } = state;
  let row = nodes.find(ROOT_INODE);
  for (const name of components(path)) {
    if (!isValidName(name)) return { status: Status.EINVAL, inode: 0 };
    const edge = edges.find(row, name);
    if (edge === 0) return { status: Status.ENOENT, inode: 0 };
    row = edges.child.get(edge);
    if (nodes.type.get(row) !== TYPE_DIRECTORY) return { status: Status.ENOTDIR, inode: 0 };
  }
  return { status: Status.OK, inode: nodes.inode.get(row) };
}

/** The directory a session has mounted, as session lists show it (spec 00 §4.11). */
export function sessionRootPath(state: State, rootInode: number): Buffer {
  if (rootInode === 0) return Buffer.from('.');
  const { nodes } = state;
  const row = nodes.find(rootInode);
  if (row === 0) return Buffer.from('(not found)');
  if (nodes.type.get(row) !== TYPE_DIRECTORY) return Buffer.from('(not directory)');
  const [path] = rootInode === ROOT_INODE ? [] : pathsBelow(state, row, nodes.find(ROOT_INODE));
  return Buffer.concat([Buffer.from('/'), path ?? Buffer.alloc(0)]);
}

/** What can only be judged when all sections were read (spec 50 §5): a root, and a way to it from every node. */
import type { State } from '../../state.ts';
import {
  ROOT_INODE,
  TYPE_DIRECTORY,
  TYPE_FILE,
  TYPE_SUSTAINED,
  TYPE_TRASH,
  UNKNOWN_EDGE_ID,
} from '../../tables/constants.ts';
import type { LoadHost } from './host.ts';

function takeEdgeId(state: State): bigint {
  const id = state.nextedgeid;
  if (id === UNKNOWN_EDGE_ID) return 0n;
  state.nextedgeid = id - 1n;
  return id;
}

/** A name for a lost node that is not taken in the root. */
function lostName(state: State, root: number, inode: number): Buffer {
  for (let suffix = 0; ; suffix++) {
    const name = Buffer.from(`lost_node_${inode}${suffix === 0 ? '' : `.${suffix}`}`, 'latin1');
    if (state.edges.find(root, name) === 0) return name;
  }
}

/** Gives a node a name in the root, changing no times; a deleted file becomes a normal one. */
function attachToRoot(state: State, root: number, row: number): void {
  const { nodes, edges } = state;
  const type = nodes.type.get(row);
  if (type === TYPE_TRASH || type === TYPE_SUSTAINED) nodes.type.set(row, TYPE_FILE);
  edges.insertFirst(root, row, takeEdgeId(state), lostName(state, root, nodes.inode.get(row)));
}

function attachOrphans(state: State, root: number, host: LoadHost): void {
  const { nodes } = state;
  for (let row = 1; row < nodes.rowLimit; row++) {
    if (row === root || nodes.type.get(row) === 0 || nodes.firstEdge.get(row) !== 0) continue;
    const inode = nodes.inode.get(row);
    host.tolerate(`found orphaned inode: ${inode} - use option '-i' to attach this node to root dir`);
    attachToRoot(state, root, row);
  }
}

const UNKNOWN = 0;
const ON_THE_WAY = 1;
const REACHES_ROOT = 2;

/** Goes up from a directory to one whose fate is known, marking the way. Returns a member of a loop, or 0. */
function followUpwards(state: State, start: number, marks: Uint8Array): number {
  const { nodes, edges } = state;
  let row = start;
  while (marks[row] === UNKNOWN) {
    marks[row] = ON_THE_WAY;
    row = edges.parent.get(nodes.firstEdge.get(row));
  }
  return marks[row] === ON_THE_WAY ? row : 0;
}

/** Marks the way up from a directory as good. */
function confirmWay(state: State, start: number, marks: Uint8Array): void {
  const { nodes, edges } = state;
  for (let row = start; marks[row] === ON_THE_WAY; row = edges.parent.get(nodes.firstEdge.get(row))) {
    marks[row] = REACHES_ROOT;
  }
}

/** Directories that are below themselves would be in no listing and in no saved image. */
function breakLoops(state: State, root: number, host: LoadHost): void {
  const { nodes, edges } = state;
  const marks = new Uint8Array(nodes.rowLimit);
  marks[root] = REACHES_ROOT;
  for (let row = 1; row < nodes.rowLimit; row++) {
    if (nodes.type.get(row) !== TYPE_DIRECTORY || marks[row] !== UNKNOWN) continue;
    const member = followUpwards(state, row, marks);
    if (member !== 0) {
      host.tolerate(`directory ${nodes.inode.get(member)} is below itself`);
      const edge = nodes.firstEdge.get(member);
      edges.remove(edge, nodes.aux.get(edges.parent.get(edge)));
      attachToRoot(state, root, member);
    }
    confirmWay(state, row, marks);
  }
}

/** Checks that every node can be reached from the root; with `-i` those that cannot get a name in the root. */
export function checkStructure(state: State, host: LoadHost): void {
  const { nodes } = state;
  const root = nodes.find(ROOT_INODE);
  if (root === 0 || nodes.type.get(root) !== TYPE_DIRECTORY) host.fail('root node not found !!!');
  attachOrphans(state, root, host);
  breakLoops(state, root, host);
}

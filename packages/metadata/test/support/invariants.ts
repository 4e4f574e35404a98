import {
  type Contribution,
  contributionOf,
  isDetachedType,
  isFileType,
  ROOT_INODE,
  type State,
  TYPE_DIRECTORY,
} from '../../src/index.ts';

/** Everything that is wrong with the tables of a state: links between them, counters, running sums. Empty = all is well. */
export function findFaults(state: State): string[] {
  const faults: string[] = [];
  const check = (isRight: boolean, what: string): void => {
    if (!isRight) {
      faults.push(what);
    }
  };
  checkNodes(state, check);
  checkEdges(state, check);
  checkDirectory(state, state.nodes.find(ROOT_INODE), check);
  checkChunks(state, check);
  checkClassesAndTotals(state, check);
  return faults;
}

type Check = (isRight: boolean, what: string) => void;

function checkNodes(state: State, check: Check): void {
  const { nodes, edges, xattrs, acls } = state;
  let count = 0;
  let attributes = 0;
  let lists = 0;
  for (let row = 1; row < nodes.rowLimit; row++) {
    const type = nodes.type.get(row);
    if (type === 0) {
      continue;
    }
    const inode = nodes.inode.get(row);
    count++;
    check(nodes.find(inode) === row, `inode ${inode} is not found`);
    check(state.inodeNumbers.isUsed(inode), `inode number ${inode} is not in use`);
    check(inode <= state.maxinode, `inode ${inode} is above maxinode`);
    let names = 0;
    for (let edge = nodes.firstEdge.get(row); edge !== 0; edge = edges.nextOfChild.get(edge)) {
      names++;
      check(edges.child.get(edge) === row, `edge ${edge} in the list of inode ${inode}`);
      check((edges.parent.get(edge) === 0) === isDetachedType(type), `type ${type} of inode ${inode} and its name`);
    }
    check(names === nodes.names.get(row), `inode ${inode} has ${names} names, not ${nodes.names.get(row)}`);
    check(names > 0 || inode === ROOT_INODE, `inode ${inode} has no name`);
    for (let attribute = xattrs.first(row); attribute !== 0; attribute = xattrs.next.get(attribute)) {
      attributes++;
      check(xattrs.node.get(attribute) === row, `xattr of inode ${inode}`);
    }
    lists += (nodes.accessAcl.get(row) === 0 ? 0 : 1) + (nodes.defaultAcl.get(row) === 0 ? 0 : 1);
  }
  check(count === nodes.count, `${count} nodes, counted ${nodes.count}`);
  check(attributes === xattrs.count, `${attributes} xattrs, counted ${xattrs.count}`);
  check(lists === acls.count, `${lists} ACLs, counted ${acls.count}`);
}

function checkEdges(state: State, check: Check): void {
  const { nodes, edges } = state;
  let count = 0;
  for (let edge = 1; edge < edges.rowLimit; edge++) {
    if (edges.child.get(edge) === 0) {
      continue;
    }
    count++;
    const parent = edges.parent.get(edge);
    if (parent !== 0) {
      check(nodes.type.get(parent) === TYPE_DIRECTORY, `parent of edge ${edge}`);
      check(edges.find(parent, edges.name(edge)) === edge, `name ${edges.name(edge).toString()} is not found`);
    }
  }
  check(count === edges.count, `${count} edges, counted ${edges.count}`);
}

/** Checks a directory and all below it against sums computed from scratch, which it returns. */
function checkDirectory(state: State, row: number, check: Check): Contribution {
  const { nodes, edges, directories } = state;
  const list = nodes.aux.get(row);
  const sum: Contribution = { inodes: 0, dirs: 0, files: 0, chunks: 0, length: 0, size: 0, realsize: 0 };
  const label = `directory ${nodes.inode.get(row)}`;
  let children = 0;
  let subdirs = 0;
  let previous = 0;
  for (let edge = edges.firstChild(row); edge !== 0; edge = edges.nextSibling.get(edge)) {
    const child = edges.child.get(edge);
    children++;
    check(edges.parent.get(edge) === row, `${label}: edge ${edge} of another parent`);
    check(edges.prevSibling.get(edge) === previous, `${label}: order`);
    previous = edge;
    const isDirectory = nodes.type.get(child) === TYPE_DIRECTORY;
    subdirs += isDirectory ? 1 : 0;
    const below = isDirectory ? checkDirectory(state, child, check) : contributionOf(state, child);
    for (const kind of Object.keys(sum) as (keyof Contribution)[]) {
      sum[kind] += below[kind];
    }
  }
  check(directories.lastEdge.get(list) === previous, `${label}: last edge`);
  check(directories.children.get(list) === children, `${label}: ${children} children`);
  check(directories.subdirs.get(list) === subdirs, `${label}: ${subdirs} subdirectories`);
  for (const kind of Object.keys(sum) as (keyof Contribution)[]) {
    check(
      directories[kind].get(list) === sum[kind],
      `${label}: ${kind} ${directories[kind].get(list)}, really ${sum[kind]}`,
    );
  }
  return { ...sum, inodes: sum.inodes + 1, dirs: sum.dirs + 1 };
}

function checkChunks(state: State, check: Check): void {
  const { nodes, chunks } = state;
  const references = new Map<number, Map<number, number>>();
  for (let row = 1; row < nodes.rowLimit; row++) {
    if (!isFileType(nodes.type.get(row))) {
      continue;
    }
    for (let i = 0; i < nodes.slots.get(row); i++) {
      const byClass = references.get(nodes.chunkAt(row, i)) ?? new Map<number, number>();
      byClass.set(nodes.sclass.get(row), (byClass.get(nodes.sclass.get(row)) ?? 0) + 1);
      references.set(nodes.chunkAt(row, i), byClass);
    }
  }
  for (let row = 1; row < chunks.rowLimit; row++) {
    const id = chunks.id.get(row);
    if (id !== 0) {
      const expected = [...(references.get(id) ?? [])].sort((a, b) => a[0] - b[0]);
      check(chunks.find(id) === row, `chunk ${id} is not found`);
      check(id < state.nextchunkid, `chunk ${id} is not below the next id`);
      check(JSON.stringify(chunks.classCounts(row)) === JSON.stringify(expected), `references of chunk ${id}`);
      check(chunks.refs.get(row) === expected.reduce((sum, [, count]) => sum + count, 0), `use of chunk ${id}`);
    }
  }
}

function checkClassesAndTotals(state: State, check: Check): void {
  const { nodes, detached, storageClasses } = state;
  const totals = { trashBytes: 0, trashCount: 0, sustainedBytes: 0, sustainedCount: 0 };
  const files = new Float64Array(256);
  const directories = new Float64Array(256);
  for (let row = 1; row < nodes.rowLimit; row++) {
    const type = nodes.type.get(row);
    if (type === TYPE_DIRECTORY) {
      directories[nodes.sclass.get(row)]++;
    } else if (isFileType(type)) {
      files[nodes.sclass.get(row)]++;
    }
    if (isDetachedType(type)) {
      totals[type === 8 ? 'trashBytes' : 'sustainedBytes'] += nodes.length.get(row);
      totals[type === 8 ? 'trashCount' : 'sustainedCount']++;
    }
  }
  check(JSON.stringify(totals) === JSON.stringify(detached), `totals ${JSON.stringify(detached)}`);
  check(
    files.every((count, id) => count === storageClasses.files[id]),
    'files by class',
  );
  check(
    directories.every((count, id) => count === storageClasses.directories[id]),
    'directories by class',
  );
}

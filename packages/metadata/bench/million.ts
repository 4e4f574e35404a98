/**
 * Memory per file, speed of loading and of changing: `node packages/metadata/bench/million.ts [files]`.
 * A file = node + name + one chunk, 100 files per directory.
 */
import {
  apply,
  createState,
  emptyLoadedNode,
  finishLoading,
  initializeNewFilesystem,
  loadEdge,
  loadNode,
  type Operation,
  type State,
  TYPE_DIRECTORY,
  TYPE_FILE,
} from '../src/index.ts';

const FILES_PER_DIRECTORY = 100;
const NOW = 1_800_000_000;

function residentBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage.rss();
}

function load(files: number): State {
  const state = createState();
  initializeNewFilesystem(state, NOW);
  const node = {
    ...emptyLoadedNode(),
    classId: 2,
    mode: 0o644,
    atime: NOW,
    mtime: NOW,
    ctime: NOW,
    trashTimeHours: 24,
  };
  const root = state.nodes.find(1);
  let id = 2n ** 62n;
  let directory = 0;
  for (let i = 0; i < files; i++) {
    const inode = 2 + i + Math.floor(i / FILES_PER_DIRECTORY) + 1;
    if (i % FILES_PER_DIRECTORY === 0) {
      directory = loadNode(state, { ...node, inode: inode - 1, type: TYPE_DIRECTORY });
      loadEdge(state, root, directory, id++, Buffer.from(`directory-${i}`));
    }
    state.chunks.insert(i + 1, 1, 0, 0);
    node.inode = inode;
    node.type = TYPE_FILE;
    node.lengthBytes = 1000;
    node.slots = 1;
    node.chunks = [i + 1];
    loadEdge(state, directory, loadNode(state, node), id++, Buffer.from(`file-number-${i}.dat`));
  }
  state.maxinode = files * 2;
  state.nextchunkid = files + 1;
  finishLoading(state);
  return state;
}

function timed(label: string, count: number, run: () => void): void {
  let worstMs = 0;
  const start = performance.now();
  run();
  const ms = performance.now() - start;
  worstMs = Math.max(worstMs, ms);
  console.log(`${label}: ${ms.toFixed(0)} ms, ${((ms * 1e6) / count).toFixed(0)} ns each`);
}

/** Applies operations one by one and reports the longest one, which shows any stall. */
function change(label: string, state: State, count: number, make: (i: number) => Operation): void {
  let worstMs = 0;
  let at = performance.now();
  const start = at;
  for (let i = 0; i < count; i++) {
    const status = apply(state, NOW, make(i), 'live');
    if (status !== 0) {
      throw new Error(`status ${status}`);
    }
    const end = performance.now();
    worstMs = Math.max(worstMs, end - at);
    at = end;
  }
  const ms = at - start;
  console.log(`${label}: ${((ms * 1e6) / count).toFixed(0)} ns each, longest ${worstMs.toFixed(2)} ms`);
}

const files = Number(process.argv[2] ?? 1_000_000);
const before = residentBytes();
let state = createState();
timed(`load ${files} files`, files, () => {
  state = load(files);
});
const used = residentBytes() - before;
console.log(`resident: ${(used / files).toFixed(0)} bytes per file`);
timed('find all inodes', files, () => {
  for (let inode = 1; inode <= files; inode++) {
    state.nodes.find(inode);
  }
});
const more = Math.min(files, 1_000_000);
const name = (i: number): Buffer => Buffer.from(`new-${i}`);
change('CREATE', state, more, (i) => ({
  op: 'CREATE',
  parent: 2,
  name: name(i),
  type: TYPE_FILE,
  mode: 0o644,
  cumask: 0,
  uid: 0,
  gid: 0,
  rdev: 0,
  inode: 0,
}));
const created = (i: number): number =>
  state.nodes.inode.get(state.edges.child.get(state.edges.find(state.nodes.find(2), name(i))));
change('WRITE', state, more, (i) => ({ op: 'WRITE', inode: created(i), index: 0, opflag: 1, chtime: 0, chunkid: 0 }));
change('LENGTH', state, more, (i) => ({ op: 'LENGTH', inode: created(i), length: 100_000, chtime: 0 }));
change('UNLINK', state, more, (i) => ({ op: 'UNLINK', parent: 2, name: name(i), inode: 0 }));

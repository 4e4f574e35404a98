/** Nodes, names and freed inodes into the tables (spec 50 §3.3-3.5). */
import { loadDetachedEdge, loadFreeInode, loadNodeHead } from '../../load.ts';
import type { State } from '../../state.ts';
import {
  isFileType,
  MAX_DETACHED_PATH_BYTES,
  MAX_NAME_BYTES,
  MAX_SYMLINK_BYTES,
  ROOT_INODE,
  TYPE_BLOCKDEV,
  TYPE_CHARDEV,
  TYPE_DIRECTORY,
  TYPE_FILE,
  TYPE_SUSTAINED,
  TYPE_SYMLINK,
  TYPE_TRASH,
  UNKNOWN_EDGE_ID,
} from '../../tables/constants.ts';
import { sustainedList, trashList } from '../../tables/edges.ts';
import type { EdgeRecord, ImageSink, NodeRecord } from '../records.ts';
import type { LoadHost } from './host.ts';

/** Stands in place of the target of a symlink that is too long, as in the stock master (without its final NUL). */
const LONG_TARGET = Buffer.from('... path too long ...', 'latin1');
const TWO_32 = 0x1_0000_0000;
/** Sizes of records of the oldest versions without what may be missing. */
const SMALLEST_NODE_BYTES = 32;
const SMALLEST_EDGE_BYTES = 10;

type NodeSink = Pick<ImageSink, 'nodes' | 'node' | 'freedInodes' | 'freedInode'>;

function chunkIdAt({ view, chunksStart }: NodeRecord, index: number): number {
  const at = chunksStart + index * 8;
  return view.getUint32(at) * TWO_32 + view.getUint32(at + 4);
}

/** Length and chunk list of a file. */
function loadFileData({ nodes }: State, row: number, record: NodeRecord): void {
  let slots = record.chunkCount;
  while (slots > 0 && chunkIdAt(record, slots - 1) === 0) slots--;
  nodes.length.set(row, record.lengthBytes);
  nodes.resizeSlots(row, slots);
  for (let i = 0; i < slots; i++) nodes.setChunkAt(row, i, chunkIdAt(record, i));
}

export function nodeSink(state: State, host: LoadHost): NodeSink {
  const { nodes } = state;

  function symlinkTarget(record: NodeRecord): Uint8Array {
    const length = record.pathEnd - record.pathStart;
    if (length <= MAX_SYMLINK_BYTES) return record.bytes.subarray(record.pathStart, record.pathEnd);
    host.notice(`symlink ${record.inode} has a target of ${length} bytes, which is replaced`);
    return LONG_TARGET;
  }

  return {
    nodes(maxInode, count) {
      state.maxinode = maxInode;
      nodes.reserve(Math.min(count, host.mostRecords(SMALLEST_NODE_BYTES)));
    },

    node(record) {
      const { inode, type } = record;
      if (inode === 0) {
        host.tolerate('a node without inode number');
        return;
      }
      const row = loadNodeHead(state, record);
      if (row === 0) host.tolerate(`inode ${inode} occurs twice`);
      else if (isFileType(type)) loadFileData(state, row, record);
      else if (type === TYPE_SYMLINK) nodes.setSymlink(row, symlinkTarget(record));
      else if (type === TYPE_BLOCKDEV || type === TYPE_CHARDEV) nodes.aux.set(row, record.rdev);
    },

    freedInodes() {
      // the number of records is known from the records themselves
    },

    freedInode(inode, freedAt) {
      if (inode === 0 || state.inodeNumbers.isUsed(inode)) {
        host.notice(`freed inode ${inode} is in use or was freed before - left out`);
        return;
      }
      loadFreeInode(state, inode, freedAt);
    },
  };
}

/** Names that are to be in the tables: also tells whether their ids are in order. */
export interface EdgeLoader extends Pick<ImageSink, 'edges' | 'edge'> {
  /** Edge ids must be given anew before the file system is used (spec 50 §7.3). */
  renumberNeeded(): boolean;
}

export function edgeLoader(state: State, host: LoadHost): EdgeLoader {
  const { nodes, edges, directories } = state;
  /** Trash and sustained files that have a name in a directory, which the real master makes by renaming a file onto itself. */
  const revived = new Set<number>();
  let renumber = false;
  let parentInode = -1;
  let parentRow = 0;
  let lastIdHigh = 0;
  let lastIdLow = 0;

  /** Makes the directory of the next name current; its names must come one after another, but for the root's. */
  function enterParent(inode: number): void {
    let row = nodes.find(inode);
    if (row === 0 || nodes.type.get(row) !== TYPE_DIRECTORY) {
      host.tolerate(`name in ${row === 0 ? 'an unknown' : 'a non-directory'} parent inode ${inode}`);
      row = nodes.find(ROOT_INODE);
      if (row === 0) host.tolerate('names, but no root directory');
    }
    parentInode = inode;
    parentRow = row;
    const last = row === 0 ? 0 : directories.lastEdge.get(nodes.aux.get(row));
    if (last !== 0 && inode !== ROOT_INODE) host.tolerate(`parent node sequence error (parent ${inode})`);
    lastIdHigh = edges.idHigh.get(last);
    lastIdLow = edges.idLow.get(last);
  }

  function checkId({ idHigh, idLow }: EdgeRecord): void {
    const isHigher = idHigh > lastIdHigh || (idHigh === lastIdHigh && idLow > lastIdLow);
    if (!isHigher && !renumber) {
      renumber = true;
      host.notice('edgeid mismatch detected - force edgeid renumeration');
    }
    lastIdHigh = idHigh;
    lastIdLow = idLow;
  }

  /** Whether a node may get (another) name in a directory. */
  function mayBeNamed(childRow: number, child: number): boolean {
    const type = nodes.type.get(childRow);
    if (child === ROOT_INODE || (type === TYPE_DIRECTORY && nodes.firstEdge.get(childRow) !== 0)) {
      host.tolerate(`directory ${child} has more than one name`);
      return false;
    }
    if (type === TYPE_TRASH || type === TYPE_SUSTAINED) {
      host.notice(`deleted file ${child} still has a name in a directory - it is a normal file again`);
      const detached = nodes.firstEdge.get(childRow);
      if (detached !== 0) edges.remove(detached, type === TYPE_TRASH ? trashList(child) : sustainedList(child));
      nodes.type.set(childRow, TYPE_FILE);
      revived.add(child);
    }
    return true;
  }

  function detachedName(record: EdgeRecord, childRow: number, name: Uint8Array): void {
    if (revived.has(record.child)) return;
    const type = nodes.type.get(childRow);
    if (type !== TYPE_TRASH && type !== TYPE_SUSTAINED) {
      host.tolerate(`detached name of inode ${record.child}, which is no deleted file`);
    } else if (nodes.firstEdge.get(childRow) !== 0) {
      host.tolerate(`deleted file ${record.child} has two detached names`);
    } else {
      loadDetachedEdge(state, childRow, (BigInt(record.idHigh) << 32n) | BigInt(record.idLow), name);
    }
  }

  return {
    renumberNeeded: () => renumber,

    edges(nextEdgeId) {
      state.nextedgeid = nextEdgeId;
      if (nextEdgeId === UNKNOWN_EDGE_ID) renumber = true;
      // Every node but the root has a name; few have more.
      edges.beginLoading(Math.min(nodes.count, host.mostRecords(SMALLEST_EDGE_BYTES)));
    },

    edge(record) {
      const { parent, child } = record;
      const childRow = nodes.find(child);
      if (childRow === 0) {
        host.tolerate(`name of an unknown inode ${child} (parent ${parent})`);
        return;
      }
      const limit = parent === 0 ? MAX_DETACHED_PATH_BYTES : MAX_NAME_BYTES;
      let { bytes, nameStart, nameEnd } = record;
      const length = nameEnd - nameStart;
      if (length > limit) {
        host.notice(`name of inode ${child} has ${length} bytes - the last ${limit} are kept`);
        nameStart = nameEnd - limit;
      }
      if (length === 0) {
        host.tolerate(`empty name of inode ${child}`);
        bytes = Buffer.from(`(empty ${child})`, 'latin1');
        nameStart = 0;
        nameEnd = bytes.length;
      }
      if (parent === 0) {
        detachedName(record, childRow, bytes.subarray(nameStart, nameEnd));
        return;
      }
      if (parent !== parentInode) enterParent(parent);
      if (parentRow === 0 || !mayBeNamed(childRow, child)) return;
      checkId(record);
      edges.appendSlice(parentRow, childRow, record.idHigh, record.idLow, bytes, nameStart, nameEnd);
    },
  };
}

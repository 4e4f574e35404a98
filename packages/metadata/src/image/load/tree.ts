/** Nodes, names and freed inodes into the tables (spec 50 §3.3-3.5). */
import { emptyLoadedNode, type LoadedNode, loadDetachedEdge, loadEdge, loadFreeInode, loadNode } from '../../load.ts';
import type { State } from '../../state.ts';
import {
  MAX_DETACHED_PATH_BYTES,
  MAX_NAME_BYTES,
  MAX_SYMLINK_BYTES,
  ROOT_INODE,
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

const NO_BYTES = new Uint8Array(0);
/** Stands in place of the target of a symlink that is too long, as in the stock master (without its final NUL). */
const LONG_TARGET = Buffer.from('... path too long ...', 'latin1');
const TWO_32 = 0x1_0000_0000;

type NodeSink = Pick<ImageSink, 'nodes' | 'node' | 'freedInodes' | 'freedInode'>;

/** Copies the chunk ids of a record into a scratch array that is reused for all files. */
function chunkIdsOf(record: NodeRecord, scratch: Float64Array): Float64Array {
  const count = record.chunkCount;
  const ids = scratch.length >= count ? scratch : new Float64Array(Math.max(count, scratch.length * 2));
  let at = record.chunksStart;
  for (let i = 0; i < count; i++, at += 8) {
    ids[i] = record.view.getUint32(at) * TWO_32 + record.view.getUint32(at + 4);
  }
  return ids;
}

export function nodeSink(state: State, host: LoadHost): NodeSink {
  const loaded: LoadedNode = emptyLoadedNode();
  let scratch: Float64Array = new Float64Array(64);

  function symlinkTarget(record: NodeRecord): Uint8Array {
    const length = record.pathEnd - record.pathStart;
    if (length <= MAX_SYMLINK_BYTES) return record.bytes.subarray(record.pathStart, record.pathEnd);
    host.notice(`symlink ${record.inode} has a target of ${length} bytes, which is replaced`);
    return LONG_TARGET;
  }

  function fileData(record: NodeRecord): void {
    scratch = chunkIdsOf(record, scratch);
    scratch = chunkIdsOf(record, scratch);
    let slots = record.chunkCount;
    while (slots > 0 && scratch[slots - 1] === 0) slots--;
    loaded.length = record.lengthBytes;
    loaded.slots = slots;
    loaded.chunks = scratch;
  }

  return {
    nodes(maxInode) {
      state.maxinode = maxInode;
    },

    node(record) {
      const { inode, type } = record;
      loaded.inode = inode;
      loaded.type = type;
      loaded.sclass = record.classId;
      loaded.eattr = record.eattr;
      loaded.winattr = record.winattr;
      loaded.mode = record.mode;
      loaded.uid = record.uid;
      loaded.gid = record.gid;
      loaded.atime = record.atime;
      loaded.mtime = record.mtime;
      loaded.ctime = record.ctime;
      loaded.trashtime = record.trashTimeHours;
      loaded.rdev = record.rdev;
      loaded.path = type === TYPE_SYMLINK ? symlinkTarget(record) : NO_BYTES;
      if (type === TYPE_FILE || type === TYPE_TRASH || type === TYPE_SUSTAINED) fileData(record);
      if (inode === 0) host.tolerate('a node without inode number');
      else if (loadNode(state, loaded) === 0) host.tolerate(`inode ${inode} occurs twice`);
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

/** Name bytes that are kept: the last ones of a name that is too long. */
function keptName(record: EdgeRecord, limit: number): Uint8Array {
  return record.bytes.subarray(Math.max(record.nameStart, record.nameEnd - limit), record.nameEnd);
}

export function edgeLoader(state: State, host: LoadHost): EdgeLoader {
  const { nodes, edges, directories } = state;
  /** Trash and sustained files that have a name in a directory, which the real master makes by renaming a file onto itself. */
  const revived = new Set<number>();
  let renumber = false;
  let parentInode = -1;
  let parentRow = 0;
  let lastId = 0n;

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
    lastId = last === 0 ? 0n : edges.id(last);
  }

  function checkId(id: bigint): void {
    if (id <= lastId && !renumber) {
      renumber = true;
      host.notice('edgeid mismatch detected - force edgeid renumeration');
    }
    lastId = id;
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
      loadDetachedEdge(state, childRow, record.edgeId, name);
    }
  }

  return {
    renumberNeeded: () => renumber,

    edges(nextEdgeId) {
      state.nextedgeid = nextEdgeId;
      if (nextEdgeId === UNKNOWN_EDGE_ID) renumber = true;
    },

    edge(record) {
      const { parent, child } = record;
      const childRow = nodes.find(child);
      if (childRow === 0) {
        host.tolerate(`name of an unknown inode ${child} (parent ${parent})`);
        return;
      }
      const limit = parent === 0 ? MAX_DETACHED_PATH_BYTES : MAX_NAME_BYTES;
      const length = record.nameEnd - record.nameStart;
      let name = keptName(record, limit);
      if (length > limit) host.notice(`name of inode ${child} has ${length} bytes - the last ${limit} are kept`);
      if (length === 0) {
        host.tolerate(`empty name of inode ${child}`);
        name = Buffer.from(`(empty ${child})`, 'latin1');
      }
      if (parent === 0) {
        detachedName(record, childRow, name);
        return;
      }
      if (parent !== parentInode) enterParent(parent);
      if (parentRow === 0 || !mayBeNamed(childRow, child)) return;
      checkId(record.edgeId);
      loadEdge(state, parentRow, childRow, record.edgeId, name);
    },
  };
}

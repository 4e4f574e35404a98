/** NODE, EDGE and FREE sections (spec 50 §3.3-3.5, older versions §4). */
import type { ImageInput, Resumable } from '../input.ts';
import type { EdgeRecord, NodeRecord, SectionContext } from '../records.ts';

/** Node types of the letters in sections up to 0x12. */
const LETTER_TYPES = new Map([...'fdlqbcstr'].map((letter, index) => [letter.charCodeAt(0), index + 1]));
const TYPE_FILE = 1;
const TYPE_SYMLINK = 3;
const TYPE_BLOCK = 5;
const TYPE_CHARACTER = 6;
const TYPE_TRASH = 8;
const TYPE_SUSTAINED = 9;
/** u64 values are safe integers while their upper half is below this. */
const SAFE_HIGH = 0x20_0000;

function emptyNode(input: ImageInput): NodeRecord {
  return {
    type: 0,
    inode: 0,
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
    trashTimeStored: 0,
    rdev: 0,
    bytes: input.bytes,
    view: input.view,
    pathStart: 0,
    pathEnd: 0,
    lengthBytes: 0,
    chunksStart: 0,
    chunkCount: 0,
    sessionsStart: 0,
    sessionCount: 0,
  };
}

/** Bytes of a record in front of what depends on the type. */
function nodeHeadBytes(version: number): number {
  if (version >= 0x14) return 32;
  return version >= 0x12 ? 33 : 32;
}

function readNodeHead(node: NodeRecord, view: DataView, start: number, version: number): void {
  node.inode = view.getUint32(start + 1);
  node.classId = view.getUint8(start + 5);
  let at = start + 6;
  node.winattr = 0;
  if (version <= 0x11) {
    const packed = view.getUint16(at);
    node.eattr = packed >> 12;
    node.mode = packed & 0xfff;
    at += 2;
  } else {
    node.eattr = view.getUint8(at++);
    if (version >= 0x14) node.winattr = view.getUint8(at++);
    node.mode = view.getUint16(at);
    at += 2;
  }
  node.uid = view.getUint32(at);
  node.gid = view.getUint32(at + 4);
  node.atime = view.getUint32(at + 8);
  node.mtime = view.getUint32(at + 12);
  node.ctime = view.getUint32(at + 16);
  const stored = version >= 0x14 ? view.getUint16(at + 20) : view.getUint32(at + 20);
  node.trashTimeStored = stored;
  node.trashTimeHours = version >= 0x14 ? stored : Math.floor((stored + 3599) / 3600) & 0xffff;
}

function isFile(type: number): boolean {
  return type === TYPE_FILE || type >= TYPE_TRASH;
}

/** Length and numbers of chunks and sessions, behind the head of a file. */
function fileCountersBytes(version: number): number {
  return version >= 0x14 ? 12 : 14;
}

/** Bytes of the record at the present position; while too few of them are there to tell, of the part that tells. */
function nodeBytes(input: ImageInput, type: number, headBytes: number, version: number): number {
  const at = input.position + headBytes;
  if (isFile(type)) {
    const known = headBytes + fileCountersBytes(version);
    if (input.available < known) return known;
    const sessions = version >= 0x14 ? 0 : input.view.getUint16(at + 12);
    return known + input.view.getUint32(at + 8) * 8 + sessions * 4;
  }
  if (type === TYPE_SYMLINK) {
    const known = headBytes + 4;
    return input.available < known ? known : known + input.view.getUint32(at);
  }
  return type === TYPE_BLOCK || type === TYPE_CHARACTER ? headBytes + 4 : headBytes;
}

/** Reads what stands behind the head of a file, at `start`. */
function readFileTail(node: NodeRecord, input: ImageInput, start: number, version: number): void {
  const { view } = input;
  node.lengthBytes = view.getUint32(start) * 0x1_0000_0000 + view.getUint32(start + 4);
  node.chunkCount = view.getUint32(start + 8);
  node.sessionCount = version >= 0x14 ? 0 : view.getUint16(start + 12);
  let at = start + fileCountersBytes(version);
  node.chunksStart = at;
  for (let i = 0; i < node.chunkCount; i++, at += 8) {
    if (view.getUint32(at) >= SAFE_HIGH) input.fail(`inode ${node.inode} has a chunk id beyond 2^53`);
  }
  node.sessionsStart = at;
}

export function* parseNodes(
  input: ImageInput,
  context: SectionContext,
  fileMaxInode: number | undefined,
): Resumable<void> {
  const { sink, version } = context;
  if (fileMaxInode !== undefined) {
    sink.nodes(fileMaxInode, 0);
  } else {
    const headerBytes = version <= 0x10 ? 4 : 8;
    yield* input.demand(headerBytes);
    sink.nodes(input.view.getUint32(input.position), headerBytes === 4 ? 0 : input.view.getUint32(input.position + 4));
    input.position += headerBytes;
  }
  const node = emptyNode(input);
  let lackingBytes = 1;
  while (lackingBytes > 0) {
    yield* input.demand(lackingBytes);
    lackingBytes = parseNodesInMemory(input, node, context);
  }
  input.position += 1;
}

/**
 * Parses the records that are wholly in memory; a function of its own because the engine makes faster code of one that is called often
 * than of a generator in which a loop runs on. Returns how many bytes the next record needs, as far as can be told; 0: the end is there.
 */
function parseNodesInMemory(input: ImageInput, node: NodeRecord, { sink, version }: SectionContext): number {
  const headBytes = nodeHeadBytes(version);
  while (input.available > 0) {
    const code = input.view.getUint8(input.position);
    if (code === 0) return 0;
    const type = version <= 0x12 ? (LETTER_TYPES.get(code) ?? 0) : code;
    if (type < TYPE_FILE || type > TYPE_SUSTAINED) input.fail(`unrecognized node type: ${code}`);
    const total = nodeBytes(input, type, headBytes, version);
    if (input.available < total) return total;
    const tail = input.position + headBytes;
    node.type = type;
    readNodeHead(node, input.view, input.position, version);
    if (isFile(type)) {
      readFileTail(node, input, tail, version);
    } else if (type === TYPE_SYMLINK) {
      node.pathStart = tail + 4;
      node.pathEnd = input.position + total;
    } else if (type === TYPE_BLOCK || type === TYPE_CHARACTER) {
      node.rdev = input.view.getUint32(tail);
    }
    node.bytes = input.bytes;
    node.view = input.view;
    sink.node(node);
    input.position += total;
  }
  return 1;
}

export function* parseEdges(input: ImageInput, context: SectionContext): Resumable<void> {
  const { sink, version } = context;
  const withIds = version >= 0x11;
  if (withIds) {
    yield* input.demand(8);
    sink.edges(input.view.getBigUint64(input.position));
    input.position += 8;
  } else {
    sink.edges(0x7fff_ffff_ffff_ffffn);
  }
  const edge: EdgeRecord = { parent: 0, child: 0, idHigh: 0, idLow: 0, bytes: input.bytes, nameStart: 0, nameEnd: 0 };
  let lackingBytes = edgeHeadBytes(version);
  while (lackingBytes > 0) {
    yield* input.demand(lackingBytes);
    lackingBytes = parseEdgesInMemory(input, edge, context);
  }
  input.position += edgeHeadBytes(version);
}

/** Bytes of a name's record in front of the name. */
function edgeHeadBytes(version: number): number {
  return version >= 0x11 ? 18 : 10;
}

/** As parseNodesInMemory. */
function parseEdgesInMemory(input: ImageInput, edge: EdgeRecord, { sink, version }: SectionContext): number {
  const headBytes = edgeHeadBytes(version);
  while (input.available >= headBytes) {
    const { view, position } = input;
    edge.parent = view.getUint32(position);
    edge.child = view.getUint32(position + 4);
    if (edge.parent === 0 && edge.child === 0) return 0;
    if (version >= 0x11) {
      edge.idHigh = view.getUint32(position + 8);
      edge.idLow = view.getUint32(position + 12);
    }
    const total = headBytes + view.getUint16(position + headBytes - 2);
    if (input.available < total) return total;
    edge.bytes = input.bytes;
    edge.nameStart = position + headBytes;
    edge.nameEnd = position + total;
    sink.edge(edge);
    input.position += total;
  }
  return headBytes;
}

export function* parseFreed(input: ImageInput, context: SectionContext): Resumable<void> {
  yield* input.demand(4);
  const count = input.view.getUint32(input.position);
  input.position += 4;
  context.sink.freedInodes(count);
  for (let i = 0; i < count; i++) {
    if (input.available < 8) yield* input.demand(8);
    context.sink.freedInode(input.view.getUint32(input.position), input.view.getUint32(input.position + 4));
    input.position += 8;
  }
}

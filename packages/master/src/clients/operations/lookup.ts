import {
  type EntryVisitor,
  type LookedUp,
  listDirectory,
  lookup,
  openListing,
  planAccessTime,
  type RequestContext,
  readSymlink,
} from '@alces/metadata';
import {
  type Attr,
  AttrFlag,
  CLTOMA_FUSE_LOOKUP,
  CLTOMA_FUSE_READDIR,
  CLTOMA_FUSE_READLINK,
  encodeAttr,
  type FieldsOf,
  FRAME_HEADER_BYTES,
  LookupFlag,
  MATOCL_FUSE_LOOKUP,
  MATOCL_FUSE_READDIR,
  MATOCL_FUSE_READLINK,
  ReaddirFlag,
  Status,
  writeFrameHeader,
} from '@alces/proto';
import { Operation } from '../../statistics.ts';
import { atLeast, type Client } from '../client.ts';
import type { DispatchTable } from '../dispatch.ts';
import { attrLayout, MOUNTS, nodeAttributes, type Requests } from '../requests.ts';

type ReaddirRequest = FieldsOf<typeof CLTOMA_FUSE_READDIR>;

/** Registers LOOKUP, READLINK and READDIR (spec 10 §3.3, 3.7, 3.14). */
export function addLookupRequests(table: DispatchTable, requests: Requests): void {
  const { core } = requests;
  const { state } = core;

  const touch = (row: number, now: number): void => {
    const operation = planAccessTime(state, row, now, core.config.atimeMode);
    if (operation) core.commit(operation, now);
  };

  table.on(CLTOMA_FUSE_LOOKUP, MOUNTS, (client, request) => {
    const { msgid } = request;
    const context = requests.context(client, request.uid, request.gids);
    const found = lookup(state, context, request);
    requests.count(context, Operation.lookup, typeof found === 'number' ? found : Status.OK);
    if (typeof found === 'number') client.sendStatus(MATOCL_FUSE_LOOKUP.number, msgid, found);
    else client.send(MATOCL_FUSE_LOOKUP, lookupAnswer(requests, client, context, msgid, found));
  });

  table.on(CLTOMA_FUSE_READLINK, MOUNTS, (client, { msgid, inode }) => {
    const context = requests.context(client, 0, [0]);
    const link = readSymlink(state, context, inode);
    requests.count(context, Operation.readlink, typeof link === 'number' ? link : Status.OK);
    if (typeof link === 'number') return client.sendStatus(MATOCL_FUSE_READLINK.number, msgid, link);
    const path = Buffer.concat([link.path, Buffer.alloc(1)]);
    touch(link.row, context.now);
    client.send(MATOCL_FUSE_READLINK, { layout: 'data', msgid, path });
  });

  table.on(CLTOMA_FUSE_READDIR, MOUNTS, (client, request) => {
    const context = requests.context(client, request.uid, request.gids);
    const withAttributes = (request.flags & ReaddirFlag.WITHATTR) !== 0;
    const directory = openListing(state, context, request, withAttributes);
    requests.count(context, Operation.readdir, typeof directory === 'number' ? directory : Status.OK);
    if (typeof directory === 'number') return client.sendStatus(MATOCL_FUSE_READDIR.number, request.msgid, directory);
    touch(directory.row, context.now);
    const frame = listing(requests, client, context, request, directory.row);
    if (frame) client.sendFrame(frame);
    else client.sendStatus(MATOCL_FUSE_READDIR.number, request.msgid, Status.ERANGE);
  });
}

/** The answer to a successful LOOKUP, with what only this master's memory knows: cached data and where the only chunk is. */
function lookupAnswer(
  { core }: Requests,
  client: Client,
  context: RequestContext,
  msgid: number,
  found: LookedUp,
): FieldsOf<typeof MATOCL_FUSE_LOOKUP> {
  const { state } = core;
  const { inode, row } = found;
  const attr = nodeAttributes(state, context, row, found.parent);
  let { lflags } = found;
  if (found.hasData && (lflags & LookupFlag.DIRECTMODE) === 0) {
    if (core.dataCache.open(state.nodes.inode.get(row), client.session!.id)) lflags |= LookupFlag.KEEPCACHE;
    else attr.flags &= ~AttrFlag.ALLOWDATACACHE;
  }
  if (!atLeast(client.version, 40)) return { layout: 'noFlags', msgid, inode, attr };
  const chunk = found.onlyChunkId === undefined ? undefined : chunkZero(core, client, found.onlyChunkId);
  if (chunk) lflags |= LookupFlag.CHUNK_ZERO_DATA;
  return { layout: attrLayout(client), msgid, inode, attr, lflags, chunk };
}

/** Location of the only chunk of a file, if READ_CHUNK would be answered at once. */
function chunkZero(core: Requests['core'], client: Client, chunkId: number) {
  if (chunkId === 0) return { chunkId: 0, version: 0, servers: [] };
  const { status, version, servers } = core.chunks.locate(chunkId, client.ip);
  if (status !== Status.OK) return undefined;
  return {
    chunkId,
    version,
    servers: servers.map(({ ip, port, version: csVersion, labelMask }) => ({ ip, port, csVersion, labelMask })),
  };
}

const LARGEST_LISTING_BYTES = 0xffff0000;
const LISTING_HEADER_BYTES = 12;

/**
 * The whole answer to READDIR, written in two passes over the directory instead of through a list of records: a directory may have
 * millions of names. Undefined when it would be too long.
 */
function listing(
  { core }: Requests,
  client: Client,
  context: RequestContext,
  { msgid, flags, maxEntries, nedgeid }: ReaddirRequest,
  directory: number,
): Buffer | undefined {
  const { state } = core;
  const visitEntries = (visit: EntryVisitor) => listDirectory(state, context, directory, maxEntries, nedgeid, visit);
  const attrBytes = atLeast(client.version, 93) ? 36 : 35;
  const tailBytes = (flags & ReaddirFlag.WITHATTR) !== 0 ? 4 + attrBytes : 5;
  let length = LISTING_HEADER_BYTES;
  visitEntries((name) => {
    length += 1 + name.length + tailBytes;
  });
  if (length >= LARGEST_LISTING_BYTES) return undefined;
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + length);
  let at = writeFrameHeader(frame, 0, MATOCL_FUSE_READDIR.number, length);
  at = frame.writeUInt32BE(msgid, at);
  at = frame.writeBigUInt64BE(nedgeid, at);
  const writeName = (name: Buffer, inode: number): void => {
    frame[at++] = name.length;
    at += name.copy(frame, at);
    at = frame.writeUInt32BE(inode, at);
  };
  if ((flags & ReaddirFlag.WITHATTR) === 0) {
    visitEntries((name, inode, row) => {
      writeName(name, inode);
      frame[at++] = state.nodes.type.get(row);
    });
  } else {
    visitEntries((name, inode, row, parent) => {
      writeName(name, inode);
      const attr: Attr = nodeAttributes(state, context, row, parent);
      at = encodeAttr(attr, frame, at, attrBytes);
    });
  }
  return frame;
}

import { allQuotas, findFrom, pathsBelow, ROOT_INODE, resolve, type State, TYPE_DIRECTORY } from '@alces/metadata';
import {
  BLOCK_SIZE,
  CHUNK_HEADER_SIZE,
  CHUNK_SIZE,
  CLTOMA_MASS_RESOLVE_PATHS,
  CLTOMA_NODE_INFO,
  CLTOMA_QUOTA_INFO,
  CLTOMA_SCLASS_INFO,
  type FieldsOf,
  MATOCL_MASS_RESOLVE_PATHS,
  MATOCL_NODE_INFO,
  MATOCL_QUOTA_INFO,
  MATOCL_SCLASS_INFO,
  Status,
} from '@alces/proto';
import type { LabelFulfilment } from '../../chunks/api.ts';
import { ClientKind } from '../client.ts';
import { type DispatchTable, ProtocolViolation } from '../dispatch.ts';
import { labelSets } from '../operations/storageClasses.ts';
import { type Requests, shownBytes } from '../requests.ts';
import { MONITORS } from './sources.ts';

type NodeInfo = FieldsOf<typeof MATOCL_NODE_INFO>;

/** An answer about paths may get no longer. */
const PATHS_LIMIT_BYTES = 256 << 20;

/** Registers the messages about nodes, quotas and storage classes (spec 70 §3.7, 3.15, 3.16, 3.22). */
export function addNodeMessages(table: DispatchTable, requests: Requests): void {
  const { core } = requests;
  const { state } = core;

  table.on(CLTOMA_QUOTA_INFO, MONITORS, (client) => {
    const quotas = [...allQuotas(state, core.clock.unixSeconds())].map(quotaRecord).reverse();
    client.send(MATOCL_QUOTA_INFO, { quotas });
  });

  table.on(CLTOMA_MASS_RESOLVE_PATHS, MONITORS, (client, { inodes }) => {
    const root = state.nodes.find(ROOT_INODE);
    let bytes = 0;
    const nodes = inodes
      .filter((inode) => inode !== 0)
      .map((inode) => {
        const row = state.nodes.find(inode);
        const paths = row === 0 ? [Buffer.from('(deleted)')] : pathsBelow(state, row, root);
        for (const path of paths) bytes += path.length;
        if (bytes > PATHS_LIMIT_BYTES) throw new ProtocolViolation('CLTOMA_MASS_RESOLVE_PATHS: too many paths');
        return { inode, paths };
      });
    client.send(MATOCL_MASS_RESOLVE_PATHS, { nodes });
  });

  table.on(CLTOMA_NODE_INFO, ClientKind.mount, (client, { msgid, inode, maxEntries, continueId }) => {
    const row = resolve(state, requests.context(client, 0, [0]), inode);
    client.send(MATOCL_NODE_INFO, withMsgid(msgid, nodeInfo(requests, row, maxEntries, continueId)));
  });

  table.on(CLTOMA_SCLASS_INFO, MONITORS, (client) => {
    const classes = [...state.storageClasses.entries()].map(([id]) => classRecord(requests, id));
    client.send(MATOCL_SCLASS_INFO, { servers: core.chunks.usableServers(), classes });
  });
}

function quotaRecord({
  inode,
  quota,
  use,
  path,
  timeToBlock,
}: ReturnType<typeof allQuotas> extends Iterable<infer Q> ? Q : never) {
  const bytes = (value: bigint) => shownBytes(Number(value));
  return {
    inode,
    path,
    grace: quota.graceperiod,
    exceeded: quota.exceeded,
    qflags: quota.flags,
    timeToBlock,
    softInodes: quota.sinodes,
    softLength: bytes(quota.slength),
    softSize: bytes(quota.ssize),
    softRealsize: bytes(quota.srealsize),
    hardInodes: quota.hinodes,
    hardLength: bytes(quota.hlength),
    hardSize: bytes(quota.hsize),
    hardRealsize: bytes(quota.hrealsize),
    inodes: use.inodes,
    length: shownBytes(use.length),
    size: shownBytes(use.size),
    realsize: shownBytes(use.realsize),
  };
}

type PlainInfo = Extract<NodeInfo, { layout: 'status' | 'other' | 'directory' | 'file' }>;

function withMsgid(msgid: number | undefined, info: PlainInfo): NodeInfo {
  return msgid === undefined ? info : ({ ...info, layout: `${info.layout}Msgid`, msgid } as NodeInfo);
}

function nodeInfo(requests: Requests, row: number, maxEntries: number, continueId: bigint): PlainInfo {
  const { state } = requests.core;
  if (row === 0) return { layout: 'status', status: Status.ENOENT };
  if (state.nodes.type.get(row) === TYPE_DIRECTORY) return childInodes(state, row, maxEntries, continueId);
  if (!requests.isFile(row)) return { layout: 'other' };
  return chunksOfFile(requests, row, maxEntries, continueId);
}

function childInodes(state: State, directory: number, maxEntries: number, continueId: bigint): PlainInfo {
  const { edges, nodes } = state;
  const inodes: number[] = [];
  let edge = continueId === 0n ? edges.firstChild(directory) : findFrom(state, directory, continueId);
  for (; edge !== 0 && inodes.length < maxEntries; edge = edges.nextSibling.get(edge))
    inodes.push(nodes.inode.get(edges.child.get(edge)));
  return { layout: 'directory', continueId: edge === 0 ? 0n : edges.id(edge), inodes };
}

/** Bytes of the chunk file of a slot, as counted in sizes (spec 10 §2.12). */
function chunkFileBytes(slot: number, lengthBytes: number): number {
  const last = lengthBytes === 0 ? 0 : Math.ceil(lengthBytes / CHUNK_SIZE) - 1;
  if (slot > last) return 0;
  const used = slot < last ? CHUNK_SIZE : lengthBytes - last * CHUNK_SIZE;
  return Math.ceil(used / BLOCK_SIZE) * BLOCK_SIZE + CHUNK_HEADER_SIZE;
}

function chunksOfFile({ core }: Requests, row: number, maxEntries: number, continueId: bigint): PlainInfo {
  const { nodes, chunks } = core.state;
  const lengthBytes = nodes.length.get(row);
  const slots = nodes.slots.get(row);
  const listed: { chunkId: number; size: number; copies: number }[] = [];
  let slot = continueId < BigInt(slots) ? nodes.nextUsedSlot(row, Number(continueId)) : slots;
  for (; slot < slots && listed.length < maxEntries; slot = nodes.nextUsedSlot(row, slot + 1)) {
    const chunkId = nodes.chunkAt(row, slot);
    if (chunkId === 0 || chunks.find(chunkId) === 0) continue;
    const copies = Math.min(core.chunks.copyCount(chunkId), 255);
    listed.push({ chunkId, size: chunkFileBytes(slot, lengthBytes), copies });
  }
  return {
    layout: 'file',
    continueId: slot < slots ? BigInt(slot) : 0n,
    length: shownBytes(lengthBytes),
    chunks: listed,
  };
}

function classRecord({ core }: Requests, id: number): FieldsOf<typeof MATOCL_SCLASS_INFO>['classes'][number] {
  const { storageClasses } = core.state;
  const definition = storageClasses.get(id)!;
  const info = core.chunks.classInfo(id);
  const sets = (masks: readonly number[], { servers }: LabelFulfilment) =>
    labelSets(masks).map((set, index) => ({ masks: set, servers: servers[index] ?? 0 }));
  return {
    id,
    name: definition.name,
    files: storageClasses.files[id]!,
    dirs: storageClasses.directories[id]!,
    under: info.under,
    archUnder: info.archiveUnder,
    exact: info.exact,
    archExact: info.archiveExact,
    over: info.over,
    archOver: info.archiveOver,
    adminOnly: definition.adminonly,
    mode: definition.mode,
    archDelay: definition.archdelay,
    createFulfilled: info.create.fulfilled,
    keepFulfilled: info.keep.fulfilled,
    archFulfilled: info.archive.fulfilled,
    create: sets(definition.createMasks, info.create),
    keep: sets(definition.keepMasks, info.keep),
    arch: sets(definition.archMasks, info.archive),
  };
}

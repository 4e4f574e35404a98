import {
  directoryStats,
  parentsOf,
  pathsOf,
  planAppendSlice,
  planQuotaAccess,
  planRemoveQuota,
  planRepair,
  planSetQuota,
  planSnapshot,
  type QuotaOperation,
  quotaState,
  type RequestContext,
  repairOperations,
  resolve,
} from '@alces/metadata';
import {
  CHUNK_SIZE,
  CLTOMA_FUSE_APPEND_SLICE,
  CLTOMA_FUSE_CHECK,
  CLTOMA_FUSE_GETDIRSTATS,
  CLTOMA_FUSE_PARENTS,
  CLTOMA_FUSE_PATHS,
  CLTOMA_FUSE_QUOTACONTROL,
  CLTOMA_FUSE_REPAIR,
  CLTOMA_FUSE_SNAPSHOT,
  type FieldsOf,
  MATOCL_FUSE_APPEND_SLICE,
  MATOCL_FUSE_CHECK,
  MATOCL_FUSE_GETDIRSTATS,
  MATOCL_FUSE_PARENTS,
  MATOCL_FUSE_PATHS,
  MATOCL_FUSE_QUOTACONTROL,
  MATOCL_FUSE_REPAIR,
  MATOCL_FUSE_SNAPSHOT,
  MAX_CHUNK_INDEX,
  MAX_SAFE_FILE_SIZE,
  Status,
} from '@alces/proto';
import { atLeast, type Client, ClientKind } from '../client.ts';
import type { DispatchTable } from '../dispatch.ts';
import { lengthHasChanged } from '../notify.ts';
import { MOUNTS, MOUNTS_AND_TOOLS, type Requests, shownBytes } from '../requests.ts';

type QuotaRequest = FieldsOf<typeof CLTOMA_FUSE_QUOTACONTROL>;

const MOST_CHUNKS = MAX_SAFE_FILE_SIZE / CHUNK_SIZE;
const LARGEST_COUNTED = 10;
const EMPTY_SLOTS = 11;
const U32_MAX = 0xffffffff;

/** Registers what mostly the tools ask for (spec 10 §5, §11.7-11.11). */
export function addToolRequests(table: DispatchTable, requests: Requests): void {
  addCopying(table, requests);
  addQuota(table, requests);
  addInspection(table, requests);
  addCheck(table, requests);
  addRepair(table, requests);
}

function addCopying(table: DispatchTable, requests: Requests): void {
  const { core } = requests;
  const { state } = core;

  table.on(CLTOMA_FUSE_APPEND_SLICE, MOUNTS_AND_TOOLS, (client, request) => {
    const context = requests.context(client, request.uid, request.gids);
    const plan = planAppendSlice(state, context, request);
    const status = typeof plan === 'number' ? plan : appendStatus(requests, context, plan);
    if (status === Status.OK) {
      const row = resolve(state, context, request.dst);
      // The one who asked is told too, before its answer (spec 10 §5.1).
      lengthHasChanged(core, state.nodes.inode.get(row), shownBytes(state.nodes.length.get(row)), undefined);
    }
    client.sendStatus(MATOCL_FUSE_APPEND_SLICE.number, request.msgid, status);
  });

  table.on(CLTOMA_FUSE_SNAPSHOT, MOUNTS_AND_TOOLS, (client, request) => {
    const context = requests.context(client, request.uid, request.gids);
    const status = requests.perform(context, planSnapshot(state, context, request));
    client.sendStatus(MATOCL_FUSE_SNAPSHOT.number, request.msgid, status);
  });
}

function appendStatus(
  requests: Requests,
  context: RequestContext,
  plan: Exclude<ReturnType<typeof planAppendSlice>, number>,
): number {
  const { nodes } = requests.core.state;
  const present = Math.ceil(nodes.length.get(nodes.find(plan.dst)) / CHUNK_SIZE);
  return present + plan.to - plan.from + 1 > MOST_CHUNKS ? Status.INDEXTOOBIG : requests.perform(context, plan);
}

function addQuota(table: DispatchTable, requests: Requests): void {
  table.on(CLTOMA_FUSE_QUOTACONTROL, MOUNTS_AND_TOOLS, (client, request) => {
    const { msgid } = request;
    const context = requests.context(client, 0, [0]);
    const row = controlQuota(requests, context, request);
    if (row < 0) return client.sendStatus(MATOCL_FUSE_QUOTACONTROL.number, msgid, -row);
    client.send(MATOCL_FUSE_QUOTACONTROL, quotaAnswer(requests, client, msgid, row));
  });
}

/** Does what QUOTACONTROL wants. Returns the row of the directory, or the negative status of a refusal. */
function controlQuota(requests: Requests, context: RequestContext, request: QuotaRequest): number {
  const { state } = requests.core;
  const { inode, qflags } = request;
  const target = planQuotaAccess(state, context, inode, qflags !== 0);
  if (typeof target === 'number') return -target;
  if (qflags === 0) return target.row;
  const plan =
    request.layout === 'set' ? setQuota(requests, context, request) : planRemoveQuota(state, context, inode, qflags);
  const status = requests.perform<QuotaOperation>(context, plan);
  return status === Status.OK ? target.row : -status;
}

function setQuota({ core }: Requests, context: RequestContext, request: Extract<QuotaRequest, { layout: 'set' }>) {
  return planSetQuota(core.state, context, request.inode, request.qflags, {
    graceperiod: request.grace,
    sinodes: request.softInodes,
    hinodes: request.hardInodes,
    slength: request.softLength,
    hlength: request.hardLength,
    ssize: request.softSize,
    hsize: request.hardSize,
    srealsize: request.softRealsize,
    hrealsize: request.hardRealsize,
  });
}

function quotaAnswer(
  { core }: Requests,
  client: Client,
  msgid: number,
  row: number,
): FieldsOf<typeof MATOCL_FUSE_QUOTACONTROL> {
  const { quota, use } = quotaState(core.state, row);
  const bytes = (value: bigint | undefined) => shownBytes(Number(value ?? 0n));
  return {
    layout: atLeast(client.version, 9) ? 'data' : 'noGrace',
    msgid,
    qflags: quota?.flags ?? 0,
    grace: quota?.graceperiod ?? 0,
    softInodes: quota?.sinodes ?? 0,
    softLength: bytes(quota?.slength),
    softSize: bytes(quota?.ssize),
    softRealsize: bytes(quota?.srealsize),
    hardInodes: quota?.hinodes ?? 0,
    hardLength: bytes(quota?.hlength),
    hardSize: bytes(quota?.hsize),
    hardRealsize: bytes(quota?.hrealsize),
    inodes: use.inodes,
    length: shownBytes(use.length),
    size: shownBytes(use.size),
    realsize: shownBytes(use.realsize),
  };
}

function addInspection(table: DispatchTable, requests: Requests): void {
  const { state } = requests.core;

  table.on(CLTOMA_FUSE_GETDIRSTATS, MOUNTS_AND_TOOLS, (client, { msgid, inode }) => {
    const stats = directoryStats(state, requests.context(client, 0, [0]), inode);
    if (typeof stats === 'number') return client.sendStatus(MATOCL_FUSE_GETDIRSTATS.number, msgid, stats);
    client.send(MATOCL_FUSE_GETDIRSTATS, {
      layout: client.kind === ClientKind.tools ? 'tools' : 'data',
      msgid,
      inodes: stats.inodes,
      dirs: stats.dirs,
      files: stats.files,
      chunks: Math.min(stats.chunks, U32_MAX),
      length: shownBytes(stats.length),
      size: shownBytes(stats.size),
      realsize: shownBytes(stats.realsize),
    });
  });

  table.on(CLTOMA_FUSE_PARENTS, MOUNTS, (client, { msgid, inode }) => {
    const parents = parentsOf(state, requests.context(client, 0, [0]), inode);
    if (typeof parents === 'number') client.sendStatus(MATOCL_FUSE_PARENTS.number, msgid, parents);
    else client.send(MATOCL_FUSE_PARENTS, { layout: 'data', msgid, parents });
  });

  table.on(CLTOMA_FUSE_PATHS, MOUNTS, (client, { msgid, inode }) => {
    const paths = pathsOf(state, requests.context(client, 0, [0]), inode);
    if (typeof paths === 'number') client.sendStatus(MATOCL_FUSE_PATHS.number, msgid, paths);
    else client.send(MATOCL_FUSE_PATHS, { layout: 'data', msgid, paths });
  });
}

function addCheck(table: DispatchTable, requests: Requests): void {
  table.on(CLTOMA_FUSE_CHECK, MOUNTS_AND_TOOLS, (client, { msgid, inode, index }) => {
    const { state } = requests.core;
    const row = resolve(state, requests.context(client, 0, [0]), inode);
    const refusal = row === 0 ? Status.ENOENT : requests.isFile(row) ? Status.OK : Status.EPERM;
    if (refusal !== Status.OK) return client.sendStatus(MATOCL_FUSE_CHECK.number, msgid, refusal);
    if (index === undefined) {
      const counters = copyCounters(requests, row);
      if (atLeast(client.version, 30)) client.send(MATOCL_FUSE_CHECK, { layout: 'counters', msgid, counters });
      else client.send(MATOCL_FUSE_CHECK, { layout: 'counters11', msgid, counters: counters.slice(0, EMPTY_SLOTS) });
      return;
    }
    const copies = copiesAt(requests, row, index);
    if (typeof copies === 'number') client.sendStatus(MATOCL_FUSE_CHECK.number, msgid, copies);
    else client.send(MATOCL_FUSE_CHECK, { layout: 'copies', msgid, ...copies });
  });
}

/** Numbers of a file's chunks with 0 .. 9, 10 or more live copies, and of its empty slots. */
function copyCounters({ core }: Requests, row: number): number[] {
  const { nodes } = core.state;
  const counters = new Array<number>(EMPTY_SLOTS + 1).fill(0);
  const slots = nodes.slots.get(row);
  let used = 0;
  for (let slot = nodes.nextUsedSlot(row, 0); slot < slots; slot = nodes.nextUsedSlot(row, slot + 1)) {
    const chunkId = nodes.chunkAt(row, slot);
    if (chunkId === 0) continue;
    used++;
    counters[Math.min(core.chunks.liveCopies(chunkId), LARGEST_COUNTED)]!++;
  }
  counters[EMPTY_SLOTS] = slots - used;
  return counters;
}

function copiesAt({ core }: Requests, row: number, index: number) {
  const { nodes, chunks } = core.state;
  if (index > MAX_CHUNK_INDEX) return Status.INDEXTOOBIG;
  const chunkId = index < nodes.slots.get(row) ? nodes.chunkAt(row, index) : 0;
  if (chunkId === 0) return { chunkId, version: 0, copies: [] };
  const chunk = chunks.find(chunkId);
  if (chunk === 0) return Status.NOCHUNK;
  return { chunkId, version: chunks.version.get(chunk), copies: [...core.chunks.copies(chunkId)] };
}

function addRepair(table: DispatchTable, requests: Requests): void {
  const { core } = requests;
  const { state } = core;
  table.on(CLTOMA_FUSE_REPAIR, MOUNTS_AND_TOOLS, (client, { msgid, inode, uid, gids }) => {
    const context = requests.context(client, uid, gids);
    const target = planRepair(state, context, inode);
    if (typeof target === 'number') return client.sendStatus(MATOCL_FUSE_REPAIR.number, msgid, target);
    const { row } = target;
    const slots = state.nodes.slots.get(row);
    let erased = 0;
    let repaired = 0;
    for (let slot = state.nodes.nextUsedSlot(row, 0); slot < slots; slot = state.nodes.nextUsedSlot(row, slot + 1)) {
      const chunkId = state.nodes.chunkAt(row, slot);
      const version = chunkId === 0 ? -1 : core.chunks.repairVersion(chunkId);
      if (version < 0) continue;
      for (const operation of repairOperations(state, row, slot, version, context.now))
        core.commit(operation, context.now);
      if (version === 0) erased++;
      else {
        repaired++;
        core.chunks.repaired(chunkId);
      }
    }
    client.send(MATOCL_FUSE_REPAIR, { layout: 'data', msgid, notChanged: slots - erased - repaired, erased, repaired });
  });
}

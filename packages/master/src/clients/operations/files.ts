import { planMknod, planOpen, type RequestContext } from '@alces/metadata';
import {
  type Attr,
  AttrFlag,
  CLTOMA_FUSE_CREATE,
  CLTOMA_FUSE_OPEN,
  Eattr,
  MATOCL_FUSE_CREATE,
  MATOCL_FUSE_OPEN,
  NodeType,
  OpenedFlag,
  OpenFlag,
  Status,
} from '@alces/proto';
import { acquire } from '../../sessions/openFiles.ts';
import { Operation } from '../../statistics.ts';
import { atLeast, type Client } from '../client.ts';
import type { DispatchTable } from '../dispatch.ts';
import { MOUNTS, nodeAttributes, type Requests } from '../requests.ts';

/** Registers OPEN and CREATE (spec 10 §4). */
export function addFileRequests(table: DispatchTable, requests: Requests): void {
  const { core } = requests;
  const { state } = core;

  table.on(CLTOMA_FUSE_OPEN, MOUNTS, (client, request) => {
    const { msgid, flags } = request;
    const context = requests.context(client, request.uid, request.gids);
    const plan = planOpen(state, context, request);
    requests.count(context, Operation.open, typeof plan === 'number' ? plan : Status.OK);
    if (typeof plan === 'number') return client.sendStatus(MATOCL_FUSE_OPEN.number, msgid, plan);
    for (const operation of plan) {
      if (operation.op === 'LENGTH') requests.numbered.reservationIsVoid(operation.inode, context.now);
      core.commit(operation, context.now);
    }
    const row = requests.row(context, request.inode);
    const inode = state.nodes.inode.get(row);
    const sessionId = client.session!.id;
    const isDirect = (state.nodes.eattr.get(row) & Eattr.NODATACACHE) !== 0;
    if ((flags & OpenFlag.CACHE_CLEARED) !== 0) core.dataCache.access(inode, sessionId);
    const keepsCache = !isDirect && core.dataCache.open(inode, sessionId);
    const { oflags, attr } = opened(requests, context, row, 0, keepsCache);
    client.send(MATOCL_FUSE_OPEN, { layout: openLayout(client), msgid, oflags, attr });
  });

  table.on(CLTOMA_FUSE_CREATE, MOUNTS, (client, request) => {
    const { msgid } = request;
    const context = requests.context(client, request.uid, request.gids);
    const plan = planMknod(state, context, { ...request, type: NodeType.FILE, rdev: 0 });
    const status = requests.perform(context, plan);
    requests.count(context, Operation.mknod, status);
    context.session.currentStats[Operation.open]!++;
    if (typeof plan === 'number') return client.sendStatus(MATOCL_FUSE_CREATE.number, msgid, status);
    if (client.executing) client.executing.decidedBy = state.metaversion - 1;
    acquire(core, client.session!.id, plan.inode, context.now);
    const { oflags, attr } = opened(
      requests,
      context,
      state.nodes.find(plan.inode),
      state.nodes.find(plan.parent),
      false,
    );
    client.send(MATOCL_FUSE_CREATE, { layout: openLayout(client), msgid, oflags, inode: plan.inode, attr });
  });
}

/** Flags and attributes of a file that was opened. */
function opened(
  { core }: Requests,
  context: RequestContext,
  row: number,
  parent: number,
  keepsCache: boolean,
): { oflags: number; attr: Attr } {
  const eattr = core.state.nodes.eattr.get(row);
  const attr = nodeAttributes(core.state, context, row, parent);
  let oflags = keepsCache ? OpenedFlag.KEEPCACHE : 0;
  if ((eattr & Eattr.NODATACACHE) !== 0) oflags |= OpenedFlag.DIRECTMODE;
  else if (!keepsCache) attr.flags &= ~AttrFlag.ALLOWDATACACHE;
  if ((eattr & Eattr.APPENDONLY) !== 0) oflags |= OpenedFlag.APPENDONLY;
  return { oflags, attr };
}

function openLayout({ version }: Client): 'data' | 'noFlags' | 'noFlags35' {
  if (atLeast(version, 113)) return 'data';
  return atLeast(version, 93) ? 'noFlags' : 'noFlags35';
}

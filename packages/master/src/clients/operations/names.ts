import {
  planLink,
  planMkdir,
  planMknod,
  planRename,
  planSymlink,
  planUnlink,
  type RequestContext,
  resolve,
} from '@alces/metadata';
import {
  CLTOMA_FUSE_LINK,
  CLTOMA_FUSE_MKDIR,
  CLTOMA_FUSE_MKNOD,
  CLTOMA_FUSE_RENAME,
  CLTOMA_FUSE_RMDIR,
  CLTOMA_FUSE_SYMLINK,
  CLTOMA_FUSE_UNLINK,
  MATOCL_FUSE_LINK,
  MATOCL_FUSE_MKDIR,
  MATOCL_FUSE_MKNOD,
  MATOCL_FUSE_RENAME,
  MATOCL_FUSE_RMDIR,
  MATOCL_FUSE_SYMLINK,
  MATOCL_FUSE_UNLINK,
  Status,
} from '@alces/proto';
import { Operation } from '../../statistics.ts';
import { atLeast, type Client } from '../client.ts';
import type { DispatchTable } from '../dispatch.ts';
import { attrLayout, MOUNTS, nodeAttributes, type Requests } from '../requests.ts';

/** An answer that gives a node by inode and attributes; MKNOD, MKDIR, SYMLINK, LINK and RENAME share it. */
type NodeAnswer = typeof MATOCL_FUSE_MKNOD;

/** Registers the requests that make, remove and move names (spec 10 §3.8-3.13). */
export function addNameRequests(table: DispatchTable, requests: Requests): void {
  const { core } = requests;
  const { state } = core;

  const answerNode = (
    client: Client,
    answer: NodeAnswer,
    context: RequestContext,
    { msgid, inode, parent }: { msgid: number; inode: number; parent: number },
  ): void => {
    const attr = nodeAttributes(state, context, state.nodes.find(inode), state.nodes.find(parent));
    client.send(answer, { layout: attrLayout(client), msgid, inode, attr });
  };

  table.on(CLTOMA_FUSE_MKNOD, MOUNTS, (client, request) => {
    const context = requests.context(client, request.uid, request.gids);
    const plan = planMknod(state, context, request);
    const status = requests.perform(context, plan);
    requests.count(context, Operation.mknod, status);
    if (typeof plan === 'number') return client.sendStatus(MATOCL_FUSE_MKNOD.number, request.msgid, status);
    answerNode(client, MATOCL_FUSE_MKNOD, context, { ...plan, msgid: request.msgid });
  });

  table.on(CLTOMA_FUSE_MKDIR, MOUNTS, (client, request) => {
    const context = requests.context(client, request.uid, request.gids);
    const plan = planMkdir(state, context, request);
    const status = requests.perform(context, plan);
    requests.count(context, Operation.mkdir, status);
    if (typeof plan === 'number') return client.sendStatus(MATOCL_FUSE_MKDIR.number, request.msgid, status);
    answerNode(client, MATOCL_FUSE_MKDIR, context, { ...plan, msgid: request.msgid });
  });

  table.on(CLTOMA_FUSE_SYMLINK, MOUNTS, (client, request) => {
    const context = requests.context(client, request.uid, request.gids);
    const plan = planSymlink(state, context, request);
    const status = requests.perform(context, plan);
    requests.count(context, Operation.symlink, status);
    if (typeof plan === 'number') return client.sendStatus(MATOCL_FUSE_SYMLINK.number, request.msgid, status);
    answerNode(client, MATOCL_FUSE_SYMLINK, context, { ...plan, msgid: request.msgid });
  });

  table.on(CLTOMA_FUSE_LINK, MOUNTS, (client, request) => {
    const context = requests.context(client, request.uid, request.gids);
    const plan = planLink(state, context, request, core.config.maxHardLinks);
    const status = requests.perform(context, plan);
    requests.count(context, Operation.link, status);
    if (typeof plan === 'number') return client.sendStatus(MATOCL_FUSE_LINK.number, request.msgid, status);
    answerNode(client, MATOCL_FUSE_LINK, context, { ...plan, msgid: request.msgid });
  });

  table.on(CLTOMA_FUSE_RENAME, MOUNTS, (client, request) => {
    const context = requests.context(client, request.uid, request.gids);
    const plan = planRename(state, context, request);
    const status = requests.perform(context, plan);
    requests.count(context, Operation.rename, status);
    if (status !== Status.OK) return client.sendStatus(MATOCL_FUSE_RENAME.number, request.msgid, status);
    const parent = resolve(state, context, request.dstParent);
    const inode = state.nodes.inode.get(state.edges.child.get(state.edges.find(parent, request.dstName)));
    answerNode(client, MATOCL_FUSE_RENAME, context, {
      msgid: request.msgid,
      inode,
      parent: state.nodes.inode.get(parent),
    });
  });

  /** UNLINK and RMDIR: newer clients are told which inode lost its name. */
  const remove = (
    request: typeof CLTOMA_FUSE_UNLINK,
    answer: typeof MATOCL_FUSE_UNLINK,
    kind: typeof Operation.unlink | typeof Operation.rmdir,
  ): void =>
    table.on(request, MOUNTS, (client, { msgid, parent, name, uid, gids }) => {
      const context = requests.context(client, uid, gids);
      const plan = planUnlink(state, context, { parent, name }, kind === Operation.rmdir);
      const status = requests.perform(context, plan);
      requests.count(context, kind, status);
      if (typeof plan === 'number' || !wantsInode(client)) return client.sendStatus(answer.number, msgid, status);
      client.send(answer, { layout: 'data', msgid, inode: plan.inode });
    });
  remove(CLTOMA_FUSE_UNLINK, MATOCL_FUSE_UNLINK, Operation.unlink);
  remove(CLTOMA_FUSE_RMDIR, MATOCL_FUSE_RMDIR, Operation.rmdir);
}

const FIRST_OF_4 = 0x00040000;
const FIRST_OF_4_18 = 0x00041200;

/** Clients 3.0.107 .. 3.x and from 4.18.0 on get the inode that lost its name. */
function wantsInode({ version }: Client): boolean {
  return (atLeast(version, 107) && version < FIRST_OF_4) || version >= FIRST_OF_4_18;
}

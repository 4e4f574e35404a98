import { checkAccess, getAttributes, planAmtime, planSetattr, statfs } from '@alces/metadata';
import {
  CLTOMA_FUSE_ACCESS,
  CLTOMA_FUSE_AMTIME_INODES,
  CLTOMA_FUSE_GETATTR,
  CLTOMA_FUSE_SETATTR,
  CLTOMA_FUSE_STATFS,
  CLTOMA_FUSE_SUSTAINED_INODES,
  CLTOMA_FUSE_SUSTAINED_INODES_DEPRECATED,
  CLTOMA_FUSE_TIME_SYNC,
  MATOCL_FUSE_ACCESS,
  MATOCL_FUSE_GETATTR,
  MATOCL_FUSE_SETATTR,
  MATOCL_FUSE_STATFS,
  MATOCL_FUSE_TIME_SYNC,
  SessionFlag,
  Status,
} from '@alces/proto';
import { setOpenInodes } from '../../sessions/openFiles.ts';
import { Operation } from '../../statistics.ts';
import { atLeast, type Client } from '../client.ts';
import type { DispatchTable } from '../dispatch.ts';
import { attrLayout, MOUNTS, nodeAttributes, type Requests, shownBytes } from '../requests.ts';

const FIRST_OF_4 = 0x00040000;
const FIRST_OF_4_9 = 0x00040900;

/** Registers the requests about attributes, space, times and open inodes (spec 10 §3.1, 3.2, 3.4, 3.5, 10.2-10.4). */
export function addAttributeRequests(table: DispatchTable, requests: Requests): void {
  const { core, locks } = requests;
  const { state } = core;

  table.on(CLTOMA_FUSE_GETATTR, MOUNTS, (client, request) => {
    const { msgid } = request;
    const context = requests.context(client, request.uid, [request.gid]);
    const attr = getAttributes(state, context, request);
    requests.count(context, Operation.getattr, typeof attr === 'number' ? attr : Status.OK);
    if (typeof attr === 'number') return client.sendStatus(MATOCL_FUSE_GETATTR.number, msgid, attr);
    attr.length = shownBytes(attr.length);
    client.send(MATOCL_FUSE_GETATTR, { layout: attrLayout(client), msgid, attr });
  });

  table.on(CLTOMA_FUSE_ACCESS, MOUNTS, (client, request) => {
    const context = requests.context(client, request.uid, request.gids);
    client.sendStatus(MATOCL_FUSE_ACCESS.number, request.msgid, checkAccess(state, context, request));
  });

  table.on(CLTOMA_FUSE_SETATTR, MOUNTS, (client, request) => {
    const { msgid } = request;
    const context = requests.context(client, request.uid, request.gids);
    const plan = planSetattr(state, context, request);
    const status = requests.perform(context, plan);
    requests.count(context, Operation.setattr, status);
    if (typeof plan === 'number') return client.sendStatus(MATOCL_FUSE_SETATTR.number, msgid, status);
    const attr = nodeAttributes(state, context, state.nodes.find(plan.inode));
    client.send(MATOCL_FUSE_SETATTR, { layout: attrLayout(client), msgid, attr });
  });

  table.on(CLTOMA_FUSE_STATFS, MOUNTS, (client, { msgid }) => {
    const context = requests.context(client, 0, [0]);
    const { totalBytes, availableBytes, freeBytes } = core.chunks.space();
    const space = statfs(state, context, { total: totalBytes, avail: availableBytes, free: freeBytes });
    requests.count(context, Operation.statfs, Status.OK);
    client.send(MATOCL_FUSE_STATFS, {
      layout: knowsFree(client) ? 'data' : 'noFree',
      msgid,
      total: shownBytes(space.total),
      avail: shownBytes(space.avail),
      free: shownBytes(space.free),
      trash: shownBytes(space.trash),
      sustained: shownBytes(space.sustained),
      inodes: space.inodes,
    });
  });

  table.on(CLTOMA_FUSE_AMTIME_INODES, MOUNTS, (client, { entries }) => {
    const context = requests.context(client, 0, [0]);
    // The stock master lets a read-only session set modification times; nothing that such a session may do changes one.
    const writes = (context.session.sesflags & SessionFlag.READONLY) === 0;
    for (const entry of entries) {
      const times = writes ? entry : { ...entry, mtime: 0 };
      const operation = planAmtime(state, context, times, core.config.atimeMode);
      if (operation) core.commit(operation, context.now);
    }
  });

  for (const message of [CLTOMA_FUSE_SUSTAINED_INODES, CLTOMA_FUSE_SUSTAINED_INODES_DEPRECATED])
    table.on(message, MOUNTS, (client, { inodes }) =>
      setOpenInodes(core, locks, client.session!.id, inodes, core.clock.unixSeconds()),
    );

  table.on(CLTOMA_FUSE_TIME_SYNC, MOUNTS, (client, { msgid }) =>
    client.send(MATOCL_FUSE_TIME_SYNC, { msgid, timeUs: Math.floor(core.clock.wallMs() * 1000) }),
  );
}

/** Whether STATFS answers to the client contain the field `free`. */
function knowsFree({ version }: Client): boolean {
  return (atLeast(version, 102) && version < FIRST_OF_4) || version >= FIRST_OF_4_9;
}

import {
  detachedAttributes,
  listSustained,
  listTrash,
  planPurge,
  planSettrashpath,
  planUndel,
  TRASH_BUCKETS,
  trashPath,
} from '@alces/metadata';
import {
  CLTOMA_FUSE_GETDETACHEDATTR,
  CLTOMA_FUSE_GETSUSTAINED,
  CLTOMA_FUSE_GETTRASH,
  CLTOMA_FUSE_GETTRASHPATH,
  CLTOMA_FUSE_PURGE,
  CLTOMA_FUSE_SETTRASHPATH,
  CLTOMA_FUSE_UNDEL,
  MATOCL_FUSE_GETDETACHEDATTR,
  MATOCL_FUSE_GETSUSTAINED,
  MATOCL_FUSE_GETTRASH,
  MATOCL_FUSE_GETTRASHPATH,
  MATOCL_FUSE_PURGE,
  MATOCL_FUSE_SETTRASHPATH,
  MATOCL_FUSE_UNDEL,
} from '@alces/proto';
import type { DispatchTable } from '../dispatch.ts';
import { attrLayout, MOUNTS, type Requests, shownBytes } from '../requests.ts';

/** Registers the requests of the meta mount (spec 10 §9). */
export function addTrashRequests(table: DispatchTable, requests: Requests): void {
  const { state } = requests.core;

  table.on(CLTOMA_FUSE_GETTRASH, MOUNTS, (client, { msgid, bucket }) => {
    const entries = listTrash(state, requests.context(client, 0, [0]), bucket ?? TRASH_BUCKETS);
    if (typeof entries === 'number') client.sendStatus(MATOCL_FUSE_GETTRASH.number, msgid, entries);
    else client.send(MATOCL_FUSE_GETTRASH, { layout: 'data', msgid, entries });
  });

  table.on(CLTOMA_FUSE_GETSUSTAINED, MOUNTS, (client, { msgid }) => {
    const entries = listSustained(state, requests.context(client, 0, [0]));
    if (typeof entries === 'number') client.sendStatus(MATOCL_FUSE_GETSUSTAINED.number, msgid, entries);
    else client.send(MATOCL_FUSE_GETSUSTAINED, { layout: 'data', msgid, entries });
  });

  table.on(CLTOMA_FUSE_GETDETACHEDATTR, MOUNTS, (client, { msgid, inode, type }) => {
    const context = requests.context(client, 0, [0]);
    const attr = detachedAttributes(state, context, { inode, type });
    if (typeof attr === 'number') return client.sendStatus(MATOCL_FUSE_GETDETACHEDATTR.number, msgid, attr);
    attr.length = shownBytes(attr.length);
    client.send(MATOCL_FUSE_GETDETACHEDATTR, { layout: attrLayout(client), msgid, attr });
  });

  table.on(CLTOMA_FUSE_GETTRASHPATH, MOUNTS, (client, { msgid, inode }) => {
    const path = trashPath(state, requests.context(client, 0, [0]), inode);
    if (typeof path === 'number') return client.sendStatus(MATOCL_FUSE_GETTRASHPATH.number, msgid, path);
    client.send(MATOCL_FUSE_GETTRASHPATH, { layout: 'data', msgid, path: Buffer.concat([path, Buffer.alloc(1)]) });
  });

  table.on(CLTOMA_FUSE_SETTRASHPATH, MOUNTS, (client, request) => {
    const context = requests.context(client, 0, [0]);
    const status = requests.perform(context, planSettrashpath(state, context, request));
    client.sendStatus(MATOCL_FUSE_SETTRASHPATH.number, request.msgid, status);
  });

  table.on(CLTOMA_FUSE_UNDEL, MOUNTS, (client, { msgid, inode }) => {
    const context = requests.context(client, 0, [0]);
    client.sendStatus(MATOCL_FUSE_UNDEL.number, msgid, requests.perform(context, planUndel(state, context, inode)));
  });

  table.on(CLTOMA_FUSE_PURGE, MOUNTS, (client, { msgid, inode }) => {
    const context = requests.context(client, 0, [0]);
    client.sendStatus(MATOCL_FUSE_PURGE.number, msgid, requests.perform(context, planPurge(state, context, inode)));
  });
}

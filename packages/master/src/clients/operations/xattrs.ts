import { type Acl, getAcl, getXattr, planSetfacl, planSetxattr } from '@alces/metadata';
import {
  CLTOMA_FUSE_GETFACL,
  CLTOMA_FUSE_GETXATTR,
  CLTOMA_FUSE_SETFACL,
  CLTOMA_FUSE_SETXATTR,
  MATOCL_FUSE_GETFACL,
  MATOCL_FUSE_GETXATTR,
  MATOCL_FUSE_SETFACL,
  MATOCL_FUSE_SETXATTR,
  XattrGetMode,
} from '@alces/proto';
import type { DispatchTable } from '../dispatch.ts';
import { MOUNTS, type Requests } from '../requests.ts';

interface NamedEntry {
  readonly id: number;
  readonly perm: number;
}

const ENTRY_BYTES = 6;

/** Registers the requests about extended attributes and ACLs (spec 10 §6, §7). */
export function addXattrRequests(table: DispatchTable, requests: Requests): void {
  const { state } = requests.core;

  table.on(CLTOMA_FUSE_GETXATTR, MOUNTS, (client, request) => {
    const { msgid } = request;
    const context = requests.context(client, request.uid, request.gids);
    const value = getXattr(state, context, request);
    if (typeof value === 'number') client.sendStatus(MATOCL_FUSE_GETXATTR.number, msgid, value);
    else if (request.mode === XattrGetMode.LENGTH_ONLY)
      client.send(MATOCL_FUSE_GETXATTR, { layout: 'length', msgid, length: value.length });
    else client.send(MATOCL_FUSE_GETXATTR, { layout: 'value', msgid, value });
  });

  table.on(CLTOMA_FUSE_SETXATTR, MOUNTS, (client, request) => {
    const context = requests.context(client, request.uid, request.gids);
    const status = requests.perform(context, planSetxattr(state, context, request));
    client.sendStatus(MATOCL_FUSE_SETXATTR.number, request.msgid, status);
  });

  table.on(CLTOMA_FUSE_GETFACL, MOUNTS, (client, { msgid, inode, aclType }) => {
    const acl = getAcl(state, requests.context(client, 0, [0]), { inode, aclType });
    if (typeof acl === 'number') return client.sendStatus(MATOCL_FUSE_GETFACL.number, msgid, acl);
    const { user, group, other, mask } = acl;
    const { users, groups } = namedEntries(acl);
    client.send(MATOCL_FUSE_GETFACL, { layout: 'data', msgid, user, group, other, mask, users, groups });
  });

  table.on(CLTOMA_FUSE_SETFACL, MOUNTS, (client, request) => {
    const { users, groups } = request;
    const context = requests.context(client, request.uid, [0]);
    const plan = planSetfacl(state, context, {
      ...request,
      nusers: users.length,
      ngroups: groups.length,
      entries: entryBytes([...users, ...groups]),
    });
    client.sendStatus(MATOCL_FUSE_SETFACL.number, request.msgid, requests.perform(context, plan));
  });
}

function namedEntries({ nusers, entries }: Acl): { users: NamedEntry[]; groups: NamedEntry[] } {
  const all = Array.from({ length: entries.length / ENTRY_BYTES }, (_, index) => ({
    id: entries.readUInt32BE(index * ENTRY_BYTES),
    perm: entries.readUInt16BE(index * ENTRY_BYTES + 4),
  }));
  return { users: all.slice(0, nusers), groups: all.slice(nusers) };
}

function entryBytes(entries: readonly NamedEntry[]): Buffer {
  const bytes = Buffer.alloc(entries.length * ENTRY_BYTES);
  for (const [index, { id, perm }] of entries.entries()) {
    bytes.writeUInt32BE(id, index * ENTRY_BYTES);
    bytes.writeUInt16BE(perm, index * ENTRY_BYTES + 4);
  }
  return bytes;
}

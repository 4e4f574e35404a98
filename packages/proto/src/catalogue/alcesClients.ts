/**
 * What an Alces client and an Alces master say to each other beyond the protocol of MooseFS (docs/decisions/0150, 0151). The client sends
 * these only on a connection on which the master answered GET_VERSION, asked with `ALCES_MSGID`, with `ALCES_VERSION_STRING`.
 */
import { message } from '../message.ts';
import { u32, u64 } from '../schema.ts';
import { CLTOMA_FUSE_SETFACL, CLTOMA_FUSE_SETXATTR } from './attributes.ts';
import { CLTOMA_FUSE_WRITE_CHUNK, CLTOMA_FUSE_WRITE_CHUNK_END } from './chunks.ts';
import {
  CLTOMA_FUSE_CREATE,
  CLTOMA_FUSE_LINK,
  CLTOMA_FUSE_MKDIR,
  CLTOMA_FUSE_MKNOD,
  CLTOMA_FUSE_OPEN,
  CLTOMA_FUSE_RENAME,
  CLTOMA_FUSE_RMDIR,
  CLTOMA_FUSE_SETATTR,
  CLTOMA_FUSE_SYMLINK,
  CLTOMA_FUSE_TRUNCATE,
  CLTOMA_FUSE_UNLINK,
} from './nodes.ts';
import {
  CLTOMA_SCLASS_CHANGE,
  CLTOMA_SCLASS_CREATE,
  CLTOMA_SCLASS_DELETE,
  CLTOMA_SCLASS_DUPLICATE,
  CLTOMA_SCLASS_RENAME,
} from './sclass.ts';
import {
  CLTOMA_FUSE_APPEND_SLICE,
  CLTOMA_FUSE_ARCHCTL,
  CLTOMA_FUSE_QUOTACONTROL,
  CLTOMA_FUSE_REPAIR,
  CLTOMA_FUSE_SETEATTR,
  CLTOMA_FUSE_SETSCLASS,
  CLTOMA_FUSE_SETTRASHTIME,
  CLTOMA_FUSE_SNAPSHOT,
} from './tools.ts';
import { CLTOMA_FUSE_PURGE, CLTOMA_FUSE_SETTRASHPATH, CLTOMA_FUSE_UNDEL } from './trash.ts';

export const CLTOMA_ALCES_ATTACH = message({
  number: 0x4143_0001,
  name: 'CLTOMA_ALCES_ATTACH',
  link: 'CL',
  direction: 'request',
  purpose: "Alces: this connection takes the place of the session's earlier mount connections, which are closed",
  fields: {},
});

/** `request` is greater than that of any request before with the same msgid; a repeated request has the number that it had. */
export const CLTOMA_ALCES_NUMBERED = message({
  number: 0x4143_0002,
  name: 'CLTOMA_ALCES_NUMBERED',
  link: 'CL',
  direction: 'request',
  purpose: 'Alces: number of the request that follows, which is to be executed once however often it is sent',
  fields: { request: u64 },
});

export const CLTOMA_ALCES_PING = message({
  number: 0x4143_0003,
  name: 'CLTOMA_ALCES_PING',
  link: 'CL',
  direction: 'request',
  purpose: 'Alces: is the master alive? Answered at once, even while answers wait for the journal',
  fields: {},
});

/** `msgid` is 0: the client asked for nothing. */
export const MATOCL_ALCES_PONG = message({
  number: 0x4143_0004,
  name: 'MATOCL_ALCES_PONG',
  link: 'CL',
  direction: 'reply',
  purpose: 'Alces: it is',
  fields: { msgid: u32 },
});

/**
 * The requests that get a number. Those about locks do not: they name their owner, so that repeating them changes nothing, and they may
 * wait for hours.
 */
export const NUMBERED_REQUESTS: ReadonlySet<number> = new Set(
  [
    CLTOMA_FUSE_SETATTR,
    CLTOMA_FUSE_TRUNCATE,
    CLTOMA_FUSE_SYMLINK,
    CLTOMA_FUSE_MKNOD,
    CLTOMA_FUSE_MKDIR,
    CLTOMA_FUSE_UNLINK,
    CLTOMA_FUSE_RMDIR,
    CLTOMA_FUSE_RENAME,
    CLTOMA_FUSE_LINK,
    CLTOMA_FUSE_OPEN,
    CLTOMA_FUSE_CREATE,
    CLTOMA_FUSE_WRITE_CHUNK,
    CLTOMA_FUSE_WRITE_CHUNK_END,
    CLTOMA_FUSE_APPEND_SLICE,
    CLTOMA_FUSE_SETTRASHTIME,
    CLTOMA_FUSE_SETSCLASS,
    CLTOMA_FUSE_REPAIR,
    CLTOMA_FUSE_SNAPSHOT,
    CLTOMA_FUSE_SETEATTR,
    CLTOMA_FUSE_QUOTACONTROL,
    CLTOMA_FUSE_ARCHCTL,
    CLTOMA_FUSE_SETXATTR,
    CLTOMA_FUSE_SETFACL,
    CLTOMA_FUSE_SETTRASHPATH,
    CLTOMA_FUSE_UNDEL,
    CLTOMA_FUSE_PURGE,
    CLTOMA_SCLASS_CREATE,
    CLTOMA_SCLASS_CHANGE,
    CLTOMA_SCLASS_DELETE,
    CLTOMA_SCLASS_DUPLICATE,
    CLTOMA_SCLASS_RENAME,
  ].map(({ number }) => number),
);

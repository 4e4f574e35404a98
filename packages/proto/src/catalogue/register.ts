/** Registration of clients (spec 00 §4). */
import { REGISTER_BLOB } from '../constants.ts';
import { message } from '../message.ts';
import { bytes, bytes32, constant, literal, optional, u8, u16, u32, u64n, whenLeft } from '../schema.ts';

const blob = literal(REGISTER_BLOB);

/** `sessionId` and `metaId` when a session is registered anew; `digest` when there is a password. */
const reRegistration = {
  sessionId: whenLeft([4, 12, 20, 28], u32),
  metaId: whenLeft([8, 24], u64n),
  digest: whenLeft([16], bytes(16)),
};

export const CLTOMA_FUSE_REGISTER = message({
  number: 400,
  name: 'CLTOMA_FUSE_REGISTER',
  link: 'CL',
  direction: 'request',
  purpose: 'register a connection, or close a session',
  layouts: {
    getRandom: { fields: { blob, rcode: constant(1, 1) }, note: 'ask for the random bytes of the password digest' },
    newSession: {
      fields: { blob, rcode: constant(1, 2), version: u32, info: bytes32, path: bytes32, ...reRegistration },
      note: 'mount a directory; info and path with a trailing zero byte',
    },
    reconnect: {
      fields: { blob, rcode: constant(1, 3), sessionId: u32, version: u32, metaId: optional(u64n) },
      note: 'attach to an existing session',
    },
    tools: {
      fields: { blob, rcode: constant(1, 4), sessionId: u32, version: u32, metaId: optional(u64n) },
      note: 'attach as a tool',
    },
    newMetaSession: {
      fields: { blob, rcode: constant(1, 5), version: u32, info: bytes32, ...reRegistration },
      note: 'mount the trash',
    },
    closeSession: {
      fields: { blob, rcode: constant(1, 6), sessionId: u32, metaId: optional(u64n) },
      note: 'unmount',
    },
  },
});

const limits = { minGoal: u8, maxGoal: u8, minTrashTime: u32, maxTrashTime: u32 };
const mapping = { rootUid: u32, rootGid: u32, mapallUid: u32, mapallGid: u32 };

export const MATOCL_FUSE_REGISTER = message({
  number: 401,
  name: 'MATOCL_FUSE_REGISTER',
  link: 'CL',
  direction: 'reply',
  purpose: 'result of the registration; the length tells which',
  layouts: {
    status: { fields: { status: u8 }, note: 'refusal; result of tools and closeSession' },
    reconnected: { fields: { version: u32, status: u8 }, note: 'to reconnect, clients >= 3.0.95' },
    random: { fields: { random: bytes(32) }, note: 'to getRandom' },
    session: {
      fields: {
        version: u32,
        sessionId: u32,
        metaId: u64n,
        sesflags: u8,
        umask: u16,
        ...mapping,
        ...limits,
        disables: u32,
      },
      note: 'to newSession, clients >= 3.0.112',
    },
    session45: {
      fields: { version: u32, sessionId: u32, metaId: u64n, sesflags: u8, umask: u16, ...mapping, ...limits },
      note: 'to newSession, clients 3.0.72 .. 3.0.111',
    },
    session43: {
      fields: { version: u32, sessionId: u32, metaId: u64n, sesflags: u8, ...mapping, ...limits },
      note: 'to newSession, clients 3.0.11 .. 3.0.71',
    },
    session35: {
      fields: { version: u32, sessionId: u32, sesflags: u8, ...mapping, ...limits },
      note: 'to newSession, clients 1.6.26 .. 3.0.10',
    },
    metaSession: {
      fields: { version: u32, sessionId: u32, metaId: u64n, sesflags: u8, ...limits },
      note: 'to newMetaSession, clients >= 3.0.11',
    },
    metaSession19: {
      fields: { version: u32, sessionId: u32, sesflags: u8, ...limits },
      note: 'to newMetaSession, clients 1.6.26 .. 3.0.10',
    },
    redirect: { fields: { leaderIp: u32 }, note: 'commercial edition: connect to the leader; 0: wait' },
  },
});

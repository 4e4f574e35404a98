/**
 * What Alces masters, their standbys and Alces chunkservers say to each other beyond the protocol of MooseFS
 * (docs/decisions/0160). A chunkserver asks any master for its version with `ALCES_MSGID` once its BEGIN was accepted; an Alces
 * master knows by that whom it has before it, and answers with `ALCES_VERSION_STRING` and MATOCS_ALCES_NODES. Towards a standby
 * (a journal node that follows, port 9427) the first message is CSTOMA_ALCES_STANDBY; then the usual registration follows.
 */
import { message } from '../message.ts';
import { bytes8, list8, record, u8, u16, u32, u64 } from '../schema.ts';

/** Port on which the nodes that follow take registrations of Alces chunkservers. */
export const STANDBY_PORT = 9427;

export const MATOCS_ALCES_NODES = message({
  number: 0x4143_0001,
  name: 'MATOCS_ALCES_NODES',
  link: 'CS',
  direction: 'reply',
  purpose:
    'Alces: epoch of the leader (0: there is only one master), how often each side says something, and the nodes that follow',
  fields: { epoch: u64, pingMs: u32, nodes: list8(record({ host: bytes8, port: u16 })) },
});

export const MATOCS_ALCES_LEAD = message({
  number: 0x4143_0002,
  name: 'MATOCS_ALCES_LEAD',
  link: 'CS',
  direction: 'reply',
  purpose: 'Alces: the node followed so far and leads now; orders of older epochs are void',
  fields: { epoch: u64 },
});

export const MATOCS_ALCES_LEADER = message({
  number: 0x4143_0005,
  name: 'MATOCS_ALCES_LEADER',
  link: 'CS',
  direction: 'reply',
  purpose: 'Alces: a node that follows has heard of a leader: its epoch and its host',
  fields: { epoch: u64, host: bytes8 },
});

export const CSTOMA_ALCES_SYNCED = message({
  number: 0x4143_0003,
  name: 'CSTOMA_ALCES_SYNCED',
  link: 'CS',
  direction: 'request',
  purpose:
    'Alces: orders of older epochs are done, and everything they changed was told; `scanned` 1: no disk is still being looked through',
  fields: { epoch: u64, scanned: u8 },
});

export const CSTOMA_ALCES_STANDBY = message({
  number: 0x4143_0004,
  name: 'CSTOMA_ALCES_STANDBY',
  link: 'CS',
  direction: 'request',
  purpose: 'Alces: a registration with a node that follows begins; `protocol` is 1',
  fields: { protocol: u32 },
});

/** Summaries and lists that monitors ask for on CL (spec 70 §3, spec 00 §4.11, §5.9). */
import { message } from '../message.ts';
import {
  array,
  bytes32,
  type FieldMap,
  listOf,
  listRest,
  optional,
  record,
  sized32,
  u8,
  u16,
  u32,
  u64,
  u64cap,
  u64n,
  whenLeft,
} from '../schema.ts';
import { request } from './shared.ts';

function reply<const F extends FieldMap>(number: number, name: string, purpose: string, fields: F) {
  return message({ number, name, link: 'CL', direction: 'reply', purpose, fields });
}

export const CLTOMA_CSERV_LIST = request(500, 'CLTOMA_CSERV_LIST', 'list chunkservers', {});

/** `flags`: 1 disconnected, 2 maintenance, 4 temporary. The minor version is doubled, as in version words. */
export const MATOCL_CSERV_LIST = reply(501, 'MATOCL_CSERV_LIST', 'chunkservers', {
  servers: listRest(
    record({
      flags: u8,
      versionMajor: u8,
      versionMiddle: u8,
      versionMinor: u8,
      ip: u32,
      port: u16,
      csid: u16,
      usedSpace: u64cap,
      totalSpace: u64cap,
      chunks: u32,
      tdUsedSpace: u64cap,
      tdTotalSpace: u64cap,
      tdChunks: u32,
      errorCount: u32,
      load: u32,
      graceTime: u32,
      labelMask: u32,
      mfrStatus: u8,
    }),
  ),
});

export const CLTOMA_SESSION_LIST = request(508, 'CLTOMA_SESSION_LIST', 'list sessions; vmode 0 if absent', {
  vmode: optional(u8),
});

const sessionHead = { sessionId: u32, ip: u32, version: u32 };
const sessionConnections = { openFiles: u32, nsocks: u8, expire: u32 };
const sessionPlace = { info: bytes32, path: bytes32, sesflags: u8 };
const mapping = { rootUid: u32, rootGid: u32, mapallUid: u32, mapallGid: u32 };
const limits = { minGoal: u8, maxGoal: u8, minTrashTime: u32, maxTrashTime: u32 };
/** As many counters as `stats` says. */
const counters = { current: listOf('stats', u32), last: listOf('stats', u32) };

/** The layout follows from the request's vmode; pass it in the context where it is known. */
export const MATOCL_SESSION_LIST = message({
  number: 509,
  name: 'MATOCL_SESSION_LIST',
  link: 'CL',
  direction: 'reply',
  purpose: 'sessions with their parameters and operation counters',
  ambiguous: true,
  layouts: {
    vmode4: {
      fields: {
        stats: u16,
        sessions: listRest(
          record({
            ...sessionHead,
            ...sessionConnections,
            ...sessionPlace,
            umask: u16,
            ...mapping,
            ...limits,
            disables: u32,
            ...counters,
          }),
        ),
      },
    },
    vmode3: {
      fields: {
        stats: u16,
        sessions: listRest(
          record({
            ...sessionHead,
            ...sessionConnections,
            ...sessionPlace,
            umask: u16,
            ...mapping,
            ...limits,
            ...counters,
          }),
        ),
      },
    },
    vmode2: {
      fields: {
        stats: u16,
        sessions: listRest(
          record({ ...sessionHead, ...sessionConnections, ...sessionPlace, ...mapping, ...limits, ...counters }),
        ),
      },
    },
    vmode1: {
      fields: {
        stats: u16,
        sessions: listRest(record({ ...sessionHead, ...sessionPlace, ...mapping, ...limits, ...counters })),
      },
    },
    vmode0: {
      fields: {
        stats: u16,
        sessions: listRest(record({ ...sessionHead, ...sessionPlace, ...mapping, ...counters })),
      },
    },
  },
});

export const CLTOMA_INFO = request(510, 'CLTOMA_INFO', 'ask for the summary', {});

/** `freeSpace` may have wrapped modulo 2^64 in a stock master. */
const summary = {
  version: u32,
  memoryUsed: u64cap,
  systemCpu: u64cap,
  userCpu: u64cap,
  totalSpace: u64cap,
  availSpace: u64cap,
  freeSpace: u64n,
  trashSpace: u64cap,
  trashNodes: u32,
  sustainedSpace: u64cap,
  sustainedNodes: u32,
  allNodes: u32,
  dirNodes: u32,
  fileNodes: u32,
  chunks: u32,
  chunkCopies: u32,
  regularCopies: u32,
  lastStoreTime: u32,
  lastStoreDurationMs: u32,
  lastStoreStatus: u8,
  state: u8,
  nextState: u8,
  stable: u8,
  sync: u8,
  leaderIp: u32,
  stateChangeTime: u32,
  metaVersion: u64,
};

export const MATOCL_INFO = message({
  number: 511,
  name: 'MATOCL_INFO',
  link: 'CL',
  direction: 'reply',
  purpose: 'summary of the master; the four states are 0xFF',
  layouts: {
    data: { fields: { ...summary, exportsChecksum: u64n, timeUs: u64, lastChangelogTime: u32 } },
    noChangelogTime: { fields: { ...summary, exportsChecksum: u64n }, note: 'older masters' },
  },
});

export const CLTOMA_FSTEST_INFO = request(512, 'CLTOMA_FSTEST_INFO', 'ask for results of the file loop', {
  mode: optional(u8),
});

export const MATOCL_FSTEST_INFO = message({
  number: 513,
  name: 'MATOCL_FSTEST_INFO',
  link: 'CL',
  direction: 'reply',
  purpose: 'results of the last file loop',
  ambiguous: true,
  layouts: {
    data: {
      fields: {
        loopStart: u32,
        loopEnd: u32,
        files: u32,
        underGoalFiles: u32,
        missingFiles: u32,
        missingTrashFiles: u32,
        missingSustainedFiles: u32,
        chunks: u32,
        underGoalChunks: u32,
        missingChunks: u32,
        messages: bytes32,
      },
      note: 'the request had a byte',
    },
    short: {
      fields: {
        loopStart: u32,
        loopEnd: u32,
        files: u32,
        underGoalFiles: u32,
        missingFiles: u32,
        chunks: u32,
        underGoalChunks: u32,
        missingChunks: u32,
        messages: bytes32,
      },
    },
  },
});

export const CLTOMA_CHUNKSTEST_INFO = request(514, 'CLTOMA_CHUNKSTEST_INFO', 'ask for results of the chunk loop', {});
export const MATOCL_CHUNKSTEST_INFO = reply(515, 'MATOCL_CHUNKSTEST_INFO', 'results of the last chunk loop', {
  loopStart: u32,
  loopEnd: u32,
  delInvalid: u32,
  noDelInvalid: u32,
  delUnused: u32,
  noDelUnused: u32,
  delDiskClean: u32,
  noDelDiskClean: u32,
  delOverGoal: u32,
  noDelOverGoal: u32,
  copyUnderGoal: u32,
  noCopyUnderGoal: u32,
  copyWrongLabels: u32,
  noCopyWrongLabels: u32,
  copyRebalance: u32,
  labelsDontMatch: u32,
  lockedUnused: u32,
  lockedUsed: u32,
});

/** 11 rows (goal 0..10) of 11 columns (copies 0..10). */
const matrix = array(121, u32);

export const CLTOMA_CHUNKS_MATRIX = request(516, 'CLTOMA_CHUNKS_MATRIX', 'ask for chunks by goal and copies', {
  matrix: optional(u8),
});
export const MATOCL_CHUNKS_MATRIX = message({
  number: 517,
  name: 'MATOCL_CHUNKS_MATRIX',
  link: 'CL',
  direction: 'reply',
  purpose: 'numbers of chunks by goal (row) and copies (column)',
  layouts: {
    both: { fields: { progress: u8, all: matrix, regular: matrix } },
    one: { fields: { counts: matrix }, note: 'the request named a matrix' },
  },
});

export const CLTOMA_QUOTA_INFO = request(518, 'CLTOMA_QUOTA_INFO', 'list quotas', {});
export const MATOCL_QUOTA_INFO = reply(519, 'MATOCL_QUOTA_INFO', 'quotas with limits and usage', {
  quotas: listRest(
    record({
      inode: u32,
      path: bytes32,
      grace: u32,
      exceeded: u8,
      qflags: u8,
      timeToBlock: u32,
      softInodes: u32,
      softLength: u64cap,
      softSize: u64cap,
      softRealsize: u64cap,
      hardInodes: u32,
      hardLength: u64cap,
      hardSize: u64cap,
      hardRealsize: u64cap,
      inodes: u32,
      length: u64cap,
      size: u64cap,
      realsize: u64cap,
    }),
  ),
});

export const CLTOMA_EXPORTS_INFO = request(520, 'CLTOMA_EXPORTS_INFO', 'list exports; vmode 0 if absent', {
  vmode: optional(u8),
});

const exportHead = { fromIp: u32, toIp: u32, path: bytes32, minVersion: u32, extraFlags: u8, sesflags: u8 };

/** The layout follows from the request's vmode; pass it in the context where it is known. */
export const MATOCL_EXPORTS_INFO = message({
  number: 521,
  name: 'MATOCL_EXPORTS_INFO',
  link: 'CL',
  direction: 'reply',
  purpose: 'exports, in file order',
  ambiguous: true,
  layouts: {
    vmode3: {
      fields: { exports: listRest(record({ ...exportHead, umask: u16, ...mapping, ...limits, disables: u32 })) },
    },
    vmode2: { fields: { exports: listRest(record({ ...exportHead, umask: u16, ...mapping, ...limits })) } },
    vmode1: { fields: { exports: listRest(record({ ...exportHead, ...mapping, ...limits })) } },
    vmode0: { fields: { exports: listRest(record({ ...exportHead, ...mapping })) } },
  },
});

export const CLTOMA_MLOG_LIST = request(522, 'CLTOMA_MLOG_LIST', 'list metaloggers', {});
export const MATOCL_MLOG_LIST = reply(523, 'MATOCL_MLOG_LIST', 'connected metaloggers', {
  metaloggers: listRest(record({ version: u32, ip: u32 })),
});

/** Without `cmd`: remove, and an answer without status. */
export const CLTOMA_CSSERV_COMMAND = request(524, 'CLTOMA_CSSERV_COMMAND', 'maintenance command for a chunkserver', {
  cmd: whenLeft([7], u8),
  ip: u32,
  port: u16,
});
export const MATOCL_CSSERV_COMMAND = reply(525, 'MATOCL_CSSERV_COMMAND', 'result', { status: optional(u8) });

export const CLTOMA_SESSION_COMMAND = request(526, 'CLTOMA_SESSION_COMMAND', 'remove a session', {
  cmd: u8,
  sessionId: u32,
});
export const MATOCL_SESSION_COMMAND = reply(527, 'MATOCL_SESSION_COMMAND', 'result', { status: u8 });

export const CLTOMA_MEMORY_INFO = request(528, 'CLTOMA_MEMORY_INFO', 'ask for memory use', {});

/** In this order. */
export const MEMORY_INFO_OBJECTS: readonly string[] = [
  'chunk hash',
  'chunks',
  'cs lists',
  'edge hash',
  'edges',
  'node hash',
  'nodes',
  'deleted nodes',
  'chunk tabs',
  'symlinks',
  'quota',
];
export const MATOCL_MEMORY_INFO = reply(529, 'MATOCL_MEMORY_INFO', 'bytes by kind of object (MEMORY_INFO_OBJECTS)', {
  objects: listRest(record({ allocated: u64cap, used: u64cap })),
});

export const CLTOMA_MASS_RESOLVE_PATHS = request(536, 'CLTOMA_MASS_RESOLVE_PATHS', 'ask for paths of inodes', {
  inodes: listRest(u32),
});
export const MATOCL_MASS_RESOLVE_PATHS = reply(537, 'MATOCL_MASS_RESOLVE_PATHS', 'paths of inodes', {
  nodes: listRest(record({ inode: u32, paths: sized32(listRest(bytes32)) })),
});

export const CLTOMA_MISSING_CHUNKS = request(544, 'CLTOMA_MISSING_CHUNKS', 'list missing chunks', {
  mode: optional(u8),
});

const missingChunk = { chunkId: u64, inode: u32, index: u32 };

/** The layout follows from the request; pass it in the context where it is known. */
export const MATOCL_MISSING_CHUNKS = message({
  number: 545,
  name: 'MATOCL_MISSING_CHUNKS',
  link: 'CL',
  direction: 'reply',
  purpose: 'missing chunks; type 0 no copy, 1 invalid copies, 2 wrong versions',
  ambiguous: true,
  layouts: {
    typed: { fields: { chunks: listRest(record({ ...missingChunk, type: u8 })) }, note: 'mode 1' },
    plain: { fields: { chunks: listRest(record(missingChunk)) }, note: 'mode 0' },
  },
});

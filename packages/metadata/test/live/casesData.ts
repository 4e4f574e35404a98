import {
  CLTOMA_FUSE_AMTIME_INODES,
  CLTOMA_FUSE_APPEND_SLICE,
  CLTOMA_FUSE_OPEN,
  CLTOMA_FUSE_STATFS,
  CLTOMA_FUSE_SUSTAINED_INODES,
  CLTOMA_FUSE_TRUNCATE,
  CLTOMA_FUSE_WRITE_CHUNK,
  CLTOMA_FUSE_WRITE_CHUNK_END,
  MATOCL_FUSE_OPEN,
  MATOCL_FUSE_STATFS,
  MATOCL_FUSE_TRUNCATE,
  Status,
} from '@alces/proto';
import {
  compareOpenFiles,
  finishTruncate,
  planAmtime,
  planAppendSlice,
  planOpen,
  planTruncate,
  planWriteChunk,
  planWriteEnd,
  statfs,
} from '../../src/index.ts';
import { answerStatus, type Case, type CaseMaker } from './case.ts';
import type { Mirror } from './mirror.ts';

const MSGID = 9;
const CHUNK = 0x400_0000;
const RELATIVE_ATIME = 2;
const LENGTHS = [0, 1, 100, 65536, 70_000, CHUNK, CHUNK + 1, CHUNK * 2, CHUNK * 3 - 7];

/** Requests about the data of files. */
export const dataCases: Record<string, (source: CaseMaker) => Case> = {
  open(source) {
    const flags = source.dice.pick([1, 2, 3, 5, 7, 9, 10, 0, 0x11, 8]);
    const request = { msgid: MSGID, inode: source.file(), ...source.caller(), flags };
    return {
      frame: CLTOMA_FUSE_OPEN.encode(request),
      run(m) {
        const context = m.context(request.uid, request.gids);
        const plan = planOpen(m.state, context, request);
        if (typeof plan === 'number') {
          return answerStatus(MSGID, plan);
        }
        plan.forEach((operation) => m.commit(operation));
        const attr = m.attributes(context, request.inode);
        const eattr = m.state.nodes.eattr.get(m.state.nodes.find(request.inode));
        const oflags = (eattr & 0x08 ? 2 : 0) | (eattr & 0x40 ? 4 : 0);
        return MATOCL_FUSE_OPEN.encode({ layout: 'data', msgid: MSGID, oflags, attr });
      },
      normalize: withoutKeepCache,
    };
  },
  truncate(source) {
    const flags = source.dice.pick([0, 0, 0, 1, 1, 3, 4, 0x0b]);
    const request = {
      msgid: MSGID,
      inode: source.file(),
      flags,
      ...source.caller(),
      length: source.dice.pick(LENGTHS),
    };
    return {
      frame: CLTOMA_FUSE_TRUNCATE.encode(request),
      isDangerous: () => (request.flags & 8) !== 0, // reservations live in the master's memory
      run: (m) => truncate(m, request),
    };
  },
  writeChunk(source) {
    const index = source.dice.pick([0, 0, 0, 1, 2, 5]);
    const request = { msgid: MSGID, inode: source.file(), index, flags: 4 };
    return {
      frame: CLTOMA_FUSE_WRITE_CHUNK.encode(request),
      run(m) {
        const target = planWriteChunk(m.state, m.context(), request, true);
        if (typeof target === 'number') {
          return answerStatus(MSGID, target);
        }
        if (m.realWrite === undefined) {
          return isChunkTrouble(m.realStatus) ? answerStatus(MSGID, m.realStatus) : undefined;
        }
        const { opflag, chtime } = m.realWrite;
        m.commit({ op: 'WRITE', inode: target.inode, index, opflag, chtime, chunkid: 0 });
        return undefined;
      },
      normalize: (payload) => (payload.length === 5 ? payload : Buffer.alloc(0)),
    };
  },
  writeEnd: (source) => writeEnd(source, source.dice.pick(LENGTHS)),
  unlock: (source) => writeEnd(source, 0),
  appendSlice(source) {
    const base = { msgid: MSGID, flags: source.dice.below(4), dst: source.file(), src: source.file() };
    const request = {
      ...base,
      from: source.dice.below(3),
      to: source.dice.pick([0, 1, 2, 0x80000000]),
      ...source.caller(),
    };
    return {
      frame: CLTOMA_FUSE_APPEND_SLICE.encode(request),
      run(m) {
        const plan = planAppendSlice(m.state, m.context(request.uid, request.gids), request);
        if (typeof plan === 'number') {
          return answerStatus(MSGID, plan);
        }
        m.commit(plan);
        return answerStatus(MSGID, Status.OK);
      },
    };
  },
  statfs() {
    return {
      frame: CLTOMA_FUSE_STATFS.encode({ msgid: MSGID }),
      run(m) {
        const space = { total: 1e15, avail: 1e15, free: 1e15 };
        return MATOCL_FUSE_STATFS.encode({ layout: 'data', msgid: MSGID, ...statfs(m.state, m.context(), space) });
      },
      normalize: (payload) => payload.subarray(28), // the space of the chunkservers changes
    };
  },
  amtime(source) {
    const time = (): number => source.dice.pick([0, source.now(), source.now() + 5, source.now() - 100_000]);
    const entries = [0, 0].map(() => ({ inode: source.inode(), atime: time(), mtime: time() }));
    return {
      frame: CLTOMA_FUSE_AMTIME_INODES.encode({ entries }),
      run(m) {
        for (const report of entries) {
          const operation = planAmtime(m.state, m.context(), report, RELATIVE_ATIME);
          if (operation !== undefined) {
            m.commit(operation);
          }
        }
        return undefined;
      },
    };
  },
  sustained(source) {
    const inodes = Array.from({ length: source.dice.below(6) }, () => source.file());
    return {
      frame: CLTOMA_FUSE_SUSTAINED_INODES.encode({ inodes }),
      isDangerous: () => new Set(inodes).size !== inodes.length,
      run(m) {
        const { closed, opened } = compareOpenFiles(m.state, m.sessionId, inodes);
        closed.forEach((inode) => m.commit({ op: 'RELEASE', sessionid: m.sessionId, inode }));
        opened.forEach((inode) => m.commit({ op: 'ACQUIRE', sessionid: m.sessionId, inode }));
        return undefined;
      },
    };
  },
};

function writeEnd(source: CaseMaker, length: number): Case {
  const { inode, chunkId } = source.written;
  const request = { msgid: MSGID, chunkId, inode, index: 0, length, flags: 0 };
  return {
    frame: CLTOMA_FUSE_WRITE_CHUNK_END.encode(request),
    isDangerous: (m) => m.state.chunks.find(chunkId) === 0, // the real master logs an UNLOCK that cannot be replayed
    run(m) {
      const plan = planWriteEnd(m.state, m.context(), request, 0);
      plan.operations.forEach((operation) => m.commit(operation));
      return answerStatus(MSGID, plan.status);
    },
  };
}

/** Whether a status comes from chunkservers or locks, which this package does not know. */
function isChunkTrouble(status: number): boolean {
  const { EAGAIN, NOSPACE, NOCHUNKSERVERS, CHUNKLOST, CSNOTPRESENT, LOCKED, CHUNKBUSY, NOTDONE } = Status;
  return [EAGAIN, NOSPACE, NOCHUNKSERVERS, CHUNKLOST, CSNOTPRESENT, LOCKED, CHUNKBUSY, NOTDONE].some(
    (s) => s === status,
  );
}

function truncate(
  m: Mirror,
  request: { inode: number; flags: number; uid: number; gids: number[]; length: number },
): Buffer | undefined {
  const context = m.context(request.uid, request.gids);
  const plan = planTruncate(m.state, context, request, () => 0);
  if (typeof plan === 'number') {
    return answerStatus(MSGID, plan);
  }
  if (plan.kind === 'chunk') {
    if (isChunkTrouble(m.realStatus)) {
      return answerStatus(MSGID, m.realStatus);
    }
    const trunc = { op: 'TRUNC', inode: plan.inode, index: plan.index, chunkid: 0 } as const;
    const operation: { op: 'TRUNC'; inode: number; index: number; chunkid: number } = { ...trunc };
    m.commit(operation);
    m.commit({ op: 'UNLOCK', chunkid: operation.chunkid });
  }
  const prevLength = m.state.nodes.length.get(plan.row);
  const length = finishTruncate(m.state, plan.inode, request);
  if (length !== undefined) {
    m.commit(length);
  }
  return MATOCL_FUSE_TRUNCATE.encode({
    layout: 'data',
    msgid: MSGID,
    prevLength,
    attr: m.attributes(context, plan.inode),
  });
}

/** OPEN answers depend on the master's table of data caches: KEEPCACHE and ALLOWDATACACHE are left out. */
function withoutKeepCache(payload: Buffer): Buffer {
  if (payload.length < 6) {
    return payload;
  }
  const copy = Buffer.from(payload);
  copy[4] &= ~0x01;
  copy[5] &= ~0x04;
  return copy;
}

import * as proto from '@alces/proto';
import {
  type Counters,
  type CountsByKind,
  countArchived,
  countClasses,
  countEattrs,
  countTrashtimes,
  detachedAttributes,
  directoryStats,
  getAcl,
  getXattr,
  listSustained,
  listTrash,
  planArchctl,
  planPurge,
  planQuotaAccess,
  planRemoveQuota,
  planSclassChange,
  planSclassCreate,
  planSclassDelete,
  planSclassDuplicate,
  planSclassRename,
  planSeteattr,
  planSetfacl,
  planSetQuota,
  planSetsclass,
  planSettrashpath,
  planSettrashtime,
  planSetxattr,
  planSnapshot,
  planUndel,
  quotaState,
  trashPath,
} from '../../src/index.ts';
import { answerStatus, type Case, type CaseMaker } from './case.ts';
import type { Mirror } from './mirror.ts';

const MSGID = 11;
const { Status } = proto;

/** Commits a plan of one operation and answers with the status. */
function simple<O extends Parameters<Mirror['commit']>[0]>(
  frame: Buffer,
  plan: (m: Mirror) => number | O,
  isDangerous: (m: Mirror) => boolean = () => false,
): Case {
  return {
    frame,
    isDangerous,
    run(m) {
      const planned = plan(m);
      if (typeof planned === 'number') {
        return answerStatus(MSGID, planned);
      }
      m.commit(planned);
      return answerStatus(MSGID, Status.OK);
    },
  };
}

function counters(message: typeof proto.MATOCL_FUSE_SETEATTR, counted: Counters): Buffer {
  const { changed, unchanged: notChanged, denied: notPermitted } = counted;
  return message.encode({ layout: 'data', msgid: MSGID, changed, notChanged, notPermitted });
}

function masks(source: CaseMaker, copies: number): number[][] {
  return Array.from({ length: copies }, () => [source.dice.below(4), source.dice.below(4), 0, 0]);
}

function classDefinition(source: CaseMaker) {
  const { dice } = source;
  const create = masks(source, 1 + dice.below(3));
  const keep = masks(source, 1 + dice.below(3));
  const arch = masks(source, 1 + dice.below(3));
  return {
    wire: {
      adminOnly: dice.below(2),
      mode: dice.below(3),
      archDelay: dice.below(100),
      ncreate: create.length,
      nkeep: keep.length,
      narch: arch.length,
      create,
      keep,
      arch,
    },
    definition(adminonly: number, mode: number, archdelay: number) {
      return { adminonly, mode, archdelay, createMasks: create.flat(), keepMasks: keep.flat(), archMasks: arch.flat() };
    },
  };
}

/** Requests of the tools, the meta mount, and about attributes beside the plain ones. */
export const toolCases: Record<string, (source: CaseMaker) => Case> = {
  setxattr(source) {
    const name = Buffer.from(source.dice.pick(['user.a', 'user.b', 'trusted.x', 'security.y', 'system.z', 'user.n\0']));
    const base = { msgid: MSGID, inode: source.inode(), name, value: Buffer.from('v'.repeat(source.dice.below(100))) };
    const request = { ...base, mode: source.dice.below(5), opened: source.dice.below(2), ...source.caller() };
    return simple(proto.CLTOMA_FUSE_SETXATTR.encode(request), (m) =>
      planSetxattr(m.state, m.context(request.uid, request.gids), request),
    );
  },
  getxattr(source) {
    const name = Buffer.from(source.dice.pick(['user.a', 'user.b', 'trusted.x', 'security.y', '', '', 'a\0']));
    const base = { msgid: MSGID, inode: source.inode(), name, mode: source.dice.below(3) };
    const request = { ...base, opened: source.dice.below(2), ...source.caller() };
    return {
      frame: proto.CLTOMA_FUSE_GETXATTR.encode(request),
      run(m) {
        const value = getXattr(m.state, m.context(request.uid, request.gids), request);
        if (typeof value === 'number') {
          return answerStatus(MSGID, value);
        }
        return request.mode === 0
          ? proto.MATOCL_FUSE_GETXATTR.encode({ layout: 'value', msgid: MSGID, value: Buffer.from(value) })
          : proto.MATOCL_FUSE_GETXATTR.encode({ layout: 'length', msgid: MSGID, length: value.length });
      },
    };
  },
  setfacl(source) {
    const { dice } = source;
    const absent = dice.chance(0.15);
    const part = (): number => (absent || dice.chance(0.1) ? 65535 : dice.below(8));
    const named = (count: number): { id: number; perm: number }[] =>
      Array.from({ length: count }, () => ({ id: dice.pick([1000, 1001, 5]), perm: dice.below(8) }));
    const users = named(absent ? 0 : dice.below(3));
    const groups = named(absent ? 0 : dice.below(3));
    const base = { msgid: MSGID, inode: source.inode(), uid: source.uid(), aclType: 1 + dice.below(2) };
    const acl = { user: part(), group: part(), other: part(), mask: part() };
    const request = { ...base, ...acl, nusers: users.length, ngroups: groups.length, users, groups };
    const entries = Buffer.alloc((users.length + groups.length) * 6);
    [...users, ...groups].forEach(({ id, perm }, i) => {
      entries.writeUInt32BE(id, i * 6);
      entries.writeUInt16BE(perm, i * 6 + 4);
    });
    return simple(proto.CLTOMA_FUSE_SETFACL.encode(request), (m) =>
      planSetfacl(m.state, m.context(request.uid), { ...request, entries }),
    );
  },
  getfacl(source) {
    const request = { msgid: MSGID, inode: source.inode(), aclType: 1 + source.dice.below(3) };
    return {
      frame: proto.CLTOMA_FUSE_GETFACL.encode(request),
      run(m) {
        const acl = getAcl(m.state, m.context(), request);
        if (typeof acl === 'number') {
          return answerStatus(MSGID, acl);
        }
        const named = Array.from({ length: acl.nusers + acl.ngroups }, (_, i) => ({
          id: acl.entries.readUInt32BE(i * 6),
          perm: acl.entries.readUInt16BE(i * 6 + 4),
        }));
        const lists = { users: named.slice(0, acl.nusers), groups: named.slice(acl.nusers) };
        return proto.MATOCL_FUSE_GETFACL.encode({ layout: 'data', msgid: MSGID, ...acl, ...lists });
      },
    };
  },
  snapshot(source) {
    const { dice } = source;
    const deletes = dice.chance(0.35);
    const target =
      deletes || dice.chance(0.4) ? source.existingEntry() : { parent: source.directory(), name: source.name() };
    const smode = (deletes ? 0x80 : 0) | dice.below(16);
    const base = { msgid: MSGID, src: deletes ? 0 : source.inode(), dstParent: target.parent, dstName: target.name };
    const request = { ...base, ...source.caller(), smode, umask: dice.pick([0, 0o22]) };
    return simple(proto.CLTOMA_FUSE_SNAPSHOT.encode(request), (m) =>
      planSnapshot(m.state, m.context(request.uid, request.gids), request),
    );
  },
  gettrashtime: (source) =>
    counting(source, proto.CLTOMA_FUSE_GETTRASHTIME, countTrashtimes, ({ files, directories }) => {
      const list = (counts: CountsByKind['files']) => counts.map(([seconds, count]) => ({ seconds, count }));
      const lists = { files: list(files), dirs: list(directories) };
      const heads = { nfiles: files.length, ndirs: directories.length };
      return proto.MATOCL_FUSE_GETTRASHTIME.encode({ layout: 'data', msgid: MSGID, ...heads, ...lists });
    }),
  getsclass: (source) =>
    counting(source, proto.CLTOMA_FUSE_GETSCLASS, countClasses, ({ files, directories }, m) => {
      const list = (counts: CountsByKind['files']) =>
        counts.map(([id, count]) => ({
          goal: id < 10 ? id : 0xff,
          name: id < 10 ? undefined : m.state.storageClasses.get(id)?.name,
          count,
        }));
      const lists = { files: list(files), dirs: list(directories) };
      const heads = { nfiles: files.length, ndirs: directories.length };
      return proto.MATOCL_FUSE_GETSCLASS.encode({ layout: 'data', msgid: MSGID, ...heads, ...lists } as never);
    }),
  geteattr: (source) =>
    counting(source, proto.CLTOMA_FUSE_GETEATTR, countEattrs, ({ files, directories }) => {
      const list = (counts: CountsByKind['files']) => counts.map(([eattr, count]) => ({ eattr, count }));
      const lists = { files: list(files), dirs: list(directories) };
      const heads = { nfiles: files.length, ndirs: directories.length };
      return proto.MATOCL_FUSE_GETEATTR.encode({ layout: 'data', msgid: MSGID, ...heads, ...lists });
    }),
  settrashtime(source) {
    const seconds = source.dice.pick([0, 0, 3600, 3601, 86400, 172800, 4294967295]);
    const request = { msgid: MSGID, inode: source.inode(), uid: source.uid(), seconds, smode: source.dice.below(9) };
    return {
      frame: proto.CLTOMA_FUSE_SETTRASHTIME.encode(request),
      run(m) {
        const plan = planSettrashtime(m.state, m.context(request.uid), request);
        if (typeof plan === 'number') {
          return answerStatus(MSGID, plan);
        }
        m.commit(plan);
        return counters(proto.MATOCL_FUSE_SETTRASHTIME, plan);
      },
    };
  },
  seteattr(source) {
    const eattr = source.dice.pick([0, 1, 4, 5, 8, 0x10, 0x1f, 0x20, 0x40, 0x80, 0xff]);
    const smode = source.dice.pick([0, 1, 2, 2, 2, 3, 4, 5, 6, 6, 7, 8]);
    const request = {
      msgid: MSGID,
      inode: source.inode(),
      uid: source.uid(),
      eattr: smode & 1 ? eattr & 0x1f : eattr,
      smode,
    };
    return {
      frame: proto.CLTOMA_FUSE_SETEATTR.encode(request),
      run(m) {
        const plan = planSeteattr(m.state, m.context(request.uid), request);
        if (typeof plan === 'number') {
          return answerStatus(MSGID, plan);
        }
        m.commit(plan);
        return counters(proto.MATOCL_FUSE_SETEATTR, plan);
      },
    };
  },
  setsclass(source) {
    const goal = source.dice.pick([1, 2, 3, 5, 9, 0, 10]);
    const request = { msgid: MSGID, inode: source.inode(), uid: source.uid(), goal, smode: source.dice.below(9) };
    return {
      frame: proto.CLTOMA_FUSE_SETSCLASS.encode({ layout: 'goal', ...request }),
      isDangerous: (m) => [...m.state.storageClasses.entries()].some(([, c]) => c.adminonly),
      run(m) {
        const isGoal = goal >= 1 && goal <= 9;
        const wanted = { ...request, srcClass: goal, dstClass: goal };
        const plan = isGoal ? planSetsclass(m.state, m.context(request.uid), wanted) : Status.EINVAL;
        if (typeof plan === 'number') {
          return answerStatus(MSGID, m.context().session.disables & proto.Disable.SETSCLASS ? Status.EPERM : plan);
        }
        plan.operations.forEach((operation) => m.commit(operation));
        return counters(proto.MATOCL_FUSE_SETSCLASS as never, plan.counters ?? plan.operations[0]);
      },
    };
  },
  archctl(source) {
    const request = { msgid: MSGID, inode: source.inode(), cmd: source.dice.below(2), uid: source.uid() };
    return {
      frame: proto.CLTOMA_FUSE_ARCHCTL.encode(request),
      run(m) {
        const plan = planArchctl(m.state, m.context(request.uid), request);
        if (typeof plan === 'number') {
          return answerStatus(MSGID, plan);
        }
        m.commit(plan);
        const { changed: changedChunks, unchanged: notChangedChunks, denied: notPermitted } = plan;
        const layout = { layout: 'changes', msgid: MSGID } as const;
        return proto.MATOCL_FUSE_ARCHCTL.encode({ ...layout, changedChunks, notChangedChunks, notPermitted });
      },
    };
  },
  archget(source) {
    const request = { msgid: MSGID, inode: source.inode(), cmd: 2, uid: undefined };
    return {
      frame: proto.CLTOMA_FUSE_ARCHCTL.encode(request),
      run(m) {
        const counts = countArchived(m.state, m.context(), request.inode);
        if (typeof counts === 'number') {
          return answerStatus(MSGID, counts);
        }
        return proto.MATOCL_FUSE_ARCHCTL.encode({
          layout: 'state',
          msgid: MSGID,
          archChunks: counts.archivedChunks,
          notArchChunks: counts.otherChunks,
          archInodes: counts.archivedFiles,
          partInodes: counts.partlyFiles,
          notArchInodes: counts.otherFiles,
        });
      },
    };
  },
  dirstats(source) {
    const request = { msgid: MSGID, inode: source.inode() };
    return {
      frame: proto.CLTOMA_FUSE_GETDIRSTATS.encode(request),
      run(m) {
        const stats = directoryStats(m.state, m.context(), request.inode);
        return typeof stats === 'number'
          ? answerStatus(MSGID, stats)
          : proto.MATOCL_FUSE_GETDIRSTATS.encode({ layout: 'data', msgid: MSGID, ...stats } as never);
      },
    };
  },
  quota(source) {
    const { dice } = source;
    const inode = dice.chance(0.8) ? source.directory() : source.inode();
    const qflags = dice.pick([0, 1, 0x10, 0x22, 0xff, 0x0f, dice.below(256)]);
    const limits = {
      softInodes: dice.below(300),
      softLength: dice.below(1e9),
      softSize: dice.below(1e10),
      softRealsize: dice.below(3e10),
      hardInodes: dice.below(500),
      hardLength: dice.below(1e10),
      hardSize: dice.below(1e10),
      hardRealsize: dice.below(3e10),
    };
    const removes = qflags === 0 || dice.chance(0.7); // a "set" of nothing changes the grace period without an entry
    const request = removes
      ? ({ layout: 'remove', msgid: MSGID, inode, qflags } as const)
      : ({ layout: 'set', msgid: MSGID, inode, qflags, grace: dice.pick([0, 1, 100]), ...limits } as const);
    return {
      frame: proto.CLTOMA_FUSE_QUOTACONTROL.encode(request),
      run: (m) => quota(m, request),
    };
  },
  gettrash() {
    const request = { msgid: MSGID, bucket: 4096 };
    return {
      frame: proto.CLTOMA_FUSE_GETTRASH.encode(request),
      run(m) {
        const entries = listTrash(m.state, m.context(), request.bucket);
        return typeof entries === 'number'
          ? answerStatus(MSGID, entries)
          : proto.MATOCL_FUSE_GETTRASH.encode({ layout: 'data', msgid: MSGID, entries });
      },
    };
  },
  getsustained() {
    return {
      frame: proto.CLTOMA_FUSE_GETSUSTAINED.encode({ msgid: MSGID }),
      run(m) {
        const entries = listSustained(m.state, m.context());
        return typeof entries === 'number'
          ? answerStatus(MSGID, entries)
          : proto.MATOCL_FUSE_GETSUSTAINED.encode({ layout: 'data', msgid: MSGID, entries });
      },
    };
  },
  detachedattr(source) {
    const request = {
      msgid: MSGID,
      inode: source.inodeOfType(source.dice.pick([0, 8, 8, 9])),
      type: source.dice.below(4),
    };
    return {
      frame: proto.CLTOMA_FUSE_GETDETACHEDATTR.encode(request),
      run(m) {
        const attr = detachedAttributes(m.state, m.context(), request);
        return typeof attr === 'number'
          ? answerStatus(MSGID, attr)
          : proto.MATOCL_FUSE_GETDETACHEDATTR.encode({ layout: 'data', msgid: MSGID, attr });
      },
    };
  },
  gettrashpath(source) {
    const request = { msgid: MSGID, inode: source.inodeOfType(source.dice.pick([8, 8, 9, 0])) };
    return {
      frame: proto.CLTOMA_FUSE_GETTRASHPATH.encode(request),
      run(m) {
        const path = trashPath(m.state, m.context(), request.inode);
        return typeof path === 'number'
          ? answerStatus(MSGID, path)
          : proto.MATOCL_FUSE_GETTRASHPATH.encode({
              layout: 'data',
              msgid: MSGID,
              path: Buffer.concat([path, Buffer.alloc(1)]),
            });
      },
    };
  },
  settrashpath(source) {
    const path = Buffer.from(source.dice.pick(['a', 'new/dir/x', '/lead/x\0', 'a//b', 'q/..', 'a/b', '', 'x\0y']));
    const request = { msgid: MSGID, inode: source.inodeOfType(source.dice.pick([8, 8, 8, 9])), path };
    return simple(proto.CLTOMA_FUSE_SETTRASHPATH.encode(request), (m) =>
      planSettrashpath(m.state, m.context(), request),
    );
  },
  undel(source) {
    const request = { msgid: MSGID, inode: source.inodeOfType(source.dice.pick([8, 8, 8, 9])) };
    return simple(proto.CLTOMA_FUSE_UNDEL.encode(request), (m) => planUndel(m.state, m.context(), request.inode));
  },
  purge(source) {
    const request = { msgid: MSGID, inode: source.inodeOfType(source.dice.pick([8, 8, 8, 9])) };
    return simple(proto.CLTOMA_FUSE_PURGE.encode(request), (m) => planPurge(m.state, m.context(), request.inode));
  },
  sclassCreate(source) {
    const { wire, definition } = classDefinition(source);
    const request = { msgid: MSGID, name: source.className(), fver: source.dice.pick([0, 0, 0, 1]), ...wire };
    return simple(proto.CLTOMA_SCLASS_CREATE.encode(request), (m) =>
      planSclassCreate(
        m.state,
        m.context(),
        request.name,
        request.fver,
        definition(request.adminOnly, request.mode, request.archDelay),
      ),
    );
  },
  sclassChange(source) {
    const { wire, definition } = classDefinition(source);
    const base = {
      msgid: MSGID,
      name: source.className(),
      fver: 0,
      chgmask: source.dice.pick([1, 2, 0x20, 0x8000 + 0x2a]),
    };
    const request = { ...base, ...wire };
    return {
      frame: proto.CLTOMA_SCLASS_CHANGE.encode(request),
      isDangerous: () => request.name.toString() === '9' || (request.chgmask & 8) !== 0, // other rule; sums drift there
      run(m) {
        const wanted = definition(request.adminOnly, request.mode, request.archDelay);
        const plan = planSclassChange(m.state, m.context(), request.name, 0, request.chgmask, wanted);
        if (typeof plan === 'number') {
          return answerStatus(MSGID, plan);
        }
        m.commit(plan);
        return undefined;
      },
      normalize: (payload) => (payload.length === 5 ? payload : Buffer.alloc(0)),
    };
  },
  sclassDelete(source) {
    const request = { msgid: MSGID, name: source.className() };
    return simple(proto.CLTOMA_SCLASS_DELETE.encode(request), (m) =>
      planSclassDelete(m.state, m.context(), request.name),
    );
  },
  sclassDuplicate(source) {
    const request = { msgid: MSGID, oldName: source.className(), newName: source.className() };
    return simple(proto.CLTOMA_SCLASS_DUPLICATE.encode(request), (m) =>
      planSclassDuplicate(m.state, m.context(), request.oldName, request.newName),
    );
  },
  sclassRename(source) {
    const request = { msgid: MSGID, oldName: source.className(), newName: source.className() };
    return simple(proto.CLTOMA_SCLASS_RENAME.encode(request), (m) =>
      planSclassRename(m.state, m.context(), request.oldName, request.newName),
    );
  },
};

function counting(
  source: CaseMaker,
  message: typeof proto.CLTOMA_FUSE_GETEATTR,
  query: (
    m: Mirror['state'],
    c: ReturnType<Mirror['context']>,
    r: { inode: number; gmode: number },
  ) => number | CountsByKind,
  encode: (counts: CountsByKind, m: Mirror) => Buffer,
): Case {
  const request = { msgid: MSGID, inode: source.inode(), gmode: source.dice.pick([0, 1, 1, 2]) };
  return {
    frame: message.encode(request),
    run(m) {
      const counts = query(m.state, m.context(), request);
      return typeof counts === 'number' ? answerStatus(MSGID, counts) : encode(counts, m);
    },
  };
}

type QuotaRequest = proto.FieldsOf<typeof proto.CLTOMA_FUSE_QUOTACONTROL>;

function quota(m: Mirror, request: QuotaRequest): Buffer {
  const { inode, qflags } = request;
  const access = planQuotaAccess(m.state, m.context(), inode, qflags !== 0);
  if (typeof access === 'number') {
    return answerStatus(MSGID, access);
  }
  if (qflags !== 0) {
    const plan =
      request.layout === 'remove' ? planRemoveQuota(m.state, m.context(), inode, qflags) : setQuota(m, request);
    if (typeof plan === 'number') {
      return answerStatus(MSGID, plan);
    }
    m.commit(plan);
  }
  const { quota: record, use } = quotaState(m.state, access.row);
  return proto.MATOCL_FUSE_QUOTACONTROL.encode({
    layout: 'data',
    msgid: MSGID,
    qflags: record?.flags ?? 0,
    grace: record?.graceperiod ?? 0,
    softInodes: record?.sinodes ?? 0,
    softLength: Number(record?.slength ?? 0),
    softSize: Number(record?.ssize ?? 0),
    softRealsize: Number(record?.srealsize ?? 0),
    hardInodes: record?.hinodes ?? 0,
    hardLength: Number(record?.hlength ?? 0),
    hardSize: Number(record?.hsize ?? 0),
    hardRealsize: Number(record?.hrealsize ?? 0),
    ...use,
  });
}

function setQuota(m: Mirror, request: QuotaRequest & { layout: 'set' }) {
  return planSetQuota(m.state, m.context(), request.inode, request.qflags, {
    graceperiod: request.grace,
    sinodes: request.softInodes,
    hinodes: request.hardInodes,
    slength: request.softLength,
    hlength: request.hardLength,
    ssize: request.softSize,
    hsize: request.hardSize,
    srealsize: request.softRealsize,
    hrealsize: request.hardRealsize,
  });
}

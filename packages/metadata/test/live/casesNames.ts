import {
  type Attr,
  CLTOMA_FUSE_ACCESS,
  CLTOMA_FUSE_CREATE,
  CLTOMA_FUSE_GETATTR,
  CLTOMA_FUSE_LINK,
  CLTOMA_FUSE_LOOKUP,
  CLTOMA_FUSE_MKDIR,
  CLTOMA_FUSE_MKNOD,
  CLTOMA_FUSE_PARENTS,
  CLTOMA_FUSE_PATHS,
  CLTOMA_FUSE_READDIR,
  CLTOMA_FUSE_READLINK,
  CLTOMA_FUSE_RENAME,
  CLTOMA_FUSE_RMDIR,
  CLTOMA_FUSE_SETATTR,
  CLTOMA_FUSE_SYMLINK,
  CLTOMA_FUSE_UNLINK,
  MATOCL_FUSE_CREATE,
  MATOCL_FUSE_GETATTR,
  MATOCL_FUSE_LINK,
  MATOCL_FUSE_LOOKUP,
  MATOCL_FUSE_MKDIR,
  MATOCL_FUSE_MKNOD,
  MATOCL_FUSE_PARENTS,
  MATOCL_FUSE_PATHS,
  MATOCL_FUSE_READDIR,
  MATOCL_FUSE_READLINK,
  MATOCL_FUSE_RENAME,
  MATOCL_FUSE_RMDIR,
  MATOCL_FUSE_SETATTR,
  MATOCL_FUSE_SYMLINK,
  MATOCL_FUSE_UNLINK,
  Status,
} from '@alces/proto';
import {
  attributesOf,
  checkAccess,
  getAttributes,
  listDirectory,
  lookup,
  openListing,
  parentsOf,
  pathsOf,
  planAccessTime,
  planAcquire,
  planLink,
  planMkdir,
  planMknod,
  planRename,
  planSetattr,
  planSymlink,
  planUnlink,
  presentationFor,
  readSymlink,
} from '../../src/index.ts';
import { answerStatus, type Case, type CaseMaker } from './case.ts';

const MSGID = 7;
const RELATIVE_ATIME = 2;
/** Answers of LOOKUP and CREATE depend on the master's table of data caches; only these flags are compared. */
const ALLOW_DATA_CACHE = 0x04;

function entry(source: CaseMaker): { parent: number; name: Buffer } {
  return source.dice.chance(0.6) ? source.existingEntry() : { parent: source.directory(), name: source.name() };
}

/** A request that only answers with a node. */
export const nameCases: Record<string, (source: CaseMaker) => Case> = {
  access(source) {
    const request = { msgid: MSGID, inode: source.inode(), ...source.caller(), modemask: source.dice.below(8) };
    return {
      frame: CLTOMA_FUSE_ACCESS.encode(request),
      run: (m) => answerStatus(MSGID, checkAccess(m.state, m.context(request.uid, request.gids), request)),
    };
  },
  getattr(source) {
    const request = {
      msgid: MSGID,
      inode: source.inode(),
      opened: source.dice.below(2),
      uid: source.uid(),
      gid: source.uid(),
    };
    return {
      frame: CLTOMA_FUSE_GETATTR.encode(request),
      run(m) {
        const attr = getAttributes(m.state, m.context(request.uid, [request.gid]), request);
        return typeof attr === 'number'
          ? answerStatus(MSGID, attr)
          : MATOCL_FUSE_GETATTR.encode({ layout: 'data', msgid: MSGID, attr });
      },
    };
  },
  lookup(source) {
    const { parent, name } = entry(source);
    const dots = source.dice.chance(0.1) ? Buffer.from(source.dice.pick(['.', '..'])) : name;
    const request = { msgid: MSGID, parent, name: dots, ...source.caller() };
    return {
      frame: CLTOMA_FUSE_LOOKUP.encode(request),
      run(m) {
        const context = m.context(request.uid, request.gids);
        const found = lookup(m.state, context, request);
        if (typeof found === 'number') {
          return answerStatus(MSGID, found);
        }
        const attr = attributesOf(m.state, found.row, presentationFor(context), found.parent);
        const { inode, lflags } = found;
        return MATOCL_FUSE_LOOKUP.encode({ layout: 'data', msgid: MSGID, inode, attr, lflags, chunk: undefined });
      },
      normalize: normalizeLookup,
    };
  },
  setattr(source) {
    const { dice } = source;
    const request = {
      msgid: MSGID,
      inode: source.inode(),
      opened: dice.below(2),
      ...source.caller(),
      setmask: dice.pick([2, 4, 8, 12, 14, 16, 32, 64, 128, 144, 1, 0, dice.below(256)]),
      mode: source.mode(),
      attruid: source.uid(),
      attrgid: source.uid(),
      atime: source.now() - dice.below(100_000),
      mtime: source.now() - dice.below(100_000),
      winattr: dice.below(256),
      sugidclearmode: dice.below(6),
    };
    return {
      frame: CLTOMA_FUSE_SETATTR.encode(request),
      run(m) {
        const context = m.context(request.uid, request.gids);
        const plan = planSetattr(m.state, context, request);
        if (typeof plan === 'number') {
          return answerStatus(MSGID, plan);
        }
        m.commit(plan);
        return MATOCL_FUSE_SETATTR.encode({ layout: 'data', msgid: MSGID, attr: m.attributes(context, plan.inode) });
      },
    };
  },
  readlink(source) {
    const request = { msgid: MSGID, inode: source.dice.chance(0.6) ? source.inodeOfType(3) : source.inode() };
    return {
      frame: CLTOMA_FUSE_READLINK.encode(request),
      run(m) {
        const found = readSymlink(m.state, m.context(), request.inode);
        if (typeof found === 'number') {
          return answerStatus(MSGID, found);
        }
        const access = planAccessTime(m.state, found.row, m.now, RELATIVE_ATIME);
        if (access !== undefined) {
          m.commit(access);
        }
        const path = Buffer.concat([found.path, Buffer.alloc(1)]);
        return MATOCL_FUSE_READLINK.encode({ layout: 'data', msgid: MSGID, path });
      },
    };
  },
  symlink(source) {
    // One length for all: the real master's sums go wrong when SNAPSHOT replaces a symlink with several names.
    const path = Buffer.from(source.dice.pick(['x/y/z\0', '../ab\0', '', 'a\0b\0']));
    const request = { msgid: MSGID, parent: source.directory(), name: source.name(), path, ...source.caller() };
    return {
      frame: CLTOMA_FUSE_SYMLINK.encode(request),
      run(m) {
        const context = m.context(request.uid, request.gids);
        const plan = planSymlink(m.state, context, request);
        if (typeof plan === 'number') {
          return answerStatus(MSGID, plan);
        }
        m.commit(plan);
        const attr = m.attributes(context, plan.inode, plan.parent);
        return MATOCL_FUSE_SYMLINK.encode({ layout: 'data', msgid: MSGID, inode: plan.inode, attr });
      },
    };
  },
  mknod(source) {
    const { dice } = source;
    const type = dice.pick([1, 1, 2, 4, 5, 6, 7, 3, 0, 8, 102, 113, 98]);
    const base = { msgid: MSGID, parent: source.directory(), name: source.name(), type, mode: source.mode() };
    const request = { ...base, umask: dice.pick([0, 0o22]), ...source.caller(), rdev: dice.below(70_000) };
    return {
      frame: CLTOMA_FUSE_MKNOD.encode(request),
      run(m) {
        const context = m.context(request.uid, request.gids);
        const plan = planMknod(m.state, context, request);
        if (typeof plan === 'number') {
          return answerStatus(MSGID, plan);
        }
        m.commit(plan);
        const attr = m.attributes(context, plan.inode, plan.parent);
        return MATOCL_FUSE_MKNOD.encode({ layout: 'data', msgid: MSGID, inode: plan.inode, attr });
      },
    };
  },
  mkdir(source) {
    const base = { msgid: MSGID, parent: source.directory(), name: source.name(), mode: source.mode() };
    const request = { ...base, umask: source.dice.pick([0, 0o22]), ...source.caller(), copysgid: source.dice.below(2) };
    return {
      frame: CLTOMA_FUSE_MKDIR.encode(request),
      run(m) {
        const context = m.context(request.uid, request.gids);
        const plan = planMkdir(m.state, context, request);
        if (typeof plan === 'number') {
          return answerStatus(MSGID, plan);
        }
        m.commit(plan);
        const attr = m.attributes(context, plan.inode, plan.parent);
        return MATOCL_FUSE_MKDIR.encode({ layout: 'data', msgid: MSGID, inode: plan.inode, attr });
      },
    };
  },
  create(source) {
    const base = { msgid: MSGID, parent: source.directory(), name: source.name(), mode: source.mode() };
    const request = { ...base, umask: source.dice.pick([0, 0o22]), ...source.caller() };
    return {
      frame: CLTOMA_FUSE_CREATE.encode(request),
      run(m) {
        const context = m.context(request.uid, request.gids);
        const plan = planMknod(m.state, context, { ...request, type: 1, rdev: 0 });
        if (typeof plan === 'number') {
          return answerStatus(MSGID, plan);
        }
        m.commit(plan);
        const acquire = planAcquire(m.state, m.sessionId, plan.inode);
        if (acquire !== undefined) {
          m.commit(acquire);
        }
        const attr = m.attributes(context, plan.inode, plan.parent);
        const oflags = attr.flags & 0x10 ? 2 : 0;
        attr.flags &= oflags === 0 ? ~ALLOW_DATA_CACHE : ~0;
        return MATOCL_FUSE_CREATE.encode({ layout: 'data', msgid: MSGID, oflags, inode: plan.inode, attr });
      },
    };
  },
  unlink: (source) => removal(source, false),
  rmdir: (source) => removal(source, true),
  rename(source) {
    const from = entry(source);
    const to = entry(source);
    const isOntoItself = from.parent === to.parent && from.name.equals(to.name);
    const base = { msgid: MSGID, srcParent: from.parent, srcName: from.name, dstParent: to.parent };
    const request = { ...base, dstName: isOntoItself ? Buffer.from('other') : to.name, ...source.caller() };
    return {
      frame: CLTOMA_FUSE_RENAME.encode(request),
      isDangerous: (m) => source.movesIntoItself(m.state, request),
      run(m) {
        const context = m.context(request.uid, request.gids);
        if (m.realStatus === Status.QUOTA && m.state.quotas.size > 0) {
          return answerStatus(MSGID, m.realStatus); // asks directories in which nothing grows (decision 0032)
        }
        const plan = planRename(m.state, context, request);
        if (typeof plan === 'number') {
          return answerStatus(MSGID, plan);
        }
        m.commit(plan);
        const attr = m.attributes(context, plan.inode, plan.parentDst);
        return MATOCL_FUSE_RENAME.encode({ layout: 'data', msgid: MSGID, inode: plan.inode, attr });
      },
    };
  },
  link(source) {
    const base = { msgid: MSGID, inode: source.inode(), dstParent: source.directory(), name: source.name() };
    const request = { ...base, ...source.caller() };
    return {
      frame: CLTOMA_FUSE_LINK.encode(request),
      run(m) {
        const context = m.context(request.uid, request.gids);
        const plan = planLink(m.state, context, request, 8);
        if (typeof plan === 'number') {
          return answerStatus(MSGID, plan);
        }
        m.commit(plan);
        const attr = m.attributes(context, plan.inode, plan.parent);
        return MATOCL_FUSE_LINK.encode({ layout: 'data', msgid: MSGID, inode: plan.inode, attr });
      },
    };
  },
  readdir(source) {
    const withAttributes = source.dice.chance(0.6);
    const base = { msgid: MSGID, inode: source.directory(), ...source.caller(), flags: withAttributes ? 1 : 0 };
    const request = { ...base, maxEntries: source.dice.pick([0xffffffff, 0xffffffff, 3]), nedgeid: 0n };
    return {
      frame: CLTOMA_FUSE_READDIR.encode(request),
      run(m) {
        const context = m.context(request.uid, request.gids);
        const listing = openListing(m.state, context, request, withAttributes);
        if (typeof listing === 'number') {
          return answerStatus(MSGID, listing);
        }
        const access = planAccessTime(m.state, listing.row, m.now, RELATIVE_ATIME);
        if (access !== undefined) {
          m.commit(access);
        }
        const rows: { name: Buffer; inode: number; type: number; attr: Attr }[] = [];
        listDirectory(m.state, context, listing.row, request.maxEntries, 0n, (name, inode, row, parent) => {
          const attr = attributesOf(m.state, row, presentationFor(context), parent);
          rows.push({ name: Buffer.from(name), inode, type: m.state.nodes.type.get(row), attr });
        });
        return withAttributes
          ? MATOCL_FUSE_READDIR.encode({ layout: 'attr', msgid: MSGID, nedgeid: 0n, entries: rows })
          : MATOCL_FUSE_READDIR.encode({ layout: 'plain', msgid: MSGID, nedgeid: 0n, entries: rows });
      },
    };
  },
  parents(source) {
    const request = { msgid: MSGID, inode: source.inode() };
    return {
      frame: CLTOMA_FUSE_PARENTS.encode(request),
      isDangerous: (m) => [8, 9].includes(m.state.nodes.type.get(m.state.nodes.find(request.inode))),
      run(m) {
        const parents = parentsOf(m.state, m.context(), request.inode);
        return typeof parents === 'number'
          ? answerStatus(MSGID, parents)
          : MATOCL_FUSE_PARENTS.encode({ layout: 'data', msgid: MSGID, parents });
      },
    };
  },
  paths(source) {
    const request = { msgid: MSGID, inode: source.inode() };
    return {
      frame: CLTOMA_FUSE_PATHS.encode(request),
      run(m) {
        const paths = pathsOf(m.state, m.context(), request.inode);
        return typeof paths === 'number'
          ? answerStatus(MSGID, paths)
          : MATOCL_FUSE_PATHS.encode({ layout: 'data', msgid: MSGID, paths });
      },
    };
  },
};

function removal(source: CaseMaker, isRmdir: boolean): Case {
  const request = { msgid: MSGID, ...entry(source), ...source.caller() };
  const message = isRmdir ? CLTOMA_FUSE_RMDIR : CLTOMA_FUSE_UNLINK;
  const answer = isRmdir ? MATOCL_FUSE_RMDIR : MATOCL_FUSE_UNLINK;
  return {
    frame: message.encode(request),
    run(m) {
      const plan = planUnlink(m.state, m.context(request.uid, request.gids), request, isRmdir);
      if (typeof plan === 'number') {
        return answerStatus(MSGID, plan);
      }
      m.commit(plan);
      return answer.encode({ layout: 'data', msgid: MSGID, inode: plan.inode });
    },
  };
}

/** Takes out of a LOOKUP answer what depends on the master's memory: KEEPCACHE, chunk data, ALLOWDATACACHE. */
function normalizeLookup(payload: Buffer): Buffer {
  if (payload.length < 46) {
    return payload;
  }
  const copy = Buffer.from(payload.subarray(0, 46));
  copy[8] &= ~ALLOW_DATA_CACHE;
  copy.writeUInt16BE(copy.readUInt16BE(44) & ~0x0500, 44);
  return copy;
}

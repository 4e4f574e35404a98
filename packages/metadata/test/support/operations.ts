import {
  type Operation,
  type OperationName,
  type OperationOf,
  type State,
  TYPE_DIRECTORY,
  TYPE_FILE,
  TYPE_SUSTAINED,
  TYPE_TRASH,
} from '../../src/index.ts';
import type { Dice } from './random.ts';

const NAMES = ['a', 'b', 'c', 'd e', 'f,g', '%', '(x)', 'ä', 'long'.repeat(60), '.h', '...'].map((name) =>
  Buffer.from(name),
);
const CHUNK = 0x400_0000;
const ALL_TO_END = 0xffff_ffff_ffff_ffffn;

/** Makes random operations that are mostly possible in a state. */
export class OperationSource {
  readonly dice: Dice;
  readonly state: State;
  now: number;

  constructor(state: State, dice: Dice, now: number) {
    this.state = state;
    this.dice = dice;
    this.now = now;
  }

  /** The next operation to try. The time goes on (seldom backwards) between operations. */
  next(): Operation {
    const step = this.dice.below(100);
    if (step < 40) {
      this.now += this.dice.below(5);
    } else if (step === 99) {
      this.now += this.dice.below(200_000);
    } else if (step === 98) {
      this.now -= this.dice.below(5);
    }
    return this.make(this.dice.pick(WEIGHTED));
  }

  private make(name: OperationName): Operation {
    const maker = this.makers[name] as (() => Operation) | undefined;
    if (maker === undefined) {
      throw new Error(`no maker for ${name}`);
    }
    return maker.call(this);
  }

  /** Row of a random node whose type `accepts` (or any, when none is found soon). */
  private row(accepts: (type: number) => boolean): number {
    const { nodes } = this.state;
    let row = 1;
    for (let i = 0; i < 60; i++) {
      row = 1 + this.dice.below(nodes.rowLimit - 1);
      if (nodes.type.get(row) !== 0 && accepts(nodes.type.get(row))) {
        return row;
      }
    }
    return nodes.type.get(row) === 0 ? nodes.find(1) : row;
  }

  private inode(accepts: (type: number) => boolean = () => true): number {
    return this.dice.chance(0.005) ? this.dice.below(300) : this.state.nodes.inode.get(this.row(accepts));
  }

  private directory(): number {
    return this.inode((type) => type === TYPE_DIRECTORY);
  }

  private file(): number {
    return this.inode((type) => type === TYPE_FILE || type === TYPE_TRASH || type === TYPE_SUSTAINED);
  }

  private name(): Buffer {
    return this.dice.chance(0.005) ? Buffer.from(this.dice.pick(['', '.', '..', 'a/b'])) : this.dice.pick(NAMES);
  }

  /** Directory and name of an existing entry. */
  private entry(): { parent: number; name: Buffer } {
    const { nodes, edges } = this.state;
    for (let i = 0; i < 100; i++) {
      const edge = 1 + this.dice.below(edges.rowLimit);
      if (edges.child.get(edge) !== 0 && edges.parent.get(edge) !== 0) {
        return { parent: nodes.inode.get(edges.parent.get(edge)), name: Buffer.from(edges.name(edge)) };
      }
    }
    return { parent: 1, name: this.name() };
  }

  private uid(): number {
    return this.dice.pick([0, 0, 0, 1000, 1001, 4294967295]);
  }

  private mode(): number {
    return this.dice.pick([0o777, 0o755, 0o644, 0o2775, 0o4755, 0o1777, 0o600, 0o6777, 0, 0o070]);
  }

  private time(): number {
    return this.dice.pick([0, this.now, this.now - 1000, this.now - 90_000, this.now + 50]);
  }

  private session(): number {
    const ids = [...this.state.sessions.keys()];
    return ids.length === 0 ? 0 : this.dice.pick(ids);
  }

  /** A session and an inode that it has open. */
  private openFile(): { session: number; inode: number } {
    const pairs = [...this.state.openFiles.pairs()];
    return pairs.length === 0 ? { session: 0, inode: 1 } : this.dice.pick(pairs);
  }

  private chunk(): number {
    return 1 + this.dice.below(Math.max(this.state.nextchunkid - 1, 1));
  }

  private index(inode: number): number {
    const { nodes } = this.state;
    const slots = nodes.slots.get(nodes.find(inode));
    return this.dice.chance(0.9) ? this.dice.below(Math.max(slots, 1)) : this.dice.below(slots + 3);
  }

  private className(): Buffer {
    const names = [...this.state.storageClasses.entries()].map(([, definition]) => definition.name);
    return this.dice.chance(0.5) ? this.dice.pick(names) : Buffer.from(this.dice.pick(['x', 'y', 'z,1', 'ö', 'w']));
  }

  private masks(copies: number): number[] {
    return Array.from({ length: copies * 4 }, () => (this.dice.chance(0.3) ? this.dice.below(1 << 26) : 0));
  }

  private smode(): number {
    return this.dice.below(8);
  }

  private counters(): { changed: number; unchanged: number; denied: number } {
    return { changed: 0, unchanged: 0, denied: 0 };
  }

  private aclEntries(count: number): Buffer {
    const blob = Buffer.alloc(count * 6);
    for (let i = 0; i < count; i++) {
      blob.writeUInt32BE(this.dice.pick([1000, 1001, 5, 7]), i * 6);
      blob.writeUInt16BE(this.dice.below(8), i * 6 + 4);
    }
    return blob;
  }

  private sessionParameters() {
    return {
      exportscsum: 18432386147808961246n,
      rootinode: this.dice.pick([1, 1, 0, 2]),
      sesflags: this.dice.below(32),
      umask: this.dice.pick([0, 0o22, 0o777]),
      rootuid: this.uid(),
      rootgid: this.uid(),
      mapalluid: 999,
      mapallgid: 999,
      mingoal: 1,
      maxgoal: 9,
      mintrashtime: 0,
      maxtrashtime: 4294967295,
      disables: this.dice.below(2 ** 32),
      peerip: 174129153,
      info: Buffer.from(this.dice.pick(['/mnt/x', '/a,b(c)%', ''])),
    };
  }

  /** An open file, more often one that has locks already. */
  private lockable(table: 'flocks' | 'posixLocks'): { sessionid: number; inode: number } {
    const pairs = [...this.state.openFiles.pairs()];
    const locked = pairs.filter(({ inode }) => this.state[table].has(inode));
    const pair = this.dice.pick(
      locked.length > 0 && this.dice.chance(0.7) ? locked : [...pairs, { session: 0, inode: 1 }],
    );
    return { sessionid: pair.session, inode: pair.inode };
  }

  private makers: { [N in OperationName]?: () => OperationOf<N> } = {
    CREATE: () => ({
      op: 'CREATE',
      parent: this.directory(),
      name: this.name(),
      type: this.dice.pick([1, 1, 1, 1, 1, 2, 2, 2, 4, 5, 6, 7]),
      mode: this.mode(),
      cumask: this.dice.pick([0, 0o22, 0o77]),
      uid: this.uid(),
      gid: this.uid(),
      rdev: this.dice.below(70_000),
      inode: 0,
    }),
    SYMLINK: () => ({
      op: 'SYMLINK',
      parent: this.directory(),
      name: this.name(),
      path: Buffer.from(this.dice.pick(['x', '../y z', 'p'.repeat(4096), 'ü%'])),
      uid: this.uid(),
      gid: this.uid(),
      inode: 0,
    }),
    LINK: () => ({ op: 'LINK', inode: this.inode(), parent: this.directory(), name: this.name() }),
    UNLINK: () => ({ op: 'UNLINK', ...this.entry(), inode: 0 }),
    MOVE: () => {
      const { parent, name } = this.entry();
      const target = this.dice.chance(0.4) ? this.entry() : { parent: this.directory(), name: this.name() };
      return {
        op: 'MOVE',
        parentSrc: parent,
        nameSrc: name,
        parentDst: target.parent,
        nameDst: target.name,
        inode: 0,
      };
    },
    SETPATH: () => ({
      op: 'SETPATH',
      inode: this.inode((type) => type === TYPE_TRASH),
      path: Buffer.from(this.dice.pick(['a', 'new/dir/x', '/lead/x', 'a//b', 'q/..', 'a/b', 'd e/f,g/%', '...'])),
    }),
    UNDEL: () => ({ op: 'UNDEL', inode: this.inode((type) => type === TYPE_TRASH) }),
    PURGE: () => ({ op: 'PURGE', inode: this.inode((type) => type === TYPE_TRASH) }),
    EMPTYTRASH: () => ({
      op: 'EMPTYTRASH',
      bucket: this.dice.chance(0.5) ? 5000 : this.inode((type) => type === TYPE_TRASH) % 4096,
      removed: 0,
      sustained: 0,
      xor: 0,
    }),
    EMPTYSUSTAINED: () => ({
      op: 'EMPTYSUSTAINED',
      bucket: this.dice.chance(0.5) ? 256 : this.inode((type) => type === TYPE_SUSTAINED) % 256,
      removed: 0,
      xor: 0,
    }),
    FREEINODES: () => ({ op: 'FREEINODES', delay: this.dice.pick([0, 10, 300]), freed: 0, kept: 0, xor: 0 }),
    SNAPSHOT: () => this.snapshot(),
    RENUMERATEEDGES: () => ({ op: 'RENUMERATEEDGES', nextedgeid: 0n }),
    ATTR: () => ({
      op: 'ATTR',
      inode: this.inode(),
      mode: this.mode(),
      uid: this.uid(),
      gid: this.uid(),
      atime: this.time(),
      mtime: this.time(),
      winattr: this.dice.below(4),
      aclmode: this.dice.pick([0, 4096 + 0o764, 4096 + 0o111]),
    }),
    ACCESS: () => ({ op: 'ACCESS', inode: this.inode() }),
    AMTIME: () => ({
      op: 'AMTIME',
      inode: this.inode(),
      atime: this.time(),
      mtime: this.time(),
      ctime: this.time(),
    }),
    SETEATTR: () => ({
      op: 'SETEATTR',
      inode: this.inode(),
      uid: this.uid(),
      eattr: this.dice.pick([0, 1, 4, 5, 8, 0x10, 0x1f, 0x20, 0x40, 0x80, 0xff]),
      smode: this.smode(),
      ...this.counters(),
    }),
    SETTRASHTIME: () => ({
      op: 'SETTRASHTIME',
      inode: this.inode(),
      uid: this.uid(),
      seconds: this.dice.pick([0, 0, 3600, 3601, 86400, 4294967295]),
      smode: this.smode(),
      ...this.counters(),
    }),
    SETSCLASS: () => ({
      op: 'SETSCLASS',
      inode: this.inode(),
      uid: this.uid(),
      srcClass: this.dice.pick([1, 2, 3, 10]),
      dstClass: this.dice.pick([1, 2, 3, 9, 10, 11]),
      smode: this.smode(),
      ...this.counters(),
    }),
    ARCHCHG: () => ({
      op: 'ARCHCHG',
      inode: this.inode(),
      uid: this.uid(),
      cmd: this.dice.below(2),
      ...this.counters(),
    }),
    SETXATTR: () => ({
      op: 'SETXATTR',
      inode: this.inode(),
      name: Buffer.from(this.dice.pick(['user.a', 'user.b', 'trusted.%', 'security.selinux'])),
      value: Buffer.from(this.dice.pick(['', 'v', '\0\xff(),', 'long'.repeat(1000)]), 'latin1'),
      mode: this.dice.below(4),
    }),
    SETACL: () => this.acl(),
    QUOTA: () => this.quota(),
    LENGTH: () => ({
      op: 'LENGTH',
      inode: this.file(),
      length: this.dice.pick([0, 1, 100, 65536, CHUNK, CHUNK + 1, CHUNK * 3 - 7, CHUNK * 5, 2 ** 44 + 1]),
      chtime: this.dice.below(2),
    }),
    WRITE: () => {
      const inode = this.file();
      const index = this.dice.chance(0.02) ? this.dice.below(20_000) : this.index(inode);
      return { op: 'WRITE', inode, index, opflag: this.dice.below(2), chtime: this.dice.below(2), chunkid: 0 };
    },
    TRUNC: () => {
      const inode = this.file();
      return { op: 'TRUNC', inode, index: this.index(inode), chunkid: 0 };
    },
    UNLOCK: () => ({ op: 'UNLOCK', chunkid: this.chunk() }),
    ROLLBACK: () => {
      const { nodes } = this.state;
      const inode = this.file();
      const row = nodes.find(inode);
      const index = this.dice.below(Math.max(nodes.slots.get(row), 1));
      const chunkid = index < nodes.slots.get(row) ? nodes.chunkAt(row, index) : 0;
      // Masters write what the entry holds. An entry that becomes 0 at the end of a table is cut off by an image, and later operations on it
      // would differ behind a restart, with a stock master too (spec 51 §3.3).
      return { op: 'ROLLBACK', inode, index, prevchunkid: chunkid, chunkid };
    },
    SETFILECHUNK: () => {
      const inode = this.file();
      return { op: 'SETFILECHUNK', inode, index: this.index(inode), chunkid: this.dice.chance(0.6) ? 0 : this.chunk() };
    },
    APPEND: () => {
      const from = this.dice.below(3);
      return { op: 'APPEND', dst: this.file(), src: this.file(), from, to: from + this.dice.below(3) };
    },
    CHUNKADD: () => ({
      op: 'CHUNKADD',
      chunkid: Math.max(this.state.nextchunkid + this.dice.below(5) - 2, 1),
      version: this.dice.below(5),
      lockedto: this.dice.pick([0, this.now + 604800, this.now]),
    }),
    CHUNKDEL: () => {
      const chunkid = this.chunk();
      const { chunks } = this.state;
      return { op: 'CHUNKDEL', chunkid, version: chunks.version.get(chunks.find(chunkid)) };
    },
    SETVERSION: () => ({ op: 'SETVERSION', chunkid: this.chunk(), version: this.dice.below(100) }),
    INCVERSION: () => ({ op: 'INCVERSION', chunkid: this.chunk() }),
    NEXTCHUNKID: () => ({ op: 'NEXTCHUNKID', chunkid: this.state.nextchunkid + this.dice.below(3) }),
    SESADD: () => ({ op: 'SESADD', ...this.sessionParameters(), sessionid: 0 }),
    SESCHANGED: () => ({ op: 'SESCHANGED', ...this.sessionParameters(), sessionid: this.session() }),
    SESDISCONNECTED: () => ({ op: 'SESDISCONNECTED', sessionid: this.session() }),
    SESDEL: () => ({ op: 'SESDEL', sessionid: this.session() }),
    SESSION: () => ({ op: 'SESSION', sessionid: 0 }),
    ACQUIRE: () => ({ op: 'ACQUIRE', sessionid: this.session(), inode: this.inode() }),
    RELEASE: () => {
      const { session, inode } = this.openFile();
      return { op: 'RELEASE', sessionid: session, inode };
    },
    FLOCK: () => ({
      op: 'FLOCK',
      ...this.lockable('flocks'),
      owner: BigInt(this.dice.below(2)) + 0xffff_0000_0000_0000n,
      c: this.dice.pick(['R', 'W', 'U']),
    }),
    POSIXLOCK: () => {
      const start = BigInt(this.dice.below(20));
      return {
        op: 'POSIXLOCK',
        ...this.lockable('posixLocks'),
        owner: BigInt(this.dice.below(2)),
        c: this.dice.pick(['R', 'W', 'U']),
        start,
        end: this.dice.chance(0.1) ? ALL_TO_END : start + 1n + BigInt(this.dice.below(10)),
        pid: this.dice.below(1000),
      };
    },
    SCSET: () => {
      const [createcnt, keepcnt, archcnt] = [0, 0, 0].map(() => 1 + this.dice.below(4));
      return {
        op: 'SCSET',
        name: this.className(),
        new: this.dice.below(2),
        createcnt,
        keepcnt,
        archcnt,
        mode: this.dice.below(3),
        archdelay: this.dice.below(1000),
        adminonly: this.dice.below(2),
        masks: this.masks(createcnt + keepcnt + archcnt),
        id: 0,
      };
    },
    SCDUP: () => ({ op: 'SCDUP', src: this.className(), dst: this.className(), srcid: 0, dstid: 0 }),
    SCREN: () => ({ op: 'SCREN', old: this.className(), new: this.className(), id: 0 }),
    SCDEL: () => ({ op: 'SCDEL', name: this.className(), id: 0 }),
    CSDBOP: () => {
      const [known] = this.state.chunkservers.records;
      const csop = this.dice.below(7);
      const address = known !== undefined && this.dice.chance(0.5) ? known : { ip: this.dice.below(20), port: 9422 };
      return { op: 'CSDBOP', csop, ip: address.ip, port: address.port, arg: this.dice.below(8) };
    },
    IDLE: () => ({ op: 'IDLE' }),
  };

  private snapshot(): OperationOf<'SNAPSHOT'> {
    const deletes = this.dice.chance(0.3);
    const entry = this.entry();
    const existing = deletes || this.dice.chance(0.4);
    return {
      op: 'SNAPSHOT',
      src: deletes ? 0 : this.inode(),
      parent: existing ? entry.parent : this.directory(),
      name: existing ? entry.name : this.name(),
      smode: (deletes ? 0x80 : 0) | this.dice.below(16),
      sesflags: this.dice.pick([72, 72, 76]),
      uid: this.uid(),
      gids: this.dice.pick([[0], [1000], [1001, 1000, 0]]),
      cumask: this.dice.pick([0, 0o22]),
      xor: 0,
      removed: 0,
      same: 0,
      existing: 0,
      hardlinks: 0,
      new: 0,
    };
  }

  private acl(): OperationOf<'SETACL'> {
    const absent = this.dice.chance(0.2);
    const nusers = absent ? 0 : this.dice.below(3);
    const ngroups = absent ? 0 : this.dice.below(3);
    const part = (): number => (absent ? 65535 : this.dice.below(8));
    const named = nusers + ngroups > 0;
    return {
      op: 'SETACL',
      inode: this.inode(),
      mode: this.mode(),
      changectime: this.dice.below(2),
      acltype: 1 + this.dice.below(2),
      user: part(),
      group: part(),
      other: part(),
      mask: absent || (!named && this.dice.chance(0.5)) ? 65535 : part(),
      nusers,
      ngroups,
      blob: this.aclEntries(nusers + ngroups),
    };
  }

  private quota(): OperationOf<'QUOTA'> {
    const big = (): bigint =>
      BigInt(this.dice.pick([0, 1000, 1_000_000_000])) + (this.dice.chance(0.1) ? 2n ** 63n : 0n);
    return {
      op: 'QUOTA',
      inode: this.dice.chance(0.9) ? this.directory() : this.inode(),
      exceeded: this.dice.below(2),
      flags: this.dice.pick([0, 0xff, 0x0f, 0x31, this.dice.below(256)]),
      stimestamp: this.dice.pick([0, this.now]),
      sinodes: this.dice.below(100),
      hinodes: this.dice.below(100),
      slength: big(),
      hlength: big(),
      ssize: big(),
      hsize: big(),
      srealsize: big(),
      hrealsize: big(),
      graceperiod: this.dice.pick([0, 86400]),
    };
  }
}

/** Every operation that a stock replayer can read, by how often it is wanted. */
export const WEIGHTS: Partial<Record<OperationName, number>> = {
  CREATE: 60,
  SYMLINK: 6,
  LINK: 12,
  UNLINK: 25,
  MOVE: 15,
  SETPATH: 4,
  UNDEL: 8,
  PURGE: 4,
  EMPTYTRASH: 2,
  EMPTYSUSTAINED: 2,
  FREEINODES: 4,
  SNAPSHOT: 20,
  RENUMERATEEDGES: 1,
  ATTR: 15,
  ACCESS: 3,
  AMTIME: 3,
  SETEATTR: 12,
  SETTRASHTIME: 10,
  SETSCLASS: 10,
  ARCHCHG: 6,
  SETXATTR: 15,
  SETACL: 25,
  QUOTA: 4,
  LENGTH: 20,
  WRITE: 50,
  TRUNC: 8,
  UNLOCK: 5,
  ROLLBACK: 2,
  SETFILECHUNK: 3,
  APPEND: 10,
  CHUNKADD: 2,
  CHUNKDEL: 6,
  SETVERSION: 4,
  INCVERSION: 1,
  NEXTCHUNKID: 1,
  SESADD: 2,
  SESCHANGED: 1,
  SESDISCONNECTED: 1,
  SESDEL: 1,
  SESSION: 1,
  ACQUIRE: 12,
  RELEASE: 8,
  FLOCK: 10,
  POSIXLOCK: 15,
  SCSET: 3,
  SCDUP: 1,
  SCREN: 1,
  SCDEL: 1,
  CSDBOP: 3,
  IDLE: 1,
};

const WEIGHTED = Object.entries(WEIGHTS).flatMap(([name, weight]) =>
  Array<OperationName>(weight).fill(name as OperationName),
);

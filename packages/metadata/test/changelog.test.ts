import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ALL_BUCKETS,
  ChangelogError,
  formatChange,
  LineWriter,
  type Operation,
  parseChange,
  parseChangelogLine,
  writeChangelogLine,
} from '../src/index.ts';
import { fixture } from './imageSupport.ts';

const FIXTURES = ['image-1/changelog.0.mfs', 'image-1/changelog_ml.0.mfs', 'image-2/changelog.0.mfs'];

/** Lines captured from stock masters, or accepted by the stock replayer, beside those of the fixtures (spec 51 §9). */
const CAPTURED = [
  'SETMETAID(7710380090034358553)',
  'CSDBOP(3,174207501,9422,1)',
  'SETACL(3,420,1,1,6,4,4,6,1,1,%00%00%00%07%00%06%00%00%00%08%00%04)',
  'SNAPSHOT(3,1,s,0,72,0,[0],18):7,0,0,0,0,1',
  'SNAPSHOT(0,1,snap1,128,72,0,[0],18):14,1,0,0,0,0',
  'SCSET(k,1,W1,K2,A1,2,30,0,1,0,0,0,1,0,0,0,2,4,0,0,2,0,0,0):10',
  'SCDUP(clsA,clsB):10,11',
  'SCREN(clsB,clsC):11',
  'SCDEL(clsC):11',
  'SETXATTR(3,user.test,a%2Cb%28c%29%25%C3%A9,0)',
  'ATTR(10,428,0,0,1795210808,1795210808,0,4532)',
  'ARCHCHG(11,0,1):1,1,0',
  'SETPATH(26,new dir/rest%2Cored)',
  'UNDEL(26)',
  'PURGE(28)',
  'POSIXLOCK(31,1,5478298366658769676,U,0,18446744073709551615,0)',
  'FREEINODES(300):1,0,14',
  'CHUNKDEL(8,1)',
  'CHUNKADD(85,1,1795816141)',
  'REPAIR(44,0):1',
  'SESCHANGED(2,#17502782675791363747,0,0,0000,0,0,0,0,1,9,0,4294967295,0x00000000,174207489,/mnt/meta)',
  'RELEASE(3,14)',
  'SESDEL(1)',
  'EMPTYTRASH(29):1,0,29',
  'EMPTYSUSTAINED(28):1,28',
  'RENUMERATEEDGES():9223372036854775799',
  'SETVERSION(1,9)',
  'ROLLBACK(12,0,0,201)',
  'SETFILECHUNK(12,0,0)',
  'NEXTCHUNKID(500)',
  'INCVERSION(1)',
  'SESSION():3',
  'IDLE()',
];

function parse(text: string): Operation {
  return parseChange(Buffer.from(`1|${text}`, 'latin1')).operation;
}

function format(operation: Operation): string {
  return formatChange({ timestamp: 1, operation }).toString('latin1').slice(2);
}

/** Lines of a change log without their newlines. */
function linesOf(bytes: Buffer): [start: number, end: number][] {
  const lines: [number, number][] = [];
  for (let start = 0, end = bytes.indexOf(10); end >= 0; start = end + 1, end = bytes.indexOf(10, start)) {
    lines.push([start, end]);
  }
  return lines;
}

describe('change log lines', () => {
  it.each(FIXTURES)('of %s are written as they were read', (name) => {
    const bytes = fixture(name);
    const writer = new LineWriter();
    for (const [start, end] of linesOf(bytes)) {
      const change = parseChangelogLine(bytes, start, end);
      writeChangelogLine(writer, change.version, change);
    }
    expect(writer.bytes.subarray(0, writer.length).toString('latin1')).toBe(bytes.toString('latin1'));
  });

  it.each(CAPTURED)('%s is written as it was read', (line) => {
    expect(format(parse(line))).toBe(line);
  });

  it('are understood field by field', () => {
    expect(parseChangelogLine(Buffer.from('12: 1795211200|CREATE(2,a%2Cb,1,438,18,5,6,7):8'))).toEqual({
      version: 12,
      timestamp: 1_795_211_200,
      operation: {
        op: 'CREATE',
        parent: 2,
        name: Buffer.from('a,b'),
        type: 1,
        mode: 438,
        cumask: 18,
        uid: 5,
        gid: 6,
        rdev: 7,
        inode: 8,
      },
    });
  });

  it('of snapshots by other users are written so that the stock reader understands them', () => {
    const operation = parse('SNAPSHOT(3,1,s,0,72,5,[27,1234,0],18):7,0,0,0,0,1');
    expect(format(operation)).toBe('SNAPSHOT(3,1,s,0,72,5,[027,01234,0],18):7,0,0,0,0,1');
    expect(parse(format(operation))).toEqual(operation);
  });
});

describe('older spellings', () => {
  it.each([
    ['AQUIRE(1,43)', 'ACQUIRE(1,43)'],
    ['CUSTOMER():3', 'SESSION():3'],
    ['EMPTYRESERVED():2', `EMPTYSUSTAINED(${ALL_BUCKETS}):2,0`],
    ['EMPTYTRASH():4,5', `EMPTYTRASH(${ALL_BUCKETS}):4,5,0`],
    ['EMPTYTRASH(7):4,5', 'EMPTYTRASH(7):4,5,0'],
    ['EMPTYSUSTAINED():4', `EMPTYSUSTAINED(${ALL_BUCKETS}):4,0`],
    ['FREEINODES():4', 'FREEINODES(86400):4,0,0'],
    ['FREEINODES():4,1', 'FREEINODES(86400):4,1,0'],
    ['CREATE(1,old%41,f,420,1,2,3):43', 'CREATE(1,oldA,1,420,0,1,2,3):43'],
    ['CREATE(1,x,100,420,1,2,3):43', 'CREATE(1,x,2,420,0,1,2,3):43'],
    ['ATTR(43,420,0,0,1,2)', 'ATTR(43,420,0,0,1,2,0,420)'],
    ['ATTR(43,420,0,0,1,2,4096)', 'ATTR(43,420,0,0,1,2,0,4096)'],
    ['APPEND(3,4)', 'APPEND(3,4,4294967295,0)'],
    ['LENGTH(43,5)', 'LENGTH(43,5,1)'],
    ['WRITE(43,0):13', 'WRITE(43,0,1,1):13'],
    ['WRITE(43,0,0):13', 'WRITE(43,0,0,1):13'],
    ['SETGOAL(43,0,3,0):1,0,0', 'SETSCLASS(43,0,3,3,0):1,0,0'],
    ['CSADD(174207501,9422)', 'CSDBOP(0,174207501,9422,0)'],
    ['CSDEL(174207501,9422)', 'CSDBOP(1,174207501,9422,0)'],
    ['QUOTA(2,0,49,0,5,9,0,1000000,0,0,0,0)', 'QUOTA(2,0,49,0,5,9,0,1000000,0,0,0,0,0)'],
    ['SNAPSHOT(3,1,s,0,72,5,2,%1B%00%00%00%E8%03%00%00,18)', 'SNAPSHOT(3,1,s,0,72,5,[027,01000],18):0,0,0,0,0,0'],
    ['SNAPSHOT(3,1,s,0,72,5,27,18)', 'SNAPSHOT(3,1,s,0,72,5,[027],18):0,0,0,0,0,0'],
    [
      'SESADD(1,8,5,6,999,998,1,9,0,4294967295,174207489,/mnt):4',
      'SESADD(#0,1,8,0000,5,6,999,998,1,9,0,4294967295,0x00000000,174207489,/mnt):4',
    ],
    [
      'SESADD(#7,1,136,0022,5,6,999,998,1,9,0,1,0x0000000f,2,/m%00%00):4',
      'SESADD(#7,1,8,0022,5,6,999,998,1,9,0,1,0x0000000F,2,/m):4',
    ],
  ])('%s is %s', (old, present) => {
    expect(format(parse(old))).toBe(present);
  });

  it.each(['RENUMEDGES()', 'LABELSET(1)', 'LABELDESC(1)', 'CREATEX(1)', 'creat', ''])('%s is unknown', (text) => {
    const error = caught(text);
    expect(error.status).toBe(32);
    expect(error.message).toContain('unknown entry');
  });
});

function caught(text: string): ChangelogError {
  try {
    parse(text);
  } catch (error) {
    if (error instanceof ChangelogError) return error;
    throw error;
  }
  throw new Error(`${text} was accepted`);
}

describe('lenient reading', () => {
  it.each([
    ['UNDEL( 26)', 'UNDEL(26)'],
    ['UNDEL(+26)', 'UNDEL(26)'],
    ['UNDEL()', 'UNDEL(0)'],
    ['UNDEL(4294967297)', 'UNDEL(1)'],
    ['UNDEL(-1)', 'UNDEL(4294967295)'],
    ['UNDEL(99999999999999999999999)', 'UNDEL(4294967295)'],
    ['UNDEL(26)garbage', 'UNDEL(26)'],
    ['SETMETAID(99999999999999999999999)', 'SETMETAID(18446744073709551615)'],
    ['LINK(5,2,na%00me)', 'LINK(5,2,na)'],
    ['LINK(5,2,a|b:c[d] e)', 'LINK(5,2,a|b:c[d] e)'],
    ['SETXATTR(5,user.x,a%00b,0)', 'SETXATTR(5,user.x,a%00b,0)'],
  ])('%s is %s', (line, meaning) => {
    expect(format(parse(line))).toBe(meaning);
  });

  it.each([
    ['UNDEL(26', /'\)' expected/, 10],
    ['LINK(5;2,x)', /',' expected/, 8],
    ['UNLINK(1,x)', /':' expected/, 13],
    ['LINK(5,2,%4)', /hex expected/, 12],
    ['LINK(5,2,%4g)', /hex expected/, 12],
    ['LINK(5,2,%c3)', /hex expected/, 12],
    [`LINK(5,2,${'x'.repeat(256)})`, /name too long/, 267],
    ['LENGTH(5,2,256)', /value too big \(256\)/, 16],
    ['CSDBOP(0,1,65536,0)', /value too big/, 18],
    ['CREATE(1,x,1,65536,0,0,0,0):1', /value too big/, 20],
    ['UNLOCK(18446744073709551615)', /value too big/, 29],
    ['SESADD(#7,1,8,0,5,6):4', /octal digit expected/, 17],
    ['SCSET(k,1,X1,K2,A1,2,30,0,-):10', /'W' expected/, 12],
  ])('%s is refused where it goes wrong', (line, message, position) => {
    const error = caught(line);
    expect(error.message).toMatch(message);
    expect(error.status).toBeUndefined();
    expect(error.position).toBe(position);
  });

  it('demands a version and a time stamp', () => {
    for (const line of [
      '',
      'x',
      ': 1|IDLE()',
      '12|IDLE()',
      '12: 1',
      '12: |IDLE',
      '-1: 1|IDLE()',
      '99999999999999999: 1|IDLE()',
    ]) {
      expect(() => parseChangelogLine(Buffer.from(line))).toThrow(ChangelogError);
    }
  });

  it('survives every damage of a fixture', () => {
    const bytes = fixture('image-1/changelog.0.mfs');
    for (const [start, end] of linesOf(bytes)) {
      for (let at = start; at < end; at++) {
        const line = Buffer.from(bytes.subarray(start, end));
        for (const change of [1, 0x80, 0xff]) {
          line[at - start] = line[at - start]! ^ change;
          tolerate(() => parseChangelogLine(line));
        }
        tolerate(() => parseChangelogLine(bytes, start, at));
      }
    }
  });
});

function tolerate(action: () => unknown): void {
  try {
    action();
  } catch (error) {
    if (!(error instanceof ChangelogError)) throw error;
  }
}

const u8 = fc.integer({ min: 0, max: 0xff });
const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const id = fc.maxSafeNat();
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const bytes = (options: { minLength?: number; maxLength: number }) =>
  fc.uint8Array(options).map((data) => Buffer.from(data));
/** Names do not contain zero bytes. */
const name = bytes({ maxLength: 255 }).map((data) => Buffer.from(data.filter((byte) => byte !== 0)));
const lock = fc.constantFrom('R', 'W', 'U');
const counters = { changed: u32, unchanged: u32, denied: u32 };

/** Random operations of every kind that is written today. */
const operations = fc.oneof(
  fc.record({
    op: fc.constant('CREATE'),
    parent: u32,
    name,
    type: fc.integer({ min: 1, max: 9 }),
    mode: u16,
    cumask: u16,
    uid: u32,
    gid: u32,
    rdev: u32,
    inode: u32,
  }),
  fc.record({ op: fc.constant('SYMLINK'), parent: u32, name, path: name, uid: u32, gid: u32, inode: u32 }),
  fc.record({ op: fc.constant('MOVE'), parentSrc: u32, nameSrc: name, parentDst: u32, nameDst: name, inode: u32 }),
  fc.record({
    op: fc.constant('SNAPSHOT'),
    src: u32,
    parent: u32,
    name,
    smode: u8,
    sesflags: u8,
    uid: u32,
    gids: fc.array(u32, { minLength: 1, maxLength: 9 }),
    cumask: u16,
    xor: u32,
    removed: u32,
    same: u32,
    existing: u32,
    hardlinks: u32,
    new: u32,
  }),
  fc.record({ op: fc.constant('SETSCLASS'), inode: u32, uid: u32, srcClass: u8, dstClass: u8, smode: u8, ...counters }),
  fc.record({ op: fc.constant('SETXATTR'), inode: u32, name, value: bytes({ maxLength: 500 }), mode: u8 }),
  fc.record({
    op: fc.constant('SETACL'),
    inode: u32,
    mode: u16,
    changectime: u8,
    acltype: u8,
    user: u16,
    group: u16,
    other: u16,
    mask: u16,
    nusers: u16,
    ngroups: u16,
    blob: bytes({ maxLength: 60 }),
  }),
  fc.record({
    op: fc.constant('QUOTA'),
    inode: u32,
    exceeded: u8,
    flags: u8,
    stimestamp: u32,
    sinodes: u32,
    hinodes: u32,
    slength: u64,
    hlength: u64,
    ssize: u64,
    hsize: u64,
    srealsize: u64,
    hrealsize: u64,
    graceperiod: u32,
  }),
  fc.record({ op: fc.constant('LENGTH'), inode: u32, length: id, chtime: u8 }),
  fc.record({ op: fc.constant('ROLLBACK'), inode: u32, index: u32, prevchunkid: id, chunkid: id }),
  fc.record({
    op: fc.constant('POSIXLOCK'),
    inode: u32,
    sessionid: u32,
    owner: u64,
    c: lock,
    start: u64,
    end: u64,
    pid: u32,
  }),
  fc.record({
    op: fc.constant('SESADD'),
    exportscsum: u64,
    rootinode: u32,
    sesflags: fc.integer({ min: 0, max: 0x7f }),
    umask: fc.integer({ min: 0, max: 0o777 }),
    rootuid: u32,
    rootgid: u32,
    mapalluid: u32,
    mapallgid: u32,
    mingoal: u8,
    maxgoal: u8,
    mintrashtime: u32,
    maxtrashtime: u32,
    disables: u32,
    peerip: u32,
    info: name,
    sessionid: u32,
  }),
  fc.record({
    op: fc.constant('SCSET'),
    name,
    new: u8,
    createcnt: fc.constant(1),
    keepcnt: fc.constant(2),
    archcnt: fc.constant(0),
    mode: u8,
    archdelay: u16,
    adminonly: u8,
    masks: fc.array(u32, { minLength: 12, maxLength: 12 }),
    id: u32,
  }),
);

describe('any operation', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(operations, u32, (operation, timestamp) => {
        const change = { timestamp, operation: operation as Operation };
        expect(parseChange(formatChange(change))).toEqual(change);
      }),
      { numRuns: 2000 },
    );
  });
});

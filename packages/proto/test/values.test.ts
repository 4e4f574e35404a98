import { constants } from 'node:os';
import { describe, expect, expectTypeOf, test } from 'vitest';
import {
  ATTR_LENGTH,
  type Attr,
  CLTOMA_FUSE_LOOKUP,
  CLTOMA_FUSE_READLINK,
  CLTOMA_FUSE_RMDIR,
  CLTOMA_FUSE_TRUNCATE,
  CLTOMA_FUSE_WRITE_CHUNK_END,
  CSTOCL_READ_DATA,
  DecodeError,
  decodeAttr,
  EncodeError,
  encodeAttr,
  type FieldsOf,
  formatVersion,
  MATOCL_FUSE_ACCESS,
  MATOCL_FUSE_GETATTR,
  MAX_SAFE_FILE_SIZE,
  OLDEST_MASTER_VERSION,
  packVersion,
  Status,
  statusErrno,
  statusName,
  statusText,
  unpackVersion,
  VERSION,
} from '../src/index.ts';

describe('status', () => {
  test('has numbers, texts and errnos', () => {
    expect([Status.OK, Status.ENOENT, Status.CHUNKLOST, Status.CLASSINUSE]).toEqual([0, 3, 8, 53]);
    expect(statusText(Status.NOCHUNKSERVERS)).toBe('No chunk servers');
    expect(statusText(54)).toBe('Unknown MFS error');
    expect(statusName(Status.ENOENT_NOCACHE)).toBe('ENOENT_NOCACHE');
    expect(statusName(77)).toBe('77');
  });

  test('maps to errno as the mount does', () => {
    const { errno } = constants;
    expect(statusErrno(Status.OK)).toBe(0);
    expect(statusErrno(Status.QUOTA)).toBe(errno.EDQUOT);
    expect(statusErrno(Status.ENOATTR)).toBe(errno.ENODATA);
    expect(statusErrno(Status.ENOENT_NOCACHE)).toBe(errno.ENOENT);
    expect(statusErrno(Status.CHUNKLOST)).toBe(errno.ENXIO);
    expect(statusErrno(Status.CHUNKBUSY)).toBe(errno.EINVAL);
    expect(statusErrno(200)).toBe(errno.EINVAL);
  });
});

describe('version', () => {
  test('has the minor number doubled', () => {
    expect(VERSION).toBe(0x0003_00ea);
    expect(OLDEST_MASTER_VERSION).toBe(0x0002_010e);
    expect(packVersion(3, 0, 93)).toBe(0x0003_00ba);
    expect(formatVersion(VERSION)).toBe('3.0.117');
    expect(formatVersion(VERSION + 1)).toBe('3.0.117 PRO');
    expect(unpackVersion(0x0001_062a)).toEqual({ major: 1, middle: 6, minor: 42, pro: false });
  });
});

const DIRECTORY: Attr = {
  flags: 0x0c,
  type: 2,
  mode: 0o755,
  uid: 0,
  gid: 0,
  atime: 0x6b00_bede,
  mtime: 0x6b00_bedf,
  ctime: 0x6b00_bedf,
  nlink: 2,
  length: 600,
  rdev: 0,
  winattr: 0,
};

describe('attributes', () => {
  const bytes = Buffer.from('0c21ed00000000000000006b00bede6b00bedf6b00bedf00000002000000000000025800', 'hex');

  test('decode and encode', () => {
    expect(decodeAttr(bytes)).toEqual(DIRECTORY);
    const target = Buffer.alloc(ATTR_LENGTH + 2);
    expect(encodeAttr(DIRECTORY, target, 2)).toBe(ATTR_LENGTH + 2);
    expect(target.subarray(2).equals(bytes)).toBe(true);
  });

  test('have the device number in place of the length', () => {
    const device = { ...DIRECTORY, type: 6, length: 0, rdev: 0x0507 };
    const target = Buffer.alloc(ATTR_LENGTH);
    encodeAttr(device, target);
    expect(target.subarray(27, 35).toString('hex')).toBe('0000050700000000');
    expect(decodeAttr(target)).toEqual(device);
  });

  test('of peers before 1.7.32 are refused', () => {
    const old = Buffer.from(bytes);
    old[0] = 0x64;
    expect(() => decodeAttr(old)).toThrow(DecodeError);
  });

  test('have lengths beyond 2^53 capped', () => {
    const long = Buffer.from(bytes);
    long[27] = 0x02;
    expect(decodeAttr(long).length).toBe(Number.MAX_SAFE_INTEGER);
  });

  test('out of range are refused', () => {
    expect(() => encodeAttr({ ...DIRECTORY, flags: 64 }, Buffer.alloc(ATTR_LENGTH))).toThrow(EncodeError);
    expect(() => encodeAttr({ ...DIRECTORY, uid: -1 }, Buffer.alloc(ATTR_LENGTH))).toThrow(EncodeError);
  });
});

describe('encoders', () => {
  test('refuse values that do not fit', () => {
    expect(() => CLTOMA_FUSE_READLINK.encode({ msgid: 1, inode: 2 ** 32 })).toThrow(EncodeError);
    expect(() => CLTOMA_FUSE_READLINK.encode({ msgid: 1.5, inode: 1 })).toThrow(EncodeError);
    expect(() => MATOCL_FUSE_ACCESS.encode({ msgid: 1, status: -1 })).toThrow(EncodeError);
    const entry = { msgid: 1, parent: 1, name: Buffer.alloc(256, 'a'), uid: 0, gids: [0] };
    expect(() => CLTOMA_FUSE_RMDIR.encode(entry)).toThrow(EncodeError);
    expect(() => CLTOMA_FUSE_RMDIR.encode({ ...entry, name: Buffer.from('a'), gids: [] })).toThrow(EncodeError);
  });

  test('leave out bulk data for writev', () => {
    const data = Buffer.alloc(65_536, 'x');
    const fields = { chunkId: 7, block: 3, offset: 0, crc: 5, data };
    const head = CSTOCL_READ_DATA.encodeHead(fields);
    expect(head.length).toBe(28);
    expect(Buffer.concat([head, data]).equals(CSTOCL_READ_DATA.encode(fields))).toBe(true);
    expect(() => MATOCL_FUSE_ACCESS.encodeHead({ msgid: 1, status: 0 })).toThrow(EncodeError);
  });
});

describe('decoders', () => {
  test('give views of the payload', () => {
    const name = Buffer.from('a name');
    const payload = CLTOMA_FUSE_LOOKUP.encode({ msgid: 1, parent: 1, name, uid: 0, gids: [0] }).subarray(8);
    expect(CLTOMA_FUSE_LOOKUP.decode(payload).name.buffer).toBe(payload.buffer);
  });

  test('refuse ids above 2^53-1', () => {
    const end = { msgid: 1, chunkId: 1, inode: 1, index: 0, length: 0, flags: 0 };
    const payload = CLTOMA_FUSE_WRITE_CHUNK_END.encode(end).subarray(8);
    payload[4] = 1;
    expect(() => CLTOMA_FUSE_WRITE_CHUNK_END.decode(payload)).toThrow(DecodeError);
  });

  test('cap lengths above 2^53-1', () => {
    const fields = { msgid: 1, inode: 1, flags: 0, uid: 0, gids: [0], length: 0 };
    const payload = CLTOMA_FUSE_TRUNCATE.encode(fields).subarray(8);
    payload.fill(0xff, payload.length - 8);
    const { length } = CLTOMA_FUSE_TRUNCATE.decode(payload);
    expect(length).toBe(Number.MAX_SAFE_INTEGER);
    expect(length).toBeGreaterThan(MAX_SAFE_FILE_SIZE);
  });

  test('refuse a layout that the message does not have', () => {
    expect(() => MATOCL_FUSE_GETATTR.decode(Buffer.alloc(5), { layout: 'nonsense' })).toThrow(RangeError);
  });
});

test('types come from the declarations', () => {
  type Lookup = FieldsOf<typeof CLTOMA_FUSE_LOOKUP>;
  expectTypeOf<Lookup>().toEqualTypeOf<{ msgid: number; parent: number; name: Buffer; uid: number; gids: number[] }>();
  type Reply = FieldsOf<typeof MATOCL_FUSE_GETATTR>;
  expectTypeOf<Extract<Reply, { layout: 'data' }>['attr']>().toEqualTypeOf<Attr>();
  expectTypeOf<Reply['layout']>().toEqualTypeOf<'status' | 'data' | 'data35'>();
  type End = FieldsOf<typeof CLTOMA_FUSE_WRITE_CHUNK_END>;
  expectTypeOf<End['index']>().toEqualTypeOf<number | undefined>();
});

import { DecodeError, EncodeError } from './errors.ts';
import { readU16, readU32, readU64cap, writeU16, writeU32, writeU64 } from './integers.ts';

/** Attributes of a node as the master reports them to clients (spec 00 §2.3). */
export interface Attr {
  /** `AttrFlag` bits, below 64. */
  flags: number;
  /** `NodeType`: 1 file .. 7 socket; trash and sustained files are shown as files. */
  type: number;
  /** Permission bits, 07777. */
  mode: number;
  uid: number;
  gid: number;
  /** Seconds since the epoch, as are the other two times. */
  atime: number;
  mtime: number;
  ctime: number;
  nlink: number;
  /** Bytes of a file (at most 2^53-1), length of a symlink's target, encoded size of a directory; 0 for other types. */
  length: number;
  /** Device number of a block or character device; 0 for other types. */
  rdev: number;
  winattr: number;
}

/** Bytes of the record for clients >= 3.0.93, and for older ones (without `winattr`). */
export const ATTR_LENGTH = 36;
export const ATTR_LENGTH_OLD = 35;

const TYPE_BLOCK_DEVICE = 5;
const TYPE_CHAR_DEVICE = 6;

/** Reads the record at `offset`. `length` is 36 or 35; the caller has checked that the bytes are there. */
export function decodeAttr(source: Buffer, offset = 0, length: number = ATTR_LENGTH): Attr {
  const flags = source[offset];
  if (flags >= 64) throw new DecodeError('attributes', `flags ${flags}: record of a peer before 1.7.32`);
  const typeAndMode = readU16(source, offset + 1);
  const type = typeAndMode >> 12;
  const isDevice = type === TYPE_BLOCK_DEVICE || type === TYPE_CHAR_DEVICE;
  if (isDevice && readU32(source, offset + 31) !== 0) throw new DecodeError('attributes', 'bytes after device number');
  return {
    flags,
    type,
    mode: typeAndMode & 0o7777,
    uid: readU32(source, offset + 3),
    gid: readU32(source, offset + 7),
    atime: readU32(source, offset + 11),
    mtime: readU32(source, offset + 15),
    ctime: readU32(source, offset + 19),
    nlink: readU32(source, offset + 23),
    length: isDevice ? 0 : readU64cap(source, offset + 27),
    rdev: isDevice ? readU32(source, offset + 27) : 0,
    winattr: length === ATTR_LENGTH ? source[offset + 35] : 0,
  };
}

/** Writes the record at `offset` and returns the offset after it. `length` is 36 or 35. */
export function encodeAttr(attr: Attr, target: Buffer, offset = 0, length: number = ATTR_LENGTH): number {
  if (!(attr.flags < 64 && attr.type < 16 && attr.mode <= 0o7777)) {
    throw new EncodeError(`attributes out of range: flags ${attr.flags}, type ${attr.type}, mode ${attr.mode}`);
  }
  target[offset] = attr.flags;
  writeU16(target, offset + 1, (attr.type << 12) | attr.mode);
  writeU32(target, offset + 3, attr.uid);
  writeU32(target, offset + 7, attr.gid);
  writeU32(target, offset + 11, attr.atime);
  writeU32(target, offset + 15, attr.mtime);
  writeU32(target, offset + 19, attr.ctime);
  writeU32(target, offset + 23, attr.nlink);
  if (attr.type === TYPE_BLOCK_DEVICE || attr.type === TYPE_CHAR_DEVICE) {
    writeU32(target, offset + 27, attr.rdev);
    writeU32(target, offset + 31, 0);
  } else {
    writeU64(target, offset + 27, attr.length);
  }
  if (length === ATTR_LENGTH) target[offset + 35] = attr.winattr;
  return offset + length;
}

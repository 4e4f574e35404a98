/**
 * The container of a metadata image (spec 50 §2): signature, header, section headers, end marker. Pure constants and codecs.
 */

export const SIGNATURE_CURRENT = Buffer.from('MFSM 2.0', 'latin1');
export const SIGNATURE_NEW = Buffer.from('MFSM NEW', 'latin1');
export const END_MARKER = Buffer.from('[MFS EOF MARKER]', 'latin1');
export const SECTION_HEADER_BYTES = 16;
/** Length field of a section whose writer could not seek back. */
export const UNKNOWN_LENGTH = 0xffff_ffff_ffff_ffffn;

export type SectionTag =
  | 'SESS'
  | 'SCLA'
  | 'NODE'
  | 'EDGE'
  | 'FREE'
  | 'QUOT'
  | 'XATR'
  | 'PACL'
  | 'OPEN'
  | 'FLCK'
  | 'PLCK'
  | 'CSDB'
  | 'CHNK';

export interface SectionKind {
  tag: SectionTag;
  /** Version that 3.0.117 writes, and the highest that can be read: high nibble major, low nibble minor. */
  version: number;
  /** What `error reading metadata (<name>)` calls it. */
  name: string;
  /** What `loading <text> ... ` calls it. */
  loading: string;
}

/** The sections in the order in which they are written (spec 50 §2.1, §4, §5). */
export const SECTIONS: readonly SectionKind[] = [
  { tag: 'SESS', version: 0x15, name: 'sessions', loading: 'sessions data' },
  { tag: 'SCLA', version: 0x16, name: 'storage classes', loading: 'storage classes data' },
  { tag: 'NODE', version: 0x14, name: 'node', loading: 'objects (files,directories,etc.)' },
  { tag: 'EDGE', version: 0x11, name: 'edge', loading: 'names' },
  { tag: 'FREE', version: 0x10, name: 'free', loading: 'deletion timestamps' },
  { tag: 'QUOT', version: 0x11, name: 'quota', loading: 'quota definitions' },
  { tag: 'XATR', version: 0x10, name: 'xattr', loading: 'xattr data' },
  { tag: 'PACL', version: 0x11, name: 'posix_acl', loading: 'posix_acl data' },
  { tag: 'OPEN', version: 0x10, name: 'open files', loading: 'open files data' },
  { tag: 'FLCK', version: 0x10, name: 'flock_locks', loading: 'flock_locks data' },
  { tag: 'PLCK', version: 0x10, name: 'posix_locks', loading: 'posix_locks data' },
  { tag: 'CSDB', version: 0x13, name: 'csdb', loading: 'chunkservers data' },
  { tag: 'CHNK', version: 0x11, name: 'chunks', loading: 'chunks data' },
];

const KINDS = new Map<string, SectionKind>(SECTIONS.map((kind) => [kind.tag, kind]));
const STORAGE_CLASSES = KINDS.get('SCLA')!;

/** The kind of a section by its tag; `LABS` is the older name of `SCLA` (spec 50 §4). Undefined: not known to 3.0.117. */
export function sectionKind(tag: string): SectionKind | undefined {
  return tag === 'LABS' ? STORAGE_CLASSES : KINDS.get(tag);
}

export interface SectionHeader {
  /** The eight bytes in front of the length, as text (`NODE 1.4`). */
  title: string;
  tag: string;
  version: number;
  /** Payload bytes that follow; undefined: unknown. */
  lengthBytes: number | undefined;
}

/** A container version as one number: `MFSM 2.0` is 0x20. `NEW` is the empty file system. Undefined: no image. */
export function parseSignature(bytes: Buffer): number | 'NEW' | undefined {
  if (bytes.length < 8 || bytes.toString('latin1', 0, 5) !== 'MFSM ') return undefined;
  if (bytes.toString('latin1', 5, 8) === 'NEW') return 'NEW';
  const major = bytes[5] - 0x30;
  const minor = bytes[7] - 0x30;
  const valid = major >= 1 && major <= 9 && bytes[6] === 0x2e && minor >= 0 && minor <= 9;
  return valid ? (major << 4) | minor : undefined;
}

/** The bytes in front of a section's payload, the length still all ones (it is patched when it is known). */
export function encodeSectionHeader(tag: SectionTag, version: number): Buffer {
  const header = Buffer.alloc(SECTION_HEADER_BYTES, 0xff);
  header.write(`${tag} ${version >> 4}.${version & 15}`, 'latin1');
  return header;
}

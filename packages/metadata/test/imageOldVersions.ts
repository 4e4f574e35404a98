/** Writes sections in the forms of older releases (spec 50 §4), from those of the current one. */
import type { Section } from './imageSupport.ts';

const u16 = (value: number) => {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
};
const u32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

/** Cuts a payload into fixed records until one is all zeros in its first bytes; that one is included. */
function* records(payload: Buffer, from: number, size: (at: number) => number, isLast: (at: number) => boolean) {
  for (let at = from; ; ) {
    const end = at + size(at);
    yield payload.subarray(at, end);
    if (isLast(at)) return;
    at = end;
  }
}

function oldNode(record: Buffer, version: number): Buffer {
  const type = record[0]!;
  if (type === 0) return Buffer.from([0]);
  const eattr = record[6]!;
  const mode = record.readUInt16BE(8);
  const code = version <= 0x12 ? ' fdlqbcstr'.charCodeAt(type) : type;
  const middle =
    version <= 0x11 ? u16(((eattr & 15) << 12) | (mode & 0xfff)) : Buffer.concat([Buffer.from([eattr]), u16(mode)]);
  const head = [Buffer.from([code]), record.subarray(1, 6), middle, record.subarray(10, 30)];
  const seconds = u32(record.readUInt16BE(30) * 3600);
  if (![1, 8, 9].includes(type)) return Buffer.concat([...head, seconds, record.subarray(32)]);
  return Buffer.concat([...head, seconds, record.subarray(32, 44), u16(2), record.subarray(44), u32(7), u32(8)]);
}

function nodeSize(payload: Buffer, at: number): number {
  switch (payload[at]) {
    case 0:
      return 1;
    case 3:
      return 36 + payload.readUInt32BE(at + 32);
    case 5:
    case 6:
      return 36;
    case 1:
    case 8:
    case 9:
      return 44 + 8 * payload.readUInt32BE(at + 40);
    default:
      return 32;
  }
}

/** Every file gets two sessions that have it open. */
export function oldNodes({ payload }: Section, version: number): Section {
  const nodes = records(
    payload,
    8,
    (at) => nodeSize(payload, at),
    (at) => payload[at] === 0,
  );
  const header = payload.subarray(0, version <= 0x10 ? 4 : 8);
  return {
    tag: 'NODE',
    version,
    payload: Buffer.concat([header, ...[...nodes].map((node) => oldNode(node, version))]),
  };
}

export function oldEdges({ payload }: Section): Section {
  const edges = [
    ...records(
      payload,
      8,
      (at) => 18 + payload.readUInt16BE(at + 16),
      (at) => payload.readUInt32BE(at) === 0 && payload.readUInt32BE(at + 4) === 0,
    ),
  ];
  const parts = edges.map((edge) => Buffer.concat([edge.subarray(0, 8), edge.subarray(16)]));
  return { tag: 'EDGE', version: 0x10, payload: Buffer.concat(parts) };
}

/** Counted records of `size` bytes, of which `keep` says what remains. */
function shortened(
  { tag, payload }: Section,
  version: number,
  size: number,
  keep: (record: Buffer) => Buffer,
): Section {
  const parts = [payload.subarray(0, 4)];
  for (let at = 4; at < payload.length; at += size) parts.push(keep(payload.subarray(at, at + size)));
  return { tag, version, payload: Buffer.concat(parts) };
}

export function oldQuotas(section: Section): Section {
  return shortened(section, 0x10, 70, (record) => Buffer.concat([record.subarray(0, 4), record.subarray(8)]));
}

export function oldChunkservers(section: Section, version: 0x10 | 0x11 | 0x12): Section {
  const size = { 16: 6, 17: 8, 18: 9 }[version];
  return shortened(section, version, 13, (record) => record.subarray(0, size));
}

export function oldChunks({ payload }: Section): Section {
  const parts = [payload.subarray(0, 8)];
  for (let at = 8; at < payload.length; at += 17) parts.push(payload.subarray(at, at + 16));
  return { tag: 'CHNK', version: 0x10, payload: Buffer.concat(parts) };
}

function oldSession(record: Buffer, version: number): Buffer {
  return Buffer.concat([
    record.subarray(0, 4),
    record.subarray(4, version >= 0x13 ? 12 : 4),
    record.subarray(12, 25),
    record.subarray(25, version >= 0x14 ? 27 : 25),
    record.subarray(27, 53),
    record.subarray(53, version >= 0x15 ? 57 : 53),
    record.subarray(57, version >= 0x11 ? 61 : 57),
    record.subarray(61),
  ]);
}

export function oldSessions({ payload }: Section, version: number): Section {
  const sessions = records(
    payload,
    6,
    (at) => 189 + payload.readUInt32BE(at + 12),
    (at) => payload.readUInt32BE(at) === 0,
  );
  const header = version <= 0x11 ? [u16(version - 0xf), payload.subarray(0, 6)] : [payload.subarray(0, 6)];
  return {
    tag: 'SESS',
    version,
    payload: Buffer.concat([...header, ...[...sessions].map((session) => oldSession(session, version))]),
  };
}

function classSize(payload: Buffer, at: number): number {
  const copies = payload[at + 7]! + payload[at + 8]! + payload[at + 9]!;
  return 10 + payload[at + 2]! + 16 * copies;
}

function oldClass(record: Buffer, version: number): Buffer {
  const name = 10 + record[2]!;
  const [create, keep] = [record[7]!, record[8]!];
  const masks = record.subarray(name);
  const id = record.subarray(0, 2);
  switch (version) {
    case 0x10: {
      const first = Array.from({ length: create }, (_, copy) => masks.subarray(16 * copy, 16 * copy + 4));
      return Buffer.concat([id, Buffer.from([create]), ...first]);
    }
    case 0x12: {
      const surplus = Buffer.alloc(16, 0x78);
      return Buffer.concat([id, Buffer.from([create]), u32(2), u32(7), masks.subarray(0, 16 * create), surplus]);
    }
    case 0x14:
      return Buffer.concat([id, Buffer.from([record[4]!, create, keep]), masks.subarray(0, 16 * (create + keep))]);
    case 0x15:
      return Buffer.concat([id, record.subarray(4, 10), masks]);
    default:
      return Buffer.concat([id, Buffer.from([create]), masks.subarray(0, 16 * create)]);
  }
}

const OLD_CLASS_HEAD: Record<number, number> = { 16: 3, 17: 3, 18: 11, 19: 3, 20: 5, 21: 8 };

/** Only own classes are stored, behind 26 label descriptions. */
export function oldClasses({ payload }: Section, tag: 'LABS' | 'SCLA', version: number): Section {
  const classes = [
    ...records(
      payload,
      1,
      (at) => classSize(payload, at),
      (at) => payload.readUInt16BE(at) === 0,
    ),
  ];
  const own = classes.filter((record) => record.readUInt16BE(0) >= 10).map((record) => oldClass(record, version));
  const labels = Array.from({ length: 26 }, () => Buffer.from('\x03lab'));
  const masksPerCopy = version === 0x10 ? [] : [payload.subarray(0, 1)];
  const end = Buffer.alloc(OLD_CLASS_HEAD[version]!);
  return { tag, version, payload: Buffer.concat([...labels, ...masksPerCopy, ...own, end]) };
}

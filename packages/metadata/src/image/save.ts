import type { State } from '../state.ts';
import { END_MARKER, SECTIONS, type SectionKind, type SectionTag, SIGNATURE_CURRENT } from './format.ts';
import type { CarriedSection } from './parse.ts';
import { writeAcls, writeQuotas, writeXattrs } from './save/attributes.ts';
import { writeChunks, writeChunkservers, writeStorageClasses } from './save/cluster.ts';
import { ImageOutput, type ImagePiece, type ImageWriter } from './save/output.ts';
import { writeFlocks, writeOpenFiles, writePosixLocks, writeSessions } from './save/sessions.ts';
import { writeEdges, writeFreed, writeNodes } from './save/tree.ts';

type SectionWriter = (out: ImageOutput, state: State, now: number) => ImageWriter;

const WRITERS: Record<SectionTag, SectionWriter> = {
  SESS: writeSessions,
  SCLA: writeStorageClasses,
  NODE: writeNodes,
  EDGE: writeEdges,
  FREE: writeFreed,
  QUOT: writeQuotas,
  XATR: writeXattrs,
  PACL: writeAcls,
  OPEN: writeOpenFiles,
  FLCK: writeFlocks,
  PLCK: writePosixLocks,
  CSDB: writeChunkservers,
  CHNK: writeChunks,
};

export interface SaveOptions {
  /** Unix time: chunk locks of the past are not stored. */
  now: number;
  /** Sections of a loaded image that this program does not know. */
  carried?: readonly CarriedSection[];
}

export interface SavedImage {
  lengthBytes: number;
  /** Contents of metadata.crc (spec 50 §8.4). */
  checksums: Buffer;
}

function* writeHeader(out: ImageOutput, state: State): ImageWriter {
  out.begin('HEAD');
  yield* out.record(SIGNATURE_CURRENT);
  const header = Buffer.alloc(16);
  header.writeBigUInt64BE(BigInt(state.metaversion));
  header.writeBigUInt64BE(state.metaid, 8);
  yield* out.record(header);
}

function* writeCarried(out: ImageOutput, section: CarriedSection): ImageWriter {
  const header = Buffer.alloc(16);
  header.write(section.title, 'latin1');
  header.writeBigUInt64BE(BigInt(section.payload.length), 8);
  out.begin(section.title);
  yield* out.record(header);
  yield* out.record(section.payload);
}

function encodeChecksums(checksums: ReadonlyMap<string, number>): Buffer {
  const names = ['HEAD', ...SECTIONS.map((kind: SectionKind) => kind.tag), 'TAIL'];
  const file = Buffer.alloc(names.length * 8);
  names.forEach((name, index) => {
    file.write(name, index * 8, 'latin1');
    file.writeUInt32BE(checksums.get(name) ?? 0, index * 8 + 4);
  });
  return file;
}

/**
 * Serializes the state as an image of format 2.0 with all thirteen sections (spec 50 §2, §3). Pieces come out as they fill, and
 * each must be written before the next is asked for; the state must not change before the generator is done.
 */
export function* imageChunks(state: State, options: SaveOptions): Generator<ImagePiece, SavedImage, void> {
  const out = new ImageOutput();
  yield* writeHeader(out, state);
  for (const { tag, version } of SECTIONS) {
    yield* out.section(tag, version, WRITERS[tag](out, state, options.now));
  }
  for (const section of options.carried ?? []) yield* writeCarried(out, section);
  out.begin('TAIL');
  yield* out.record(END_MARKER);
  yield* out.flush();
  return { lengthBytes: out.offset, checksums: encodeChecksums(out.checksums()) };
}

/** The whole image in memory, for tools and tests. */
export function imageBytes(state: State, options: SaveOptions): { image: Buffer; checksums: Buffer } {
  const writer = imageChunks(state, options);
  const pieces: ImagePiece[] = [];
  let step = writer.next();
  for (; step.done !== true; step = writer.next()) {
    pieces.push({ position: step.value.position, data: Buffer.from(step.value.data) });
  }
  const image = Buffer.alloc(step.value.lengthBytes);
  for (const { position, data } of pieces) data.copy(image, position);
  return { image, checksums: step.value.checksums };
}

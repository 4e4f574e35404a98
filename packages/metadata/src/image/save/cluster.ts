/** SCLA, CSDB and CHNK sections out of the tables (spec 50 §3.2, §3.12, §3.13). */
import type { State } from '../../state.ts';
import { MASKS_PER_COPY, type StorageClass } from '../../tables/storageClasses.ts';
import type { ImageOutput, ImageWriter } from './output.ts';

const CLASS_HEAD_BYTES = 10;
const CHUNKSERVER_BYTES = 13;
const CHUNK_BYTES = 17;

function putClass(out: ImageOutput, id: number, definition: StorageClass): void {
  const { name, createMasks, keepMasks, archMasks } = definition;
  const start = out.length;
  out.u16(id);
  out.u8(name.length);
  out.u8(definition.adminonly);
  out.u8(definition.mode);
  out.u16(definition.archdelay);
  for (const masks of [createMasks, keepMasks, archMasks]) out.u8(masks.length / MASKS_PER_COPY);
  out.data(name);
  for (const masks of [createMasks, keepMasks, archMasks]) {
    for (const mask of masks) out.u32(mask);
  }
  out.checksum(start);
}

export function* writeStorageClasses(out: ImageOutput, state: State): ImageWriter {
  yield* out.reserve(1);
  const start = out.length;
  out.u8(MASKS_PER_COPY);
  out.checksum(start);
  for (const [id, definition] of state.storageClasses.entries()) {
    const masks = definition.createMasks.length + definition.keepMasks.length + definition.archMasks.length;
    yield* out.reserve(CLASS_HEAD_BYTES + definition.name.length + masks * 4);
    putClass(out, id, definition);
  }
  yield* out.terminator(CLASS_HEAD_BYTES);
}

export function* writeChunkservers(out: ImageOutput, state: State): ImageWriter {
  const { records } = state.chunkservers;
  yield* out.reserve(4);
  let start = out.length;
  out.u32(records.length);
  out.checksum(start);
  for (const server of records) {
    yield* out.reserve(CHUNKSERVER_BYTES);
    start = out.length;
    out.u32(server.ip);
    out.u16(server.port);
    out.u16(server.csid);
    out.u8(server.maintenance);
    out.u32(server.maintenanceTimeout);
    out.checksum(start);
  }
}

/** Locks that are over at `now` are written as none. */
export function* writeChunks(out: ImageOutput, state: State, now: number): ImageWriter {
  const { chunks } = state;
  yield* out.reserve(8);
  const start = out.length;
  out.u64(state.nextchunkid);
  out.checksum(start);
  for (let row = putChunks(out, state, 1, now); row < chunks.rowLimit; row = putChunks(out, state, row, now)) {
    yield* out.flush();
  }
  yield* out.terminator(CHUNK_BYTES);
}

/** Writes chunks from row `from` on while there is room (see putNodes). Returns the row to go on with. */
function putChunks(out: ImageOutput, { chunks }: State, from: number, now: number): number {
  const { rowLimit } = chunks;
  for (let row = from; row < rowLimit; row++) {
    const id = chunks.id.get(row);
    if (id === 0) continue;
    if (!out.fits(CHUNK_BYTES)) return row;
    const start = out.length;
    const lockedTo = chunks.lockedTo.get(row);
    out.u64(id);
    out.u32(chunks.version.get(row));
    out.u32(lockedTo < now ? 0 : lockedTo);
    out.u8(chunks.archive.get(row));
    out.checksum(start);
  }
  return rowLimit;
}

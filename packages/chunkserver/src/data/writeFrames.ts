import { CLTOCS_WRITE_FINISH, Status } from '@alces/proto';
import { putWriteStatus, WRITE_STATUS_BYTES } from './frames.ts';

/** Frames of a WRITE session that the last server of a chain and one in the middle both handle. */

export function writeStatusFrame(chunkId: number, writeId: number, status: number): Buffer {
  const frame = Buffer.allocUnsafe(WRITE_STATUS_BYTES);
  putWriteStatus(frame, 0, chunkId, writeId, status);
  return frame;
}

/** The OKs for several writes in one piece. */
export function writeStatusFrames(chunkId: number, writeIds: readonly number[]): Buffer {
  const frames = Buffer.allocUnsafe(WRITE_STATUS_BYTES * writeIds.length);
  let at = 0;
  for (const writeId of writeIds) at = putWriteStatus(frames, at, chunkId, writeId, Status.OK);
  return frames;
}

/** Whether a WRITE_FINISH belongs to this session. Throws DecodeError. */
export function finishes(payload: Buffer, chunkId: number, version: number): boolean {
  const finish = CLTOCS_WRITE_FINISH.decode(payload);
  return finish.chunkId === chunkId && finish.version === version;
}

/** How often a NOP is answered during a WRITE (spec 20 §5.3.3). */
export const NOP_ECHO_MS = 500;
/** A session in which nothing arrives and nothing is to be done ends after this time. */
export const SILENCE_MS = 5000;

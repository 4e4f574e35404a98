import { BLOCK_SIZE, crc32, Status } from '@alces/proto';
import { ChunkFailure } from '../store/failures.ts';
import type { BlockWrite } from '../store/writeBlocks.ts';
import type { ReceivedBlock } from './source.ts';

const QUARTER = BLOCK_SIZE / 4;

/** Whether quarter `part` of source `source` goes into a quarter with this mask: four bits a source, from bit 31 down. */
function isIn(mask: number, source: number, part: number): boolean {
  return ((mask >>> (31 - source * 4 - part)) & 1) === 1;
}

function xorInto(target: Buffer, data: Buffer): void {
  for (let at = 0; at < target.length; at++) target[at] ^= data[at];
}

/**
 * Builds a block from several sources: quarter k is the XOR of the quarters that mask k names (spec 30 §1.16). `received` has
 * one entry a source, undefined for those that are shorter. Throws ChunkFailure CRC when a source's data are not what it says.
 */
export function combineBlock(
  block: number,
  received: readonly (ReceivedBlock | undefined)[],
  masks: readonly [number, number, number, number],
): BlockWrite {
  const data = Buffer.alloc(BLOCK_SIZE);
  for (const [source, part] of received.entries()) {
    if (!part) continue;
    if (crc32(part.data) !== part.crc) throw new ChunkFailure(Status.CRC, `block ${block}: wrong CRC`);
    for (const [quarter, mask] of masks.entries())
      for (let from = 0; from < 4; from++)
        if (isIn(mask, source, from))
          xorInto(
            data.subarray(quarter * QUARTER, (quarter + 1) * QUARTER),
            part.data.subarray(from * QUARTER, (from + 1) * QUARTER),
          );
  }
  return { block, offset: 0, data, crc: crc32(data) };
}

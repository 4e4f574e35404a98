import { BadMessage, type Link } from './link.ts';

/** A message whose payload is a long list of chunks, worked off entry by entry. */
export interface ListMessage<Target> {
  /** Where the entries begin, and how long one is. */
  readonly headerBytes: number;
  readonly entryBytes: number;
  /** The first entry is about to be worked off. */
  begin(target: Target): void;
  entry(target: Target, payload: Buffer, offset: number): void;
}

/** List entries between two looks at the clock. */
const listStride = 256;

/** Works off the list in the link's first frame from where it was left; false: time was up before its end. */
export function workOffList<Target>(
  list: ListMessage<Target>,
  target: Target,
  link: Link,
  payload: Buffer,
  timeIsUp: () => boolean,
): boolean {
  const entries = (payload.length - list.headerBytes) / list.entryBytes;
  if (!Number.isInteger(entries)) throw new BadMessage(`chunk list of ${payload.length} bytes`);
  if (entries > 0 && link.progress === 0) list.begin(target);
  while (link.progress < entries) {
    const stop = Math.min(entries, link.progress + listStride);
    for (let index = link.progress; index < stop; index++) {
      list.entry(target, payload, list.headerBytes + index * list.entryBytes);
    }
    link.progress = stop;
    if (stop < entries && timeIsUp()) return false;
  }
  return true;
}

/** A chunk id; ids above 2^53 are impossible and read as 0, which every list ignores. */
export function readId(payload: Buffer, offset: number): number {
  const id = payload.readUInt32BE(offset) * 0x100000000 + payload.readUInt32BE(offset + 4);
  return Number.isSafeInteger(id) ? id : 0;
}

import { crc32 } from '@alces/proto';
import { type EpochRecord, epochOfEntry } from '@alces/replication';

const MAGIC = Buffer.from('ALCESLG1');
const HEAD_BYTES = MAGIC.length + 4 + 2;

/** What is kept beside a stock image: to which history its last change belongs, and the answers given up to there. */
export interface LedgerFile {
  origin: string;
  answers: Buffer;
}

/** Of changes from before the journal: the file system's id in the image says which ones they are. */
export const BEFORE_JOURNAL = '0';

/** Names the epoch of a change. Two journals that name it alike agree about the change and all before it. */
export function originOf(history: readonly EpochRecord[], version: number): string {
  const epoch = epochOfEntry(history, version);
  if (epoch === 0) return BEFORE_JOURNAL;
  const record = history.find((candidate) => candidate.epoch === epoch);
  return `${epoch}:${record?.leader}:${record?.id}`;
}

export function encodeLedgerFile({ origin, answers }: LedgerFile): Buffer {
  const name = Buffer.from(origin, 'latin1');
  const head = Buffer.alloc(HEAD_BYTES);
  MAGIC.copy(head);
  head.writeUInt32BE(crc32(answers, crc32(name)), MAGIC.length);
  head.writeUInt16BE(name.length, MAGIC.length + 4);
  return Buffer.concat([head, name, answers]);
}

/** Undefined for anything that `encodeLedgerFile` does not give. */
export function decodeLedgerFile(bytes: Buffer): LedgerFile | undefined {
  if (bytes.length < HEAD_BYTES || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  const begin = HEAD_BYTES + bytes.readUInt16BE(MAGIC.length + 4);
  if (begin > bytes.length) return undefined;
  const name = bytes.subarray(HEAD_BYTES, begin);
  const answers = bytes.subarray(begin);
  if (crc32(answers, crc32(name)) !== bytes.readUInt32BE(MAGIC.length)) return undefined;
  return { origin: name.toString('latin1'), answers };
}

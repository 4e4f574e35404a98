import { ANTOAN_NOP, BLOCK_SIZE, CHUNK_SIZE, CSTOCL_READ_DATA, CSTOCL_READ_STATUS, crc32 } from '@alces/proto';

const FRAME_HEADER_BYTES = 8;
/** chunkid:u64 blocknum:u16 offset:u16 size:u32 crc:u32 before the data of READ_DATA. */
const DATA_HEADER_BYTES = 20;
const STATUS_BYTES = 9;

/** Bytes that answer a READ of [offset, offset+size) when the server inserts no NOPs. */
export function readAnswerBytes(offset: number, size: number): number {
  const blocks = Math.floor((offset + size - 1) / BLOCK_SIZE) - Math.floor(offset / BLOCK_SIZE) + 1;
  return size + blocks * (FRAME_HEADER_BYTES + DATA_HEADER_BYTES) + FRAME_HEADER_BYTES + STATUS_BYTES;
}

/** The chunkserver broke the protocol, or sent data whose checksum is wrong. */
export class BadAnswer extends Error {
  override readonly name = 'BadAnswer';
}

export interface ReadSink {
  /** The next verified bytes, views of what was pushed. */
  data(views: readonly Buffer[], length: number): void;
  /** READ_STATUS: the answer is complete. */
  status(status: number): void;
}

type Expect = 'header' | 'statusBody' | 'dataHeader' | 'data';

/**
 * Takes the answer to one READ apart while it arrives (spec 20 §5.2.2). Only what a server may send is accepted: blocks in
 * order, of exactly the asked range, with the right checksums; everything else throws BadAnswer.
 */
export class ReadAnswer {
  readonly #chunkId: number;
  readonly #sink: ReadSink;
  /** Position in the chunk of the next data, and the end of the asked range. */
  #position: number;
  readonly #start: number;
  readonly #end: number;
  #expect: Expect = 'header';
  /** A header that does not lie in one pushed buffer is collected here. */
  readonly #scratch = Buffer.allocUnsafe(DATA_HEADER_BYTES);
  #scratchBytes = 0;
  #views: Buffer[] = [];
  #blockBytes = 0;
  #blockLeft = 0;
  #crc = 0;
  #expectedCrc = 0;
  #finished = false;

  constructor(chunkId: number, offset: number, size: number, sink: ReadSink) {
    if (offset + size > CHUNK_SIZE) throw new RangeError('range beyond the chunk');
    this.#chunkId = chunkId;
    this.#position = offset;
    this.#start = offset;
    this.#end = offset + size;
    this.#sink = sink;
  }

  /** Nothing of the answer has arrived but NOPs. */
  get untouched(): boolean {
    return this.#position === this.#start && this.#expect === 'header' && this.#scratchBytes === 0;
  }

  get finished(): boolean {
    return this.#finished;
  }

  push(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#finished) throw new BadAnswer('bytes after READ_STATUS');
      if (this.#expect === 'data') {
        at = this.#takeData(bytes, at);
        continue;
      }
      const needed = this.#headerBytes();
      if (this.#scratchBytes === 0 && bytes.length - at >= needed) {
        this.#header(bytes, at);
        at += needed;
        continue;
      }
      const take = Math.min(needed - this.#scratchBytes, bytes.length - at);
      bytes.copy(this.#scratch, this.#scratchBytes, at, at + take);
      this.#scratchBytes += take;
      at += take;
      if (this.#scratchBytes < needed) return;
      this.#scratchBytes = 0;
      this.#header(this.#scratch, 0);
    }
  }

  #headerBytes(): number {
    if (this.#expect === 'header') return FRAME_HEADER_BYTES;
    return this.#expect === 'statusBody' ? STATUS_BYTES : DATA_HEADER_BYTES;
  }

  #header(source: Buffer, at: number): void {
    if (this.#expect === 'header') this.#frameHeader(source.readUInt32BE(at), source.readUInt32BE(at + 4));
    else if (this.#expect === 'statusBody') this.#status(source, at);
    else this.#dataHeader(source, at);
  }

  #frameHeader(type: number, length: number): void {
    if (type === CSTOCL_READ_DATA.number) {
      if (length < DATA_HEADER_BYTES || length > DATA_HEADER_BYTES + BLOCK_SIZE)
        throw new BadAnswer('size of READ_DATA');
      this.#blockLeft = length - DATA_HEADER_BYTES;
      this.#expect = 'dataHeader';
    } else if (type === CSTOCL_READ_STATUS.number) {
      if (length !== STATUS_BYTES) throw new BadAnswer('size of READ_STATUS');
      this.#expect = 'statusBody';
    } else if (type !== ANTOAN_NOP.number || length !== 0) {
      throw new BadAnswer(`message ${type} of ${length} bytes`);
    }
  }

  #checkChunk(source: Buffer, at: number): void {
    const id = source.readUInt32BE(at) * 0x1_0000_0000 + source.readUInt32BE(at + 4);
    if (id !== this.#chunkId) throw new BadAnswer(`chunk ${id} instead of ${this.#chunkId}`);
  }

  #status(source: Buffer, at: number): void {
    this.#checkChunk(source, at);
    const status = source[at + 8];
    if (status === 0 && this.#position !== this.#end) throw new BadAnswer('READ_STATUS OK before all data');
    this.#finished = true;
    this.#sink.status(status);
  }

  #dataHeader(source: Buffer, at: number): void {
    this.#checkChunk(source, at);
    const position = source.readUInt16BE(at + 8) * BLOCK_SIZE + source.readUInt16BE(at + 10);
    const size = source.readUInt32BE(at + 12);
    const blockEnd = (Math.floor(this.#position / BLOCK_SIZE) + 1) * BLOCK_SIZE;
    const expected = Math.min(blockEnd, this.#end) - this.#position;
    if (size !== this.#blockLeft || size === 0 || size !== expected) throw new BadAnswer(`${size} bytes of data`);
    if (position !== this.#position) throw new BadAnswer(`data of ${position} instead of ${this.#position}`);
    this.#expectedCrc = source.readUInt32BE(at + 16);
    this.#crc = 0;
    this.#blockBytes = size;
    this.#expect = 'data';
  }

  #takeData(bytes: Buffer, at: number): number {
    const take = Math.min(this.#blockLeft, bytes.length - at);
    const view = bytes.subarray(at, at + take);
    this.#crc = crc32(view, this.#crc);
    this.#views.push(view);
    this.#blockLeft -= take;
    if (this.#blockLeft === 0) this.#endBlock();
    return at + take;
  }

  #endBlock(): void {
    if (this.#crc !== this.#expectedCrc) throw new BadAnswer('wrong checksum');
    const views = this.#views;
    this.#views = [];
    this.#position += this.#blockBytes;
    this.#expect = 'header';
    this.#sink.data(views, this.#blockBytes);
  }
}

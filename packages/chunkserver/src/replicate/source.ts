import {
  ANTOAN_NOP,
  ANTOCS_GET_CHUNK_BLOCKS,
  BLOCK_SIZE,
  CLTOCS_READ,
  CSTOAN_CHUNK_BLOCKS,
  CSTOCL_READ_DATA,
  CSTOCL_READ_STATUS,
  DecodeError,
  Status,
} from '@alces/proto';
import type { Clock } from '@alces/runtime';
import type { PeerConnection } from '../data/peer.ts';
import type { Packet } from '../net/packets.ts';
import { ChunkFailure } from '../store/failures.ts';
import type { ReplicationSource } from './order.ts';

/** Each step waits this long for the other server. */
const STEP_MS = 5000;
/** Packets received ahead of the disk. */
const AHEAD_HIGH = 32;
const AHEAD_LOW = 8;

/** A block as a source delivered it. */
export interface ReceivedBlock {
  packet: Packet;
  block: number;
  crc: number;
  data: Buffer;
}

/** The conversation with one source of a replication. Failures are ChunkFailures with the status for the master. */
export class SourceConnection {
  readonly #peer: PeerConnection;
  readonly #source: ReplicationSource;
  readonly #clock: Clock;
  readonly #received: Packet[] = [];
  #waiting: (() => void) | undefined;
  #broken = false;
  #paused = false;
  /** Blocks that the source has. */
  blocks = 0;

  constructor(peer: PeerConnection, source: ReplicationSource, clock: Clock) {
    this.#peer = peer;
    this.#source = source;
    this.#clock = clock;
    peer.user = {
      packet: (packet) => this.#arrived(packet),
      closed: () => {
        this.#broken = true;
        this.#waiting?.();
      },
    };
  }

  /** Asks for the number of blocks. */
  async askBlocks(): Promise<void> {
    const { chunkId, version } = this.#source;
    this.#peer.stream.write(ANTOCS_GET_CHUNK_BLOCKS.encode({ chunkId, version }));
    const packet = await this.#next();
    try {
      if (packet.type !== CSTOAN_CHUNK_BLOCKS.number) throw disconnected(`packet ${packet.type}`);
      const reply = decoding(() => CSTOAN_CHUNK_BLOCKS.decode(packet.payload));
      if (reply.chunkId !== chunkId) throw new ChunkFailure(Status.WRONGCHUNKID, `chunk ${reply.chunkId}`);
      if (reply.version !== version) throw new ChunkFailure(Status.WRONGVERSION, `version ${reply.version}`);
      if (reply.status !== Status.OK) throw new ChunkFailure(reply.status, 'the source refuses');
      this.blocks = reply.blocks;
    } finally {
      packet.release();
    }
  }

  /** Asks for all blocks. */
  askData(): void {
    const { chunkId, version } = this.#source;
    if (this.blocks === 0) return;
    this.#peer.stream.write(CLTOCS_READ.encode({ chunkId, version, offset: 0, size: this.blocks * BLOCK_SIZE }));
  }

  /** Whether the next packet is here already. */
  get hasNext(): boolean {
    return this.#received.length > 0;
  }

  /** The next block, which must be this one; the caller becomes the packet's holder. */
  async nextBlock(block: number): Promise<ReceivedBlock> {
    const packet = await this.#next();
    try {
      return this.#checkBlock(packet, block);
    } catch (error) {
      packet.release();
      throw error;
    }
  }

  /** The status behind the last block. */
  async end(): Promise<void> {
    if (this.blocks === 0) return;
    const packet = await this.#next();
    packet.release();
    if (packet.type !== CSTOCL_READ_STATUS.number) throw disconnected(`packet ${packet.type}`);
    const { status } = this.#readStatus(packet);
    if (status !== Status.OK) throw new ChunkFailure(status, 'the source ended with an error');
  }

  close(): void {
    this.#peer.drop(false);
    for (const packet of this.#received.splice(0)) packet.release();
  }

  #readStatus(packet: Packet): { status: number } {
    const reply = decoding(() => CSTOCL_READ_STATUS.decode(packet.payload));
    if (reply.chunkId !== this.#source.chunkId) throw new ChunkFailure(Status.WRONGCHUNKID, `chunk ${reply.chunkId}`);
    return reply;
  }

  #checkBlock(packet: Packet, block: number): ReceivedBlock {
    if (packet.type === CSTOCL_READ_STATUS.number) {
      const { status } = this.#readStatus(packet);
      throw new ChunkFailure(status === Status.OK ? Status.DISCONNECTED : status, 'the source stopped');
    }
    if (packet.type !== CSTOCL_READ_DATA.number) throw disconnected(`packet ${packet.type}`);
    const data = decoding(() => CSTOCL_READ_DATA.decode(packet.payload));
    if (data.chunkId !== this.#source.chunkId) throw new ChunkFailure(Status.WRONGCHUNKID, `chunk ${data.chunkId}`);
    if (data.block !== block) throw new ChunkFailure(Status.BNUMTOOBIG, `block ${data.block} for ${block}`);
    if (data.offset !== 0) throw new ChunkFailure(Status.WRONGOFFSET, `offset ${data.offset}`);
    if (data.data.length !== BLOCK_SIZE) throw new ChunkFailure(Status.WRONGSIZE, `${data.data.length} bytes`);
    return { packet, block, crc: data.crc, data: data.data };
  }

  #arrived(packet: Packet): void {
    if (packet.type === ANTOAN_NOP.number) {
      packet.release();
      return;
    }
    this.#received.push(packet);
    this.#waiting?.();
    if (this.#received.length <= AHEAD_HIGH || this.#paused) return;
    this.#paused = true;
    this.#peer.stream.pause();
  }

  async #next(): Promise<Packet> {
    if (this.#received.length === 0 && !this.#broken) await this.#somethingArrives();
    const packet = this.#received.shift();
    if (this.#paused && this.#received.length <= AHEAD_LOW) {
      this.#paused = false;
      this.#peer.stream.resume();
    }
    if (!packet) throw disconnected(this.#broken ? 'the source closed the connection' : 'the source is silent');
    return packet;
  }

  #somethingArrives(): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        cancel();
        this.#waiting = undefined;
        resolve();
      };
      const cancel = this.#clock.timeout(STEP_MS, done);
      this.#waiting = done;
    });
  }
}

function disconnected(reason: string): ChunkFailure {
  return new ChunkFailure(Status.DISCONNECTED, reason);
}

/** A packet of another form counts as a lost connection. */
function decoding<T>(decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (error instanceof DecodeError) throw disconnected(error.message);
    throw error;
  }
}

import { FrameTooLong, Limit } from '@alces/proto';
import { type Packet, PacketReader } from '../net/packets.ts';
import type { Stream, StreamHandlers } from '../net/stream.ts';

/** Who listens to a connection to another chunkserver at the moment. */
export interface PeerUser {
  /** Becomes the packet's holder. */
  packet(packet: Packet): void;
  closed(): void;
}

/** A connection from this chunkserver to another one. It changes hands between users and the cache of idle connections. */
export class PeerConnection implements StreamHandlers {
  readonly address: string;
  readonly stream: Stream;
  readonly #reader = new PacketReader(() => Limit.CHUNKSERVER_FROM_CLIENT);
  user: PeerUser | undefined;
  #open = true;
  /** Whether anything arrived since the present user took it. */
  heard = false;

  constructor(address: string, stream: Stream) {
    this.address = address;
    this.stream = stream;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  get isReceiving(): boolean {
    return this.#reader.isInPacket;
  }

  data(bytes: Buffer): void {
    this.heard = true;
    try {
      this.#reader.push(bytes, (packet) => {
        if (this.user) this.user.packet(packet);
        else packet.release();
      });
    } catch (error) {
      if (!(error instanceof FrameTooLong)) throw error;
      this.stream.destroy();
      this.close();
    }
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#reader.stop();
    const { user } = this;
    this.user = undefined;
    user?.closed();
  }

  /** Closes from this side, after what was written has gone out or at once; the user is not told. */
  drop(gently: boolean): void {
    this.user = undefined;
    this.#open = false;
    this.#reader.stop();
    if (gently) this.stream.end();
    else this.stream.destroy();
  }
}

import { ANTOAN_NOP } from '@alces/proto';
import { NOP_FRAME } from './nop.ts';
import type { PeerConnection } from './peer.ts';

/** Idle connections kept at most (spec 20 §5.6). */
const CAPACITY = 250;
const NOP_EVERY_MS = 500;

/** Idle connections to other chunkservers, newest first for each address. */
export class ConnectionCache {
  /** In the order in which they were put in. */
  readonly #idle = new Set<PeerConnection>();
  #lastNopMs = Number.NEGATIVE_INFINITY;

  /** The newest idle connection to the address, for the caller alone. */
  take(address: string): PeerConnection | undefined {
    const found = [...this.#idle].findLast((peer) => peer.address === address);
    if (!found) return undefined;
    this.#idle.delete(found);
    found.user = undefined;
    found.heard = false;
    return found;
  }

  /** Keeps a connection on which nothing is outstanding. */
  give(peer: PeerConnection): void {
    if (!peer.isOpen || peer.isReceiving) {
      peer.drop(false);
      return;
    }
    this.#idle.add(peer);
    peer.user = {
      packet: (packet) => {
        packet.release();
        // Only NOPs may come now.
        if (packet.type !== ANTOAN_NOP.number) this.#remove(peer);
      },
      closed: () => this.#idle.delete(peer),
    };
    for (const oldest of this.#idle) {
      if (this.#idle.size <= CAPACITY) break;
      this.#remove(oldest);
    }
  }

  /** Keeps the connections alive; to be called several times a second. */
  tick(nowMs: number): void {
    if (nowMs - this.#lastNopMs < NOP_EVERY_MS) return;
    this.#lastNopMs = nowMs;
    for (const peer of this.#idle) peer.stream.write(NOP_FRAME);
  }

  closeAll(): void {
    for (const peer of this.#idle) this.#remove(peer);
  }

  #remove(peer: PeerConnection): void {
    this.#idle.delete(peer);
    peer.drop(false);
  }
}

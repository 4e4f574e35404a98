/** Transfer of images: the side that has one serves pieces of it, the side that needs one fetches them in order. */
import { crc32 } from '@alces/proto';
import { type Cancel, type Clock, type Disk, type DiskFile, type Random, reasonOf } from '@alces/runtime';
import type { ImageOffer } from '../core/effects.ts';
import type { ImageMessage, MessageOf } from '../core/messages.ts';
import type { NodeId } from '../history.ts';
import { BadMessage } from '../wire/fields.ts';
import type { ImageSource } from './application.ts';

export const PIECE_BYTES = 512 * 1024;
/** An image that nobody asked for so long is closed. */
const IDLE_MS = 60_000;
const FAILURE_PAUSE_MS = 1000;

type Send = (peer: NodeId, message: ImageMessage) => void;

async function checksum(source: ImageSource): Promise<number> {
  let crc = 0;
  for (let offset = 0; offset < source.lengthBytes; offset += PIECE_BYTES) {
    crc = crc32(await source.read(offset, Math.min(PIECE_BYTES, source.lengthBytes - offset)), crc);
  }
  return crc;
}

interface Served {
  offer: ImageOffer;
  source: ImageSource;
  usedMs: number;
}

/** Makes images and serves them; one that is young enough serves several peers, and goes on where a connection broke. */
export class ImageServer {
  readonly #options: { clock: Clock; random: Random; create: () => Promise<ImageSource>; send: Send };
  #served: Served | undefined;
  #making: Promise<Served> | undefined;
  /** Counts the times that the journal took another course. */
  #generation = 0;

  constructor(options: { clock: Clock; random: Random; create: () => Promise<ImageSource>; send: Send }) {
    this.#options = options;
  }

  /** An image of at least `leastVersion`. Rejects when there is none. */
  async offer(leastVersion: number): Promise<ImageOffer> {
    const now = this.#options.clock.monotonicMs();
    if (this.#served !== undefined && this.#served.offer.version >= leastVersion) {
      this.#served.usedMs = now;
      return this.#served.offer;
    }
    this.#making ??= this.#begin();
    return (await this.#making).offer;
  }

  #begin(): Promise<Served> {
    const making = this.#make().finally(() => {
      if (this.#making === making) this.#making = undefined;
    });
    return making;
  }

  async #make(): Promise<Served> {
    const generation = this.#generation;
    const source = await this.#options.create();
    const crc = await checksum(source);
    if (generation !== this.#generation) {
      await source.close();
      throw new Error('changes in it were removed from the journal');
    }
    const image = this.#options.random.u32() + 1;
    const offer = { image, version: source.version, lengthBytes: source.lengthBytes, crc };
    const previous = this.#served;
    this.#served = { offer, source, usedMs: this.#options.clock.monotonicMs() };
    const served = this.#served;
    await previous?.source.close();
    return served;
  }

  /** The journal takes another course behind some version: what images were made of may not be in it any more. */
  forget(): void {
    this.#generation++;
    const served = this.#served;
    this.#served = undefined;
    this.#making = undefined;
    void served?.source.close();
  }

  async serve(peer: NodeId, { image, offset, lengthBytes }: MessageOf<'imageGet'>): Promise<void> {
    const served = this.#served;
    if (lengthBytes > PIECE_BYTES) throw new BadMessage(`a piece of ${lengthBytes} bytes`);
    if (served?.offer.image !== image || offset + lengthBytes > served.offer.lengthBytes) {
      this.#options.send(peer, { kind: 'imageGone', image });
      return;
    }
    served.usedMs = this.#options.clock.monotonicMs();
    const bytes = await served.source.read(offset, lengthBytes);
    this.#options.send(peer, { kind: 'imageData', image, offset, crc: crc32(bytes), bytes });
  }

  /** Closes an image that nobody uses any more. */
  expire(): void {
    const served = this.#served;
    if (served === undefined || this.#options.clock.monotonicMs() - served.usedMs < IDLE_MS) return;
    this.#served = undefined;
    void served.source.close();
  }

  async close(): Promise<void> {
    const served = this.#served;
    this.#served = undefined;
    await served?.source.close();
  }
}

export interface ImageFetcherOptions {
  clock: Clock;
  disk: Disk;
  folder: string;
  send: Send;
  /** The image is complete at its `installPath`, checked and on disk. */
  fetched(image: number): void;
  failed(image: number): void;
  report(level: 'info' | 'warn' | 'error', text: string): void;
}

interface Fetch {
  peer: NodeId;
  offer: ImageOffer;
  answered: ((bytes: Buffer | undefined) => void) | undefined;
  startedMs: number;
  offset: number;
}

/** Fetches one image at a time into a file; what is there of the same image from an earlier attempt is used. */
export class ImageFetcher {
  readonly #options: ImageFetcherOptions;
  #fetch: Fetch | undefined;
  #cancelPause: Cancel | undefined;

  constructor(options: ImageFetcherOptions) {
    this.#options = options;
  }

  /** Where a complete image waits to be installed. */
  installPath(image: number): string {
    return `${this.#options.folder}/image.install.${image}`;
  }

  /** How far the present transfer is; undefined: there is none. */
  get progress(): { bytes: number; totalBytes: number; startedMs: number } | undefined {
    if (this.#fetch === undefined) return undefined;
    const { offset, offer, startedMs } = this.#fetch;
    return { bytes: offset, totalBytes: offer.lengthBytes, startedMs };
  }

  start(peer: NodeId, offer: ImageOffer): void {
    this.stop();
    const startedMs = this.#options.clock.monotonicMs();
    const fetch: Fetch = { peer, offer, answered: undefined, startedMs, offset: 0 };
    this.#fetch = fetch;
    this.#run(fetch).catch((error: unknown) => {
      if (this.#fetch !== fetch) return;
      const reason = reasonOf(error);
      this.#options.report('warn', `fetching an image from ${peer} failed: ${reason}`);
      this.#fetch = undefined;
      this.#cancelPause = this.#options.clock.timeout(FAILURE_PAUSE_MS, () => this.#options.failed(offer.image));
    });
  }

  /** Gives the transfer up; what is there is kept for the next attempt. */
  stop(): void {
    this.#cancelPause?.();
    const fetch = this.#fetch;
    this.#fetch = undefined;
    fetch?.answered?.(undefined);
  }

  lost(peer: NodeId): void {
    if (this.#fetch?.peer === peer) this.stop();
  }

  data(peer: NodeId, message: MessageOf<'imageData' | 'imageGone'>): void {
    const fetch = this.#fetch;
    if (fetch?.peer !== peer || fetch.offer.image !== message.image || fetch.answered === undefined) return;
    const { answered } = fetch;
    if (message.kind === 'imageGone') {
      fetch.answered = undefined;
      answered(undefined);
      return;
    }
    if (crc32(message.bytes) !== message.crc) throw new BadMessage('a damaged piece of an image');
    fetch.answered = undefined;
    answered(message.bytes);
  }

  #ask(fetch: Fetch, offset: number): Promise<Buffer> {
    const lengthBytes = Math.min(PIECE_BYTES, fetch.offer.lengthBytes - offset);
    return new Promise((resolve, reject) => {
      fetch.answered = (bytes) => {
        if (bytes === undefined) reject(new Error('it is not there any more'));
        else if (bytes.length !== lengthBytes) reject(new Error('a piece has the wrong length'));
        else resolve(bytes);
      };
      this.#options.send(fetch.peer, { kind: 'imageGet', image: fetch.offer.image, offset, lengthBytes });
    });
  }

  async #run(fetch: Fetch): Promise<void> {
    const { disk, folder } = this.#options;
    const { offer } = fetch;
    const name = `image.part.${offer.image}-${offer.crc.toString(16)}`;
    for (const other of await disk.list(folder)) {
      if (other.startsWith('image.part.') && other !== name) await disk.remove(`${folder}/${other}`);
    }
    const path = `${folder}/${name}`;
    const file = await disk.open(path, 'append');
    try {
      await this.#fill(fetch, file);
      await file.datasync();
    } finally {
      await file.close();
    }
    if (this.#fetch !== fetch) return;
    await disk.rename(path, this.installPath(offer.image));
    await disk.syncFolder(folder);
    if (this.#fetch !== fetch) return;
    this.#fetch = undefined;
    this.#options.fetched(offer.image);
  }

  /** Fetches what the file lacks. Throws when it is not the image in the end, leaving it empty. */
  async #fill(fetch: Fetch, file: DiskFile): Promise<void> {
    const { lengthBytes, crc } = fetch.offer;
    let actual = 0;
    const present = Math.min(await file.size(), lengthBytes);
    while (fetch.offset < present) {
      const bytes = await file.read(fetch.offset, Math.min(PIECE_BYTES, present - fetch.offset));
      actual = crc32(bytes, actual);
      fetch.offset += bytes.length;
    }
    while (fetch.offset < lengthBytes) {
      if (this.#fetch !== fetch) throw new Error('given up');
      const bytes = await this.#ask(fetch, fetch.offset);
      await file.write(fetch.offset, [bytes]);
      actual = crc32(bytes, actual);
      fetch.offset += bytes.length;
    }
    if (actual === crc) return;
    await file.truncate(0);
    throw new Error('its checksum is wrong');
  }
}

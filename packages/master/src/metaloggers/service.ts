import type { InheritedChanges } from '@alces/journal';
import type { State } from '@alces/metadata';
import {
  ALCES_MSGID,
  ALCES_VERSION_STRING,
  ANTOAN_BAD_COMMAND_SIZE,
  ANTOAN_CONFIG_VALUE,
  ANTOAN_GET_CONFIG,
  ANTOAN_GET_VERSION,
  ANTOAN_NOP,
  ANTOAN_UNKNOWN_COMMAND,
  ANTOAN_VERSION,
  ANTOMA_ALCES_DIGEST,
  ANTOMA_ALCES_OPEN,
  ANTOMA_ALCES_READ,
  ANTOMA_ALCES_VERDICT,
  ANTOMA_DOWNLOAD_END,
  ANTOMA_DOWNLOAD_REQUEST,
  ANTOMA_DOWNLOAD_START,
  ANTOMA_REGISTER,
  DecodeError,
  DownloadFile,
  type FieldsOf,
  type Frame,
  FrameReader,
  FrameTooLong,
  Limit,
  MATOAN_METACHANGES_LOG,
  VERSION,
  VERSION_STRING,
} from '@alces/proto';
import type { Cancel, Clock, Connection, ConnectionHandlers, Disk, Logger } from '@alces/runtime';
import { addressNumber, formatAddress } from '../exports/network.ts';
import { AlcesDownload } from './alcesFiles.ts';
import { Digests } from './digests.ts';
import { Download, type DownloadPaths, DownloadViolation } from './download.ts';
import { RecentChanges, type StreamPosition } from './recentChanges.ts';

const UNREGISTERED_TIMEOUT_MS = 10_000;
const SMALLEST_TIMEOUT_SECONDS = 3;
const TICK_MS = 500;
const STALL_MS = 1_000;
/** Changes wait in memory, not in the socket, while more than this is unsent. */
const SEND_AHEAD_BYTES = 4 << 20;

const MOST_TOLD = 1000;

const NOP = Buffer.alloc(8);

export interface MetaloggerServiceOptions {
  clock: Clock;
  disk: Disk;
  log: Logger;
  paths: DownloadPaths;
  /** Number of the next change. */
  nextVersion: number;
  /** What masters before this one wrote to the same journal. */
  inherited?: InheritedChanges | undefined;
  /** Resolves when the image and the change logs that may be downloaded belong together. */
  imageReady?(): Promise<void>;
  /** CHANGELOG_PRESERVE_SECONDS. */
  keepSeconds(): number;
  /** Text of an option in mfsmaster.cfg, '' when it is absent or secret. */
  configText(name: string): string;
  /** What Alces metaloggers are offered beyond the protocol of MooseFS (decision 0101). Default: nothing. */
  alces?: {
    readonly state: State;
    /** Path of a changelog. */
    changelog(number: number): string;
  };
}

/** What is known of a metalogger that made itself known as one of ours. */
interface AlcesPeer {
  readonly download: AlcesDownload;
  /** A digest is on the way to it. */
  wantsDigest: boolean;
  /** It has said that its state equals ours. */
  saidEqual: boolean;
}

/** One connected metalogger. */
interface Peer {
  readonly connection: Connection;
  readonly ip: number;
  readonly reader: FrameReader;
  readonly download: Download;
  /** Undefined: a stock metalogger. */
  alces: AlcesPeer | undefined;
  /** 0 = not registered. */
  version: number;
  timeoutMs: number;
  /** Next byte of the stream of changes to send; undefined before registration. */
  position: StreamPosition | undefined;
  lastReadMs: number;
  lastWriteMs: number;
  /** A request that has to wait for the disk is being worked off. */
  busy: boolean;
  closed: boolean;
}

/** The metaloggers' side of the master (port 9419, spec 52). */
export class MetaloggerService {
  readonly #options: MetaloggerServiceOptions;
  readonly #changes: RecentChanges;
  readonly #peers = new Set<Peer>();
  readonly #cancelTick: Cancel;
  readonly #handlers = this.#makeHandlers();
  readonly #digests: Digests | undefined;
  /** By address: the last version that was sent to a metalogger whose connection is gone. */
  readonly #told = new Map<number, number>();
  #lastTickMs: number;

  constructor(options: MetaloggerServiceOptions) {
    this.#options = options;
    this.#changes = new RecentChanges(options.nextVersion, options.clock.unixSeconds());
    this.#digests = options.alces && new Digests(options.clock, options.alces.state);
    this.#lastTickMs = options.clock.monotonicMs();
    this.#cancelTick = options.clock.interval(TICK_MS, () => this.#tick());
  }

  accept(connection: Connection): ConnectionHandlers {
    const nowMs = this.#options.clock.monotonicMs();
    const peer: Peer = {
      connection,
      ip: addressNumber(connection.remoteAddress),
      reader: new FrameReader(Limit.MASTER_FROM_METALOGGER),
      download: new Download(this.#options.disk, this.#options.paths),
      alces: undefined,
      version: 0,
      timeoutMs: UNREGISTERED_TIMEOUT_MS,
      position: undefined,
      lastReadMs: nowMs,
      lastWriteMs: nowMs,
      busy: false,
      closed: false,
    };
    this.#peers.add(peer);
    return {
      data: (bytes) => {
        peer.lastReadMs = this.#options.clock.monotonicMs();
        peer.reader.push(bytes);
        this.#work(peer);
      },
      drain: () => this.#pump(peer),
      close: () => this.#gone(peer),
    };
  }

  /** Adds changes that are safe in the journal; `flush` sends them. */
  add(version: number, text: Buffer): void {
    this.#changes.add(version, text, this.#options.clock.unixSeconds(), this.#options.keepSeconds());
  }

  /** Sends what was added to all metaloggers that keep up. */
  flush(): void {
    for (const peer of this.#peers) this.#pump(peer);
  }

  /** The master has rotated its changelog behind the changes added so far. */
  markRotation(): void {
    this.#changes.markRotation();
    this.flush();
  }

  /** Registered metaloggers, for MLOG_LIST. */
  list(): { version: number; ip: number }[] {
    return [...this.#peers].filter((peer) => peer.version !== 0).map(({ version, ip }) => ({ version, ip }));
  }

  stop(): void {
    this.#cancelTick();
    this.#digests?.stop();
    for (const peer of [...this.#peers]) this.#drop(peer);
  }

  #send(peer: Peer, frame: Buffer): void {
    peer.lastWriteMs = this.#options.clock.monotonicMs();
    peer.connection.write(frame);
  }

  #drop(peer: Peer): void {
    peer.connection.destroy();
    this.#gone(peer);
  }

  #gone(peer: Peer): void {
    if (peer.closed) return;
    peer.closed = true;
    this.#peers.delete(peer);
    this.#noteTold(peer);
    const kind = peer.version === 0 ? 'UNKNOWN' : 'METALOGGER';
    this.#options.log.info(`connection with ${kind}(${formatAddress(peer.ip)}) has been closed`);
    if (!peer.busy) this.#closeFiles(peer);
  }

  #closeFiles(peer: Peer): void {
    const closing = Promise.all([peer.download.close(), peer.alces?.download.close()]);
    closing.catch((error: unknown) => this.#options.log.warn({ error }, 'closing downloaded files'));
  }

  /** Works off requests until there are none or one has to wait for the disk. */
  #work(peer: Peer): void {
    try {
      while (!peer.closed && !peer.busy) {
        const frame = peer.reader.next();
        if (!frame) return;
        this.#handle(peer, frame);
      }
    } catch (error) {
      this.#refuse(peer, error);
    }
  }

  /** A violation of the protocol closes the connection; anything else is our own fault. */
  #refuse(peer: Peer, error: unknown): void {
    const violation =
      error instanceof DecodeError || error instanceof FrameTooLong || error instanceof DownloadViolation;
    if (!violation) throw error;
    this.#options.log.info(`master <-> metaloggers module: ${error.message} - connection closed`);
    this.#drop(peer);
  }

  #handle(peer: Peer, { type, payload }: Frame): void {
    const handler = this.#handlers.get(type);
    if (!handler) throw new DownloadViolation(`got unknown message (type:${type})`);
    handler(peer, payload);
  }

  #makeHandlers(): ReadonlyMap<number, (peer: Peer, payload: Buffer) => void> {
    const ignore = () => {};
    return new Map<number, (peer: Peer, payload: Buffer) => void>([
      [ANTOAN_NOP.number, ignore],
      [ANTOAN_UNKNOWN_COMMAND.number, ignore],
      [ANTOAN_BAD_COMMAND_SIZE.number, ignore],
      [ANTOAN_GET_VERSION.number, (peer, payload) => this.#sendVersion(peer, ANTOAN_GET_VERSION.decode(payload))],
      [ANTOAN_GET_CONFIG.number, (peer, payload) => this.#sendConfig(peer, ANTOAN_GET_CONFIG.decode(payload))],
      [ANTOMA_REGISTER.number, (peer, payload) => this.#register(peer, ANTOMA_REGISTER.decode(payload))],
      [
        ANTOMA_DOWNLOAD_START.number,
        (peer, payload) => {
          const { file } = ANTOMA_DOWNLOAD_START.decode(payload);
          this.#answerLater(peer, async () => {
            if (file === DownloadFile.METADATA) await this.#options.imageReady?.();
            return peer.download.start(file);
          });
        },
      ],
      [
        ANTOMA_DOWNLOAD_REQUEST.number,
        (peer, payload) => {
          const { offset, length } = ANTOMA_DOWNLOAD_REQUEST.decode(payload);
          this.#answerLater(peer, () => peer.download.read(offset, length));
        },
      ],
      [
        ANTOMA_DOWNLOAD_END.number,
        (peer, payload) => {
          ANTOMA_DOWNLOAD_END.decode(payload);
          this.#answerLater(peer, async () => {
            await peer.download.end();
            await peer.alces?.download.close();
            return undefined;
          });
        },
      ],
      ...this.#makeAlcesHandlers(),
    ]);
  }

  #makeAlcesHandlers(): [number, (peer: Peer, payload: Buffer) => void][] {
    return [
      [
        ANTOMA_ALCES_OPEN.number,
        (peer, payload) => {
          const { file, number } = ANTOMA_ALCES_OPEN.decode(payload);
          const { download } = this.#alces(peer);
          this.#answerLater(peer, () => download.open(file, number));
        },
      ],
      [
        ANTOMA_ALCES_READ.number,
        (peer, payload) => {
          const { offset, length } = ANTOMA_ALCES_READ.decode(payload);
          const { download } = this.#alces(peer);
          this.#answerLater(peer, () => download.read(offset, length));
        },
      ],
      [
        ANTOMA_ALCES_DIGEST.number,
        (peer, payload) => {
          ANTOMA_ALCES_DIGEST.decode(payload);
          this.#sendDigest(peer);
        },
      ],
      [ANTOMA_ALCES_VERDICT.number, (peer, payload) => this.#noteVerdict(peer, ANTOMA_ALCES_VERDICT.decode(payload))],
    ];
  }

  #alces(peer: Peer): AlcesPeer {
    if (!peer.alces) throw new DownloadViolation('sends a message of Alces without having made itself known');
    return peer.alces;
  }

  #sendDigest(peer: Peer): void {
    const alces = this.#alces(peer);
    if (alces.wantsDigest) throw new DownloadViolation('asks for a digest before it has the last one');
    alces.wantsDigest = true;
    // The first frame says at which version, the second is the digest.
    let frames = 0;
    this.#digests!.ask((frame) => {
      if (peer.closed) return;
      alces.wantsDigest = ++frames < 2;
      this.#send(peer, frame);
    });
  }

  #noteVerdict(peer: Peer, { metaVersion, tables }: FieldsOf<typeof ANTOMA_ALCES_VERDICT>): void {
    const alces = this.#alces(peer);
    const { log } = this.#options;
    const name = `metalogger ${formatAddress(peer.ip)}`;
    if (tables.length > 0) {
      const shown = tables.map((table) => JSON.stringify(table.name.toString('latin1'))).join(', ');
      log.error(`${name}: ITS STATE DIFFERS FROM OURS at version ${metaVersion}, in: ${shown}`);
    } else if (!alces.saidEqual) log.info(`${name}: its state equals ours at version ${metaVersion}`);
    alces.saidEqual = tables.length === 0;
  }

  #sendConfig(peer: Peer, { msgid, option }: FieldsOf<typeof ANTOAN_GET_CONFIG>): void {
    const value = Buffer.from(this.#options.configText(option.toString('latin1')), 'latin1').subarray(0, 255);
    this.#send(peer, ANTOAN_CONFIG_VALUE.encode({ msgid, value }));
  }

  #sendVersion(peer: Peer, { msgid }: FieldsOf<typeof ANTOAN_GET_VERSION>): void {
    const { alces, disk, paths } = this.#options;
    const isOurs = msgid === ALCES_MSGID && alces !== undefined;
    if (isOurs) {
      const download = new AlcesDownload(disk, { image: paths.image, changelog: alces.changelog });
      peer.alces ??= { download, wantsDigest: false, saidEqual: false };
    }
    const answer = { version: VERSION, text: Buffer.from(isOurs ? ALCES_VERSION_STRING : VERSION_STRING) };
    const layout = msgid === undefined ? 'plain' : 'msgid';
    this.#send(
      peer,
      ANTOAN_VERSION.encode(layout === 'msgid' ? { layout, msgid: msgid!, ...answer } : { layout, ...answer }),
    );
  }

  #register(peer: Peer, request: FieldsOf<typeof ANTOMA_REGISTER>): void {
    if (peer.position) throw new DownloadViolation('registers twice');
    if (request.timeout < 10)
      this.#options.log.warn(
        `ANTOMA_REGISTER communication timeout too small (${request.timeout} seconds - should be at least 10 seconds)`,
      );
    peer.version = request.version;
    peer.timeoutMs = 1000 * Math.max(SMALLEST_TIMEOUT_SECONDS, request.timeout);
    // A version of 0 does not register, so nothing is sent.
    if (peer.version === 0) return;
    peer.position = this.#changes.end();
    if (request.layout === 'fromVersion') this.#resume(peer, request.metaVersion);
    this.#pump(peer);
  }

  /** Goes on behind what a metalogger has, if that is known to be of this history. */
  #resume(peer: Peer, version: number): void {
    const { inherited, clock } = this.#options;
    const fromHere = (this.#told.get(peer.ip) ?? 0) >= version - 1;
    if (inherited && !fromHere && (!inherited.isComplete || version > inherited.lastVersion + 1)) {
      // What it has last, it has from somebody whose changes may be lost: a version that does not follow makes it download anew.
      const text = Buffer.from(`${clock.unixSeconds()}|SESDEL(0)`);
      this.#send(peer, MATOAN_METACHANGES_LOG.encode({ layout: 'change', metaVersion: version - 1, text }));
      return;
    }
    if (inherited && version <= inherited.lastVersion && !this.#changes.positionOf(version)) {
      const earlier = this.#changes.offersFrom(inherited.lastVersion + 1) ? inherited.from(version) : undefined;
      if (earlier && this.#options.keepSeconds() > 0) this.#changes.prepend(earlier, clock.unixSeconds());
    }
    const wanted = this.#changes.positionOf(version);
    if (wanted) peer.position = wanted;
  }

  #noteTold(peer: Peer): void {
    if (!peer.position) return;
    if (this.#told.size >= MOST_TOLD) this.#told.clear();
    const version = this.#changes.versionBefore(peer.position);
    this.#told.set(peer.ip, Math.max(this.#told.get(peer.ip) ?? 0, version));
  }

  /** Sends changes until the peer has all or enough is on the way to it. */
  #pump(peer: Peer): void {
    const { position } = peer;
    if (!position || peer.closed) return;
    while (peer.connection.queuedBytes <= SEND_AHEAD_BYTES) {
      const { block } = position;
      if (position.offset < block.lengthBytes) {
        this.#send(peer, block.bytes.subarray(position.offset, block.lengthBytes));
        position.offset = block.lengthBytes;
      }
      if (!block.next) return;
      position.block = block.next;
      position.offset = 0;
    }
  }

  /** Runs something that waits for the disk and sends its result, if any; other requests wait meanwhile. */
  #answerLater(peer: Peer, run: () => Promise<Buffer | undefined>): void {
    peer.busy = true;
    peer.connection.pause();
    const done = (error?: unknown) => {
      peer.busy = false;
      peer.lastReadMs = this.#options.clock.monotonicMs();
      if (peer.closed) return this.#closeFiles(peer);
      if (error instanceof DownloadViolation) return this.#refuse(peer, error);
      if (error !== undefined) {
        this.#options.log.error({ error }, 'metalogger download failed');
        return this.#drop(peer);
      }
      peer.connection.resume();
      this.#work(peer);
    };
    run().then(
      (frame) => {
        if (frame && !peer.closed) this.#send(peer, frame);
        done();
      },
      (error: unknown) => done(error),
    );
  }

  #tick(): void {
    const nowMs = this.#options.clock.monotonicMs();
    const stallMs = nowMs - this.#lastTickMs - TICK_MS;
    this.#lastTickMs = nowMs;
    for (const peer of [...this.#peers]) {
      if (stallMs > STALL_MS) peer.lastReadMs += stallMs;
      const lost = peer.position && !this.#changes.keeps(peer.position.block);
      if (nowMs - peer.lastReadMs > peer.timeoutMs || lost) this.#drop(peer);
      else if (peer.version !== 0 && nowMs - peer.lastWriteMs > peer.timeoutMs / 3 && peer.connection.queuedBytes === 0)
        this.#send(peer, NOP);
    }
  }
}

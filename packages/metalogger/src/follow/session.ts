import { findImages } from '../archive/images.ts';
import { FetchFailed, LinkLost, ProtocolViolation } from '../link/errors.ts';
import type { MasterLink } from '../link/masterLink.ts';
import { isAlces, type RemoteFiles, remoteFiles } from '../link/remoteFiles.ts';
import { DigestExchange } from './digestExchange.ts';
import { downloadImage } from './downloads.ts';
import { type Host, pause, type RebuildReason } from './host.ts';
import { compareHistory } from './masterHistory.ts';
import { rebuild } from './rebuild.ts';
import { Receiver } from './receiver.ts';
import { downloadPeriod } from './schedule.ts';

const TICK_MS = 500;
/** The stock master writes its change log in another process: what is not in it may be there a moment later. */
const COMPARISONS = 3;
const COMPARISON_PAUSE_MS = 1000;
/** Without a shadow, an image that may give one is looked for so often. */
const LOOK_FOR_IMAGE_MS = 60_000;

const REASONS: Record<RebuildReason, string> = {
  nothing: 'nothing is here yet',
  gap: 'changes are missing',
  diverged: "the master's history is not the one that was received",
  foreign: 'the master has another file system',
};

/** One connection to the master, from registration to its end. */
export class Session {
  readonly #host: Host;
  readonly #link: MasterLink;
  readonly #receiver: Receiver;
  #alces = false;
  #files: RemoteFiles | undefined;
  #task: Promise<void> | undefined;
  #nextDigestMs = 0;
  #nextLookMs = 0;

  constructor(host: Host, link: MasterLink) {
    this.#host = host;
    this.#link = link;
    this.#receiver = new Receiver(host, link);
  }

  /** Whether the master is one of ours. */
  get alces(): boolean {
    return this.#alces;
  }

  /** Resolves when the connection is over. */
  async run(): Promise<void> {
    try {
      const files = await this.#introduce();
      if (!(await this.#continue(files))) await this.#rebuild(files);
      await this.#follow();
    } catch (error) {
      this.#ended(error);
    } finally {
      await this.#task;
    }
  }

  /** What the other side or the network did ends the connection; anything else is our own fault. */
  #ended(error: unknown): void {
    const { report } = this.#host;
    if (error instanceof ProtocolViolation || error instanceof FetchFailed) this.#link.close(error.message);
    else if (error instanceof Error && 'code' in error) {
      report.error(`can't keep what the master sends: ${error.message}`);
      this.#link.close('the disk failed');
    } else if (!(error instanceof LinkLost)) throw error;
  }

  /** Registers and finds out what kind of master it is. */
  async #introduce(): Promise<RemoteFiles> {
    const host = this.#host;
    const { archive } = host;
    const from = archive.isOpen && host.rebuildReason === undefined ? archive.lastVersion + 1 : undefined;
    const asks = host.asksVersion;
    // Until it has answered; also after a connection on which it was not asked.
    host.asksVersion = !asks;
    const version = asks ? this.#link.askVersion() : Promise.resolve('');
    this.#link.register(from);
    this.#alces = isAlces(await version);
    host.asksVersion = true;
    this.#files = remoteFiles(this.#link, this.#alces);
    return this.#files;
  }

  /** Goes on where the last connection ended; false if that is not possible. */
  async #continue(files: RemoteFiles): Promise<boolean> {
    const host = this.#host;
    const { archive, report } = host;
    if (!archive.isOpen) host.rebuildReason ??= 'nothing';
    if (host.rebuildReason !== undefined) return false;
    const metaid = await this.#metaid();
    for (let attempt = 1; ; attempt++) {
      const comparison = await compareHistory(files, archive, metaid, () => this.#link.heldVersion);
      if (comparison.result === 'continues') {
        const { missing } = comparison;
        if (missing.length > 0) report.info(`${missing.length} missed changes were in the master's change logs`);
        await this.#receiver.takeAll(missing);
        return true;
      }
      if (comparison.result === 'foreign') {
        host.rebuildReason = 'foreign';
        return false;
      }
      if (comparison.result === 'diverged') {
        report.error(
          `change ${comparison.version} is another one on the master than the one received (last received: ${archive.lastVersion})`,
        );
        host.rebuildReason = 'diverged';
        return false;
      }
      if (attempt === COMPARISONS) {
        report.warn(`some changes lost: from ${comparison.version} on, download metadata again`);
        host.rebuildReason = 'gap';
        return false;
      }
      await pause(host, COMPARISON_PAUSE_MS);
    }
  }

  /** Identity of the file system whose changes were received, 0 if unknown. */
  async #metaid(): Promise<bigint> {
    const { keeper, environment, folder } = this.#host;
    if (keeper.shadow !== undefined) return keeper.shadow.state.metaid;
    return (await findImages(environment.disk, folder))[0]?.metaid ?? 0n;
  }

  /** Makes a new set of files from what the master has. */
  async #rebuild(files: RemoteFiles): Promise<void> {
    const host = this.#host;
    const { archive, keeper, environment, folder, config, report, partial, checker } = host;
    report.info(`downloading everything: ${REASONS[host.rebuildReason ?? 'nothing']}`);
    const { backLogs } = config;
    const options = { ...environment, folder, backLogs, report, link: this.#link, files, partial, checker };
    const { lastVersion, discarded } = await rebuild(options, async () => {
      keeper.drop();
      await archive.close();
    });
    if (discarded !== undefined) report.warn(`the files received before are in ${discarded}`);
    await archive.open(lastVersion + 1);
    host.rebuildReason = undefined;
    void keeper.reload().then(() => this.#replaceEmptyImage());
  }

  /** A file system that its master has not saved yet has no image but the mark of a new one. */
  async #replaceEmptyImage(): Promise<void> {
    const { folder, environment } = this.#host;
    const images = await findImages(environment.disk, folder).catch(() => []);
    if (images[0]?.metaid === 0n) await this.#writeOwnImage();
  }

  async #writeOwnImage(): Promise<void> {
    const { folder, environment, keeper, config, report } = this.#host;
    const { shadow } = keeper;
    if (shadow === undefined) return;
    try {
      const { disk, clock } = environment;
      const version = await shadow.writeImage({ disk, folder, kept: config.keptImages, now: clock.unixSeconds() });
      report.info(`metadata written from the received changes (version: ${version})`);
    } catch (error) {
      report.error(`can't write metadata: ${error instanceof Error ? error.message : error}`);
    }
  }

  /** Receives until the connection ends. */
  async #follow(): Promise<void> {
    const host = this.#host;
    const { clock } = host.environment;
    const { report, keeper } = host;
    const proceed = () => this.#link.release(this.#receiver.take);
    host.proceed = proceed;
    const exchange = new DigestExchange({
      clock,
      link: this.#link,
      keeper,
      report,
      verdict: (verdict) => {
        host.lastVerdict = verdict;
        if (verdict.differing.length > 0) this.#differs();
        else host.rebuiltForDigest = false;
      },
    });
    this.#link.listener = exchange;
    const cancelTick = clock.interval(TICK_MS, () => this.#tick(exchange));
    proceed();
    await this.#link.ended;
    cancelTick();
    host.proceed = () => {};
  }

  /** The state is wrong although every change fitted: what was received is not what the master did. Once; a second time it is our own defect. */
  #differs(): void {
    const host = this.#host;
    if (host.rebuildReason !== undefined || host.rebuiltForDigest) return;
    host.rebuiltForDigest = true;
    host.rebuildReason = 'diverged';
    this.#link.closeAfterSending('the state differs from the master');
  }

  #tick(exchange: DigestExchange): void {
    const { environment, config, keeper, downloadPeriod: done } = this.#host;
    const { clock } = environment;
    const nowMs = clock.monotonicMs();
    if (this.#alces && config.digestSeconds > 0 && nowMs >= this.#nextDigestMs && keeper.shadow !== undefined) {
      this.#nextDigestMs = nowMs + config.digestSeconds * 1000;
      exchange.ask();
    }
    if (this.#task !== undefined || keeper.loading) return;
    if (downloadPeriod(clock.unixSeconds(), config.downloadHours) > done) this.#begin(this.#periodicDownload());
    else if (keeper.shadow === undefined && nowMs >= this.#nextLookMs) {
      this.#nextLookMs = nowMs + LOOK_FOR_IMAGE_MS;
      this.#begin(this.#download().then(() => {}));
    }
  }

  #begin(task: Promise<void>): void {
    this.#task = task
      .catch((error: unknown) => this.#ended(error))
      .finally(() => {
        this.#task = undefined;
      });
  }

  /** The image of the master, or, if it has no new one, one of our own: change logs are not kept for ever. */
  async #periodicDownload(): Promise<void> {
    const host = this.#host;
    const { clock } = host.environment;
    host.downloadPeriod = downloadPeriod(clock.unixSeconds(), host.config.downloadHours);
    if (!(await this.#download())) await this.#writeOwnImage();
  }

  /** Whether there is a new image now. */
  async #download(): Promise<boolean> {
    const host = this.#host;
    const { environment, folder, config, report, keeper, checker, partial } = host;
    const above = keeper.shadow === undefined ? keeper.needImageAbove : 0;
    try {
      const download = await downloadImage({
        disk: environment.disk,
        folder,
        keptImages: config.keptImages,
        report,
        files: this.#files!,
        partial,
        checker,
        above,
        digestAt: (version) => this.#receiver.digestAt(version),
      });
      if (download.result === 'foreign') {
        host.rebuildReason = 'foreign';
        this.#link.close(REASONS.foreign);
      }
      if (download.result !== 'placed') return false;
      if (download.differs || keeper.shadow === undefined) void keeper.reload();
      return true;
    } catch (error) {
      if (!(error instanceof FetchFailed)) throw error;
      report.warn(`metadata download failed: ${error.message}`);
      return false;
    }
  }
}

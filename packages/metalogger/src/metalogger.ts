import { inFolder, ReplayError, type Reporter } from '@alces/journal';
import { type Environment, reasonOf } from '@alces/runtime';
import { Archive } from './archive/archive.ts';
import { findImages } from './archive/images.ts';
import { CHANGELOG_TEMPORARY, IMAGE_TEMPORARY } from './archive/names.ts';
import { finishSwap } from './archive/swap.ts';
import type { MetaloggerConfig } from './config.ts';
import type { DigestVerdict } from './follow/digestExchange.ts';
import type { Host } from './follow/host.ts';
import { downloadPeriod, untilNextAttemptMs } from './follow/schedule.ts';
import { Session } from './follow/session.ts';
import { MasterLink } from './link/masterLink.ts';
import { checkInHelper, type ImageChecker } from './shadow/checkImage.ts';
import { ShadowKeeper } from './shadow/keeper.ts';
import { reachFrom } from './shadow/load.ts';
import type { Shadow } from './shadow/shadow.ts';

export interface MetaloggerOptions {
  environment: Environment;
  /** DATA_PATH. */
  folder: string;
  config: MetaloggerConfig;
  report: Reporter;
  /** How images that the master handed out are checked. Default: by a helper process. */
  checkImage?: ImageChecker;
}

/** What a metalogger knows about itself. */
export interface MetaloggerStatus {
  connected: boolean;
  /** Undefined: not known yet. */
  masterIsAlces: boolean | undefined;
  /** Number of the last change in the files; 0: none. */
  lastVersion: number;
  shadow: 'live' | 'loading' | 'none';
  /** Version of the state in memory. */
  shadowVersion: number | undefined;
  /** The last comparison with an Alces master. */
  verdict: DigestVerdict | undefined;
}

/** A metalogger that runs: collects the master's changes, and applies them to a state of its own. */
export class Metalogger {
  readonly #host: Host;
  #link: MasterLink | undefined;
  #session: Session | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;
  #wake: () => void = () => {};
  #failureTold = '';
  #lastMaster = '';

  private constructor({ environment, folder, config, report, checkImage }: MetaloggerOptions) {
    const { disk, clock } = environment;
    const archive = new Archive({ disk, clock, folder, backLogs: config.backLogs, report });
    const keeper = new ShadowKeeper({ environment, folder, archive, report, settled: () => this.#host.proceed() });
    this.#host = {
      environment,
      folder,
      report,
      archive,
      keeper,
      config,
      checker: checkImage ?? checkInHelper,
      partial: { sizeBytes: -1, crc: 0, doneBytes: 0 },
      rebuildReason: undefined,
      rebuiltForDigest: false,
      gapAt: -1,
      asksVersion: true,
      downloadPeriod: downloadPeriod(clock.unixSeconds(), config.downloadHours),
      proceed: () => {},
      lastVerdict: undefined,
    };
  }

  /** Loads what is on disk and begins to follow the master. */
  static async start(options: MetaloggerOptions): Promise<Metalogger> {
    const metalogger = new Metalogger(options);
    await metalogger.#load();
    metalogger.#running = metalogger.#run();
    return metalogger;
  }

  /** The live shadow; undefined while there is none. */
  get shadow(): Shadow | undefined {
    return this.#host.keeper.shadow;
  }

  get status(): MetaloggerStatus {
    const { archive, keeper, lastVerdict } = this.#host;
    return {
      connected: this.#link !== undefined,
      masterIsAlces: this.#session?.alces,
      lastVersion: archive.lastVersion,
      shadow: keeper.condition,
      shadowVersion: keeper.shadow?.state.metaversion,
      verdict: lastVerdict,
    };
  }

  /** Lines about the state, for the log. */
  info(): string[] {
    const { connected, masterIsAlces, lastVersion, shadow, shadowVersion, verdict } = this.status;
    const { archive } = this.#host;
    const master = connected ? `connected to ${masterIsAlces ? 'an Alces' : 'a stock'} master` : 'not connected';
    const version = shadowVersion === undefined ? '' : ` (metadata version ${shadowVersion})`;
    const compared =
      verdict === undefined
        ? 'not compared with the master yet'
        : `${verdict.differing.length === 0 ? 'equal to' : `DIFFERENT (${verdict.differing.join(', ')}) FROM`} the master's at version ${verdict.version}`;
    return [
      `${master} ; last change: ${lastVersion}${archive.stalledBy === undefined ? '' : ` ; ${archive.stalledBy}`}`,
      `shadow: ${shadow}${version} ; ${compared}`,
    ];
  }

  /** Takes a new configuration; the connection is made anew (spec 52 §4.1). */
  reconfigure(config: MetaloggerConfig): void {
    this.#host.config = config;
    this.#host.archive.configure(config.backLogs);
    this.#link?.close('configuration was reloaded');
    this.#wake();
  }

  /** Orderly end: when it resolves, everything received is on disk, and an image, so that the next start needs none. */
  async stop(): Promise<void> {
    const { archive, keeper } = this.#host;
    await this.#end();
    const { lastVersion } = archive;
    await archive.close();
    await keeper.stop();
    if (keeper.shadow !== undefined) await this.#writeLastImage(keeper.shadow, lastVersion);
  }

  /** Ends as a crash would: nothing is stored beyond what is in the change logs. */
  async kill(): Promise<void> {
    await this.#end();
    await this.#host.archive.close();
    await this.#host.keeper.stop();
  }

  async #end(): Promise<void> {
    this.#stopped = true;
    this.#link?.close('the metalogger stops');
    this.#wake();
    await this.#running;
  }

  async #load(): Promise<void> {
    const { environment, folder, archive, keeper, report } = this.#host;
    const { disk } = environment;
    await finishSwap(disk, folder);
    for (const name of [IMAGE_TEMPORARY, CHANGELOG_TEMPORARY]) await disk.remove(inFolder(folder, name));
    const newest = (await findImages(disk, folder))[0];
    if (newest === undefined) return;
    const last = (await keeper.loadAtStart()) ?? (await this.#lastOfArchive(newest.version));
    if (last === undefined) return;
    await archive.open(last + 1);
    if (keeper.shadow === undefined) keeper.demandNewerImage();
    report.info(`last change received: ${last}`);
  }

  /** The change logs can be continued although no state can be made of them: for one that stands in them does not fit. */
  async #lastOfArchive(imageVersion: number): Promise<number | undefined> {
    const { environment, folder, report } = this.#host;
    try {
      return await reachFrom({ disk: environment.disk, folder, report }, imageVersion);
    } catch (error) {
      if (error instanceof ReplayError) return undefined;
      throw error;
    }
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const link = await this.#connect();
      if (link !== undefined && !this.#stopped) await this.#serve(link);
      link?.close('the metalogger stops');
      if (!this.#stopped) await this.#pause();
    }
  }

  /** Connects to the first master that listens, beginning with the last one that did. */
  async #connect(): Promise<MasterLink | undefined> {
    const { masterHosts } = this.#host.config;
    const last = this.#lastMaster;
    const inTurn = masterHosts.includes(last) ? [last, ...masterHosts.filter((host) => host !== last)] : masterHosts;
    const failures: string[] = [];
    for (const host of inTurn) {
      if (this.#stopped) return undefined;
      const outcome = await this.#connectTo(host);
      if (typeof outcome !== 'string') return outcome;
      failures.push(inTurn.length > 1 ? `${host}: ${outcome}` : outcome);
    }
    const text = `connection failed, error: ${failures.join('; ')}`;
    if (text !== this.#failureTold) this.#host.report.warn(text);
    this.#failureTold = text;
    return undefined;
  }

  /** The connection, or why there is none. */
  async #connectTo(host: string): Promise<MasterLink | string> {
    const { environment, config, report } = this.#host;
    const { masterPort: port, bindHost, timeoutSeconds } = config;
    try {
      const link = await MasterLink.open({ ...environment, host, port, bindHost, timeoutSeconds });
      this.#failureTold = '';
      this.#lastMaster = host;
      report.info('connected to Master');
      return link;
    } catch (error) {
      return reasonOf(error);
    }
  }

  async #serve(link: MasterLink): Promise<void> {
    this.#link = link;
    this.#session = new Session(this.#host, link);
    await this.#session.run();
    this.#link = undefined;
    this.#session = undefined;
    this.#host.report.info(await link.ended);
  }

  #pause(): Promise<void> {
    const { environment, config } = this.#host;
    const { clock } = environment;
    return new Promise((resolve) => {
      const cancel = clock.timeout(untilNextAttemptMs(clock.wallMs(), config.reconnectionDelaySeconds), resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }

  async #writeLastImage(shadow: Shadow, lastVersion: number): Promise<void> {
    const { environment, folder, config, report } = this.#host;
    const { disk, clock } = environment;
    const reached = await shadow.snapshotAt(lastVersion + 1);
    if (reached === undefined) return;
    reached.release();
    const newest = (await findImages(disk, folder))[0];
    if (newest !== undefined && newest.version > lastVersion) return;
    try {
      await shadow.writeImage({ disk, folder, kept: config.keptImages, now: clock.unixSeconds() });
    } catch (error) {
      report.error(`can't write metadata: ${error instanceof Error ? error.message : error}`);
    }
  }
}

import { checkFiles, chunkSettings, type MasterOptions } from '@alces/master';
import type { Config, Environment, Logger } from '@alces/runtime';
import { differingKeys, type HaConfig } from '../config.ts';

export interface NodeSettingsOptions {
  environment: Environment;
  config: HaConfig;
  log: Logger;
  /** mfsmaster.cfg as it is now. */
  masterConfig(): Config;
  /** mfsha.cfg as it is now; absent: it never changes. */
  rereadConfig?(): HaConfig;
}

type ChunkSettings = ReturnType<typeof chunkSettings>;

/** What the files of the configuration say, of a leader and a follower alike. */
export class NodeSettings {
  readonly #options: NodeSettingsOptions;
  #master: Config | undefined;
  #chunks: ChunkSettings | undefined;

  constructor(options: NodeSettingsOptions) {
    this.#options = options;
  }

  /** mfsmaster.cfg as it is now, or as it was when it could last be read. Throws when it never could. */
  read(): Config {
    try {
      this.#master = this.#options.masterConfig();
    } catch (error) {
      if (this.#master === undefined) throw error;
      this.#options.log.error(`going on with mfsmaster.cfg as it was: ${String(error)}`);
    }
    return this.#master;
  }

  /** mfsmaster.cfg as it was read last. */
  get master(): Config {
    return this.#master ?? this.read();
  }

  /** What chunkservers that register with a follower are held to. */
  get chunks(): ChunkSettings {
    this.#chunks ??= chunkSettings(this.master, (text) => this.#options.log.warn(text));
    return this.#chunks;
  }

  /** For a master that begins now. */
  masterOptions(): Omit<MasterOptions, 'environment' | 'cluster' | 'standby'> {
    const { config, log } = this.#options;
    return { folder: config.dataPath, config: this.read(), rereadConfig: () => this.read(), log };
  }

  /** Reads mfsmaster.cfg anew, and says which keys of mfsha.cfg have changed: those of a node that runs stay. */
  reload(): void {
    const { log, config, rereadConfig } = this.#options;
    try {
      const changed = rereadConfig === undefined ? [] : differingKeys(config, rereadConfig());
      if (changed.length > 0)
        log.warn(`mfsha.cfg: ${changed.join(', ')} changed - this takes effect at the next start of this node`);
    } catch (error) {
      log.error(`mfsha.cfg can't be read, and this node would not start again: ${String(error)}`);
    }
    if (this.#master === undefined) return;
    this.read();
    this.#chunks = undefined;
  }

  /** Says whether this node could serve with the files as they are: they are read again when it is promoted. */
  async check(): Promise<void> {
    const { environment, log } = this.#options;
    try {
      await checkFiles({ ...this.masterOptions(), environment });
      log.info('this node follows: it will serve with the configuration as it is now');
    } catch (error) {
      log.error(`as its configuration is now, this node can't serve when it is promoted: ${String(error)}`);
    }
  }
}

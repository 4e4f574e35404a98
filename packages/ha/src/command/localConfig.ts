import { resolve } from 'node:path';
import { type HaConfig, HaConfigError, readHaConfig } from '../config.ts';
import { hostFiles } from '../vip/hostLink.ts';
import { type CommandOptions, UsageError } from './arguments.ts';

const DEFAULT_CONFIG = '/etc/mfs/mfsha.cfg';

/** mfsha.cfg of this host, and the files through which its node is reached. */
export interface LocalConfig extends HaConfig {
  files: ReturnType<typeof hostFiles>;
}

/** Reads mfsha.cfg of this host. Throws a UsageError that says what is wrong with it. */
export function localHaConfig(options: CommandOptions): LocalConfig {
  try {
    const config = readHaConfig(resolve(options.config ?? DEFAULT_CONFIG));
    return { ...config, files: hostFiles(config.dataPath) };
  } catch (error) {
    if (error instanceof HaConfigError) throw new UsageError(error.message);
    throw error;
  }
}

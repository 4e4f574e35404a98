import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { type HaConfig, HaConfigError, readHaConfig } from '../config.ts';
import { hostFiles } from '../vip/hostLink.ts';
import { type CommandOptions, FileMistake } from './arguments.ts';

const DEFAULT_CONFIG = '/etc/mfs/mfsha.cfg';

/** mfsha.cfg of this host, and the files through which its node is reached. */
export interface LocalConfig extends HaConfig {
  files: ReturnType<typeof hostFiles>;
}

/** Reads mfsha.cfg of this host. Throws a FileMistake that says what is wrong with it. */
export function localHaConfig(options: CommandOptions): LocalConfig {
  const file = resolve(options.config ?? DEFAULT_CONFIG);
  if (!existsSync(file))
    throw new FileMistake(
      `there is no ${file}: this host has no node of a highly available site, or -c FILE must say where`,
    );
  try {
    const config = readHaConfig(file);
    return { ...config, files: hostFiles(config.dataPath) };
  } catch (error) {
    if (error instanceof HaConfigError) throw new FileMistake(error.message);
    throw error;
  }
}

import { homedir } from 'node:os';
import { EMERGENCY_FOLDERS, type Reporter, StartError, startMetadata, storeAtStop } from '@alces/journal';
import { type DaemonContext, realEnvironment } from '@alces/runtime';
import { masterConfig } from './config.ts';
import { portOfService } from './services.ts';

/** The action `restore`: the best metadata that the data folder gives, stored as metadata.mfs (spec 60 §4.6). */
export async function restoreMetadata({ config, dataPath, options, say }: DaemonContext): Promise<number> {
  const { clock, disk, random } = realEnvironment();
  const report: Reporter = { info: say, warn: say, error: say };
  const { keptImages, quotaGraceSeconds } = masterConfig(config, portOfService, say);
  try {
    const { state, carried } = await startMetadata({
      clock,
      disk,
      random,
      folder: dataPath,
      home: homedir(),
      restore: true,
      ignoreErrors: options.ignoreErrors,
      verbosity: options.verbosity,
      keepPrevious: keptImages,
      defaultQuotaGrace: quotaGraceSeconds,
      report,
      progress: (version, first, last) =>
        void process.stdout.write(
          `progress: current change: ${version} (first:${first} - last:${last} - ${Math.floor((100 * (version - first)) / Math.max(1, last - first))}%)\n`,
        ),
    });
    say('metadata file has been loaded');
    const emergencyFolders = [homedir(), ...EMERGENCY_FOLDERS];
    await storeAtStop(state, {
      clock,
      disk,
      folder: dataPath,
      keepPrevious: keptImages,
      emergencyFolders,
      carried,
      report,
    });
    return 0;
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    say(error.message);
    return 1;
  }
}

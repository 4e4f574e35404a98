import { spawn } from 'node:child_process';
import { join } from 'node:path';

/** What the helper process has to do. */
export interface SaveRequest {
  /** DATA_PATH. */
  folder: string;
  /** The image shall contain all changes below this one. */
  version: number;
  /** `BACK_META_KEEP_PREVIOUS`. */
  keepPrevious: number;
  /** Where to store when DATA_PATH does not take the image. */
  emergencyFolders: readonly string[];
}

/** Makes an image of the metadata while the master serves; rejects with the reason when that was not possible. */
export type ImageSaver = (request: SaveRequest) => Promise<void>;

const HELPER = join(import.meta.dirname, import.meta.filename.endsWith('.ts') ? 'helper.ts' : 'helper.js');
const HELPER_TITLE = 'mfsmaster (metadata saver)';
/** The end of what the helper says is enough for the log. */
const LOGGED_BYTES = 4000;

/**
 * Saves in a process of its own, from the image before and the changelogs since: the master neither stands still nor doubles its
 * memory, and every image proves that the changelog can be replayed (decision 0072).
 */
export const saveInHelper: ImageSaver = (request) =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...process.execArgv, HELPER, JSON.stringify(request)], {
      stdio: ['ignore', 'ignore', 'pipe'],
      argv0: HELPER_TITLE,
    });
    let said = '';
    child.stderr.on('data', (bytes: Buffer) => {
      said = (said + bytes.toString()).slice(-LOGGED_BYTES);
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(said.trim() || `the metadata saver ended with ${signal ?? code}`));
    });
  });

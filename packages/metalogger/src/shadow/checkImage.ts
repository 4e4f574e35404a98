import { execFile } from 'node:child_process';
import { join } from 'node:path';
import type { StateDigest } from '@alces/metadata';

/** Loads an image and answers its digest; rejects with what is wrong with it. `time`: see `digestSteps`. */
export type ImageChecker = (path: string, time: number) => Promise<StateDigest>;

const HELPER = join(import.meta.dirname, import.meta.filename.endsWith('.ts') ? 'checkHelper.ts' : 'checkHelper.js');

/** Checks in a process of its own, so that the metalogger neither stands still nor holds a second state in memory. */
export const checkInHelper: ImageChecker = (path, time) =>
  new Promise((resolve, reject) => {
    execFile(process.execPath, [...process.execArgv, HELPER, path, String(time)], (error, stdout, stderr) => {
      if (error !== null) return reject(new Error(stderr.trim() || error.message));
      const entries = Object.entries(JSON.parse(stdout) as Record<string, string>);
      resolve(new Map(entries.map(([table, hash]) => [table, BigInt(`0x${hash}`)])));
    });
  });

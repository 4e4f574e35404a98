import { type Disk, isMissing } from '@alces/runtime';
import type { Accounts } from './accounts.ts';
import { exportsChecksum } from './checksum.ts';
import { parseExports } from './parse.ts';
import type { ExportRecord } from './record.ts';

/** The exports in force. */
export interface ExportList {
  readonly records: readonly ExportRecord[];
  /** Stored in sessions; another value makes clients register anew (spec 00 §5.8). */
  readonly checksum: bigint;
}

export type LoadedText =
  | { result: 'read'; content: Buffer; file: string }
  | { result: 'missing'; file: string }
  | { result: 'unreadable'; file: string };

/**
 * Reads a configuration file beside mfsmaster.cfg. When its place was not configured and it is not in /etc/mfs, the old place /etc
 * is tried, with a warning (spec 60 §1.1).
 */
export async function readSideFile(
  disk: Disk,
  file: string,
  configured: boolean,
  warn: (message: string) => void,
): Promise<LoadedText> {
  try {
    return { result: 'read', content: await disk.readFile(file), file };
  } catch (error) {
    if (!isMissing(error)) return { result: 'unreadable', file };
    const old = file.replace(/^\/etc\/mfs\//, '/etc/');
    if (configured || old === file) return { result: 'missing', file };
    const second = await readSideFile(disk, old, true, warn);
    if (second.result !== 'read') return { result: 'missing', file };
    warn(`default sysconf path has changed - please move ${old.slice('/etc/'.length)} from /etc/ to /etc/mfs/`);
    return second;
  }
}

/** Parses the content of mfsexports.cfg, passing on its warnings. */
export function makeExportList(content: Buffer, accounts: Accounts, warn: (message: string) => void): ExportList {
  const { records, warnings } = parseExports(content, accounts);
  for (const warning of warnings) warn(warning);
  return { records, checksum: exportsChecksum(records) };
}

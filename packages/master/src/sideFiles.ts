import type { Config, Disk } from '@alces/runtime';
import { parseTopology, type Topology } from './chunks/index.ts';
import type { MasterConfig } from './config.ts';
import { systemAccounts } from './exports/accounts.ts';
import { type ExportList, makeExportList, readSideFile } from './exports/load.ts';

/** Where messages about configuration go. */
export interface ConfigMessages {
  say(line: string): void;
  warn(line: string): void;
}

/** The exports to start with; undefined (and messages) when there are none. */
export async function loadExports(
  disk: Disk,
  config: MasterConfig,
  messages: ConfigMessages,
): Promise<ExportList | undefined> {
  const loaded = await readSideFile(disk, config.exportsFile, config.exportsFileGiven, messages.warn);
  if (loaded.result === 'missing')
    messages.warn(
      `mfsexports configuration file (${loaded.file}) not found - please create one (you can copy ${loaded.file}.sample to get a base configuration)`,
    );
  else if (loaded.result === 'unreadable') messages.warn(`can't read mfsexports configuration file (${loaded.file})`);
  else {
    const exports = makeExportList(loaded.content, systemAccounts, messages.warn);
    if (exports.records.length > 0) {
      messages.say('exports file has been loaded');
      return exports;
    }
  }
  messages.say('no exports defined !!!');
  return undefined;
}

/** The exports after a change of the file; undefined when it can't be read and the old ones stay. */
export async function reloadExports(
  disk: Disk,
  config: MasterConfig,
  messages: ConfigMessages,
): Promise<ExportList | undefined> {
  const loaded = await readSideFile(disk, config.exportsFile, config.exportsFileGiven, messages.warn);
  if (loaded.result === 'missing')
    messages.warn(`mfsexports configuration file (${loaded.file}) not found - exports not changed`);
  else if (loaded.result === 'unreadable') messages.warn('error reading mfsexports file - exports not changed');
  else {
    messages.say('exports file has been loaded');
    return makeExportList(loaded.content, systemAccounts, messages.warn);
  }
  return undefined;
}

/** The topology; undefined when the file can't be read (at a reload: the old one stays). */
export async function loadTopology(
  disk: Disk,
  config: MasterConfig,
  messages: ConfigMessages,
): Promise<Topology | undefined> {
  const loaded = await readSideFile(disk, config.topologyFile, config.topologyFileGiven, messages.warn);
  if (loaded.result !== 'read') {
    messages.warn(
      loaded.result === 'missing'
        ? `mfstopology configuration file (${loaded.file}) not found - using defaults`
        : `can't read mfstopology configuration file (${loaded.file})`,
    );
    return loaded.result === 'missing' ? parseTopology('', () => {}) : undefined;
  }
  const text = loaded.content.toString('latin1');
  const topology = parseTopology(text, (line, message) => messages.warn(`mfstopology: ${message} in line: ${line}`));
  messages.say('topology file has been loaded');
  return topology;
}

/** Options that nobody who merely reaches a port may read. */
const SECRETS = new Set(['AUTH_CODE']);

/** Text of an option for GET_CONFIG: '' when the file does not set it, or when it is secret (spec 70 §3.20). */
export function publicConfigText(config: Config, name: string): string {
  return SECRETS.has(name) ? '' : (config.raw(name) ?? '');
}

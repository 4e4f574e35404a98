import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { type Config, parseConfig } from '@alces/runtime';
import { hostFiles } from '../vip/hostLink.ts';
import { type CommandOptions, UsageError } from './arguments.ts';

const DEFAULT_CONFIG = '/etc/mfs/mfsha.cfg';
const DEFAULT_DATA_PATH = '/var/lib/mfs';

/** What `mfsha` needs of mfsha.cfg. */
export interface LocalConfig {
  file: string;
  self: string;
  nodes: { id: string; host: string; witness: boolean }[];
  vip: string;
  vipInterface: string;
  checkRestart: string;
  files: ReturnType<typeof hostFiles>;
}

function nodesOf(text: string, file: string): LocalConfig['nodes'] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean)
    .map((part) => {
      const match = /^([^=\s]+)\s*=\s*([^:/\s]+)(?::\d+)?(\/witness)?$/.exec(part);
      if (match === null) throw new UsageError(`${file}: NODES: '${part}' is not NAME=ADDRESS[:PORT][/witness]`);
      return { id: match[1], host: match[2], witness: match[3] !== undefined };
    });
}

function selfIn(nodes: LocalConfig['nodes'], config: Config): string {
  const named = config.string('NODE', '');
  if (named !== '') return named;
  const own = new Set(Object.values(networkInterfaces()).flatMap((entries) => entries?.map((entry) => entry.address)));
  const found = nodes.filter((node) => own.has(node.host));
  if (found.length === 1) return found[0].id;
  throw new UsageError(
    `${config.file}: none of NODES, or more than one, has an address of this host: NODE must name it`,
  );
}

function read(file: string): Config {
  try {
    return parseConfig(readFileSync(file), file);
  } catch (error) {
    throw new UsageError(`can't read ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** DATA_PATH of mfsha.cfg, else that of the daemons' configuration files beside it. */
function dataPath(config: Config): string {
  const own = config.string('DATA_PATH', '');
  if (own !== '') return own;
  for (const name of ['mfsmetalogger.cfg', 'mfsmaster.cfg']) {
    try {
      const file = join(dirname(config.file), name);
      const path = parseConfig(readFileSync(file), file).string('DATA_PATH', '');
      if (path !== '') return path;
    } catch {
      // No such file: the next one, or the default.
    }
  }
  return DEFAULT_DATA_PATH;
}

/** Reads mfsha.cfg of this host. Throws a UsageError that says what is wrong with it. */
export function localHaConfig(options: CommandOptions): LocalConfig {
  const file = resolve(options.config ?? DEFAULT_CONFIG);
  const config = read(file);
  const nodes = nodesOf(config.string('NODES', ''), file);
  if (nodes.length === 0) throw new UsageError(`${file}: NODES is missing: alpha=10.0.0.1, beta=10.0.0.2, ...`);
  return {
    file,
    nodes,
    self: selfIn(nodes, config),
    vip: config.string('VIP', ''),
    vipInterface: config.string('VIP_INTERFACE', ''),
    checkRestart: config.string('CHECK_RESTART', ''),
    files: hostFiles(dataPath(config)),
  };
}

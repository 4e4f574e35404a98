import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import {
  DEFAULT_POLICIES,
  DEFAULT_TIMINGS,
  type NodeConfig,
  type PolicyWithoutPrimary,
  type PolicyWithPrimaries,
  type PolicyWithPrimary,
  type Protocol,
  type ReplicationConfig,
  replicationConfig,
  type Timings,
} from '@alces/replication';
import { type Config, parseConfig, reasonOf } from '@alces/runtime';
import { parseVirtualAddress } from './vip/address.ts';

const DEFAULT_PORT = 9426;
const IP_TIMEOUT_MS = 5000;
const DEFAULT_STANDBY_PORT = 9427;
const DEFAULT_DATA_PATH = '/var/lib/mfs';
const LEAST_SECRET_BYTES = 16;

/** mfsha.cfg of a node, checked. */
export interface HaConfig {
  /** The file that it was read from; absolute. */
  file: string;
  cluster: string;
  replication: ReplicationConfig;
  /** Absolute. */
  secretFile: string;
  detector: 'external' | 'builtin';
  detectorTimeoutMs: number;
  /** `10.0.0.100/24`. */
  vip: string | undefined;
  vipInterface: string | undefined;
  manageVip: boolean;
  hangTimeoutMs: number;
  dataPath: string;
  masterConfig: string;
  checkRestart: string;
  onIoError: 'pass_on' | 'detach';
  /** 0: off. */
  standbyPort: number;
}

/** Keys of mfsha.cfg by what they set. */
const KEYS: Record<string, string> = {
  cluster: 'CLUSTER',
  secretFile: 'SECRET_FILE',
  detector: 'DETECTOR',
  detectorTimeoutMs: 'DETECTOR_TIMEOUT_MS',
  vip: 'VIP',
  vipInterface: 'VIP_INTERFACE',
  manageVip: 'MANAGE_VIP',
  hangTimeoutMs: 'HANG_TIMEOUT_MS',
  dataPath: 'DATA_PATH',
  masterConfig: 'MASTER_CONFIG',
  checkRestart: 'CHECK_RESTART',
  onIoError: 'ON_IO_ERROR',
  standbyPort: 'STANDBY_PORT',
  self: 'NODE',
  nodes: 'NODES',
  quorum: 'QUORUM',
  protocol: 'PROTOCOL',
  policies: 'AFTER_SB_*',
  timings: 'times (*_MS)',
};

/** Times with the least that they can be: shorter ones leave no time to answer. */
const TIMING_KEYS: readonly [string, keyof Timings, number][] = [
  ['HEARTBEAT_MS', 'heartbeatMs', 5],
  ['LEASE_MS', 'leaseMs', 20],
  ['LEADER_TIMEOUT_MS', 'leaderTimeoutMs', 50],
  ['PEER_TIMEOUT_MS', 'peerTimeoutMs', 100],
  ['RESIGN_AFTER_MS', 'resignAfterMs', 100],
  ['PROMISE_TIMEOUT_MS', 'promiseTimeoutMs', 50],
  ['HANDOVER_MS', 'handoverMs', 100],
  ['WFC_TIMEOUT_MS', 'wfcTimeoutMs', 0],
];

/** All that may stand in mfsha.cfg. */
const KNOWN_KEYS = new Set([
  ...Object.values(KEYS),
  ...['AFTER_SB_0PRI', 'AFTER_SB_1PRI', 'AFTER_SB_2PRI'],
  ...TIMING_KEYS.map(([key]) => key),
]);

/** The keys that have other values in another configuration. */
export function differingKeys(a: HaConfig, b: HaConfig): string[] {
  const [before, after]: Record<string, unknown>[] = [
    { ...a, ...a.replication },
    { ...b, ...b.replication },
  ];
  const names = Object.keys(KEYS).filter((name) => JSON.stringify(before?.[name]) !== JSON.stringify(after?.[name]));
  return names.map((name) => KEYS[name] ?? name);
}

/** Where a node keeps its journal. */
export function journalFolder(dataPath: string): string {
  return join(dataPath, 'ha');
}

/** A mistake in mfsha.cfg; the message names the file, the key and what is expected. */
export class HaConfigError extends Error {}

/** Where mfsha.cfg of a daemon is: `HA_CONFIG` of its configuration, else beside it if it exists; undefined: no high availability. */
export function haConfigFile(daemon: Config): string | undefined {
  const named = daemon.string('HA_CONFIG', '');
  if (named !== '') return resolve(dirname(daemon.file), named);
  const beside = join(dirname(resolve(daemon.file)), 'mfsha.cfg');
  return statSync(beside, { throwIfNoEntry: false })?.isFile() ? beside : undefined;
}

/** Reads mfsha.cfg. `daemon` is the configuration of the program that asks, if it has one: DATA_PATH comes from there when mfsha.cfg has none. */
export function readHaConfig(file: string, daemon?: Config): HaConfig {
  let text: Buffer;
  try {
    text = readFileSync(file);
  } catch (error) {
    throw new HaConfigError(`can't read ${file}: ${reasonOf(error)}`);
  }
  return haConfig(parseConfig(text, resolve(file)), daemon);
}

/** The checked settings in a parsed mfsha.cfg. Throws a HaConfigError. */
export function haConfig(config: Config, daemon?: Config): HaConfig {
  // Other configuration files are taken as the stock daemons do. Here a slip of the pen may cost the data.
  for (const { line, message } of config.warnings) throw new HaConfigError(`${message} (line ${line})`);
  const unknown = config.keys.filter((key) => !KNOWN_KEYS.has(key));
  if (unknown.length > 0) throw new HaConfigError(`${config.file}: there is no ${unknown.join(', ')} in mfsha.cfg`);
  const folder = dirname(resolve(config.file));
  const vip = vipOf(config);
  return {
    file: resolve(config.file),
    cluster: config.string('CLUSTER', 'mfs'),
    replication: replicationOf(config),
    secretFile: resolve(folder, config.string('SECRET_FILE', 'mfsha.secret')),
    detector: choice(config, 'DETECTOR', ['external', 'builtin']),
    detectorTimeoutMs: whole(config, 'DETECTOR_TIMEOUT_MS', 500, 50, 600_000),
    vip,
    vipInterface: config.string('VIP_INTERFACE', '') || undefined,
    manageVip: whole(config, 'MANAGE_VIP', 0, 0, 1) === 1,
    hangTimeoutMs: whole(config, 'HANG_TIMEOUT_MS', 400, 50, 600_000),
    dataPath: resolve(folder, dataPathOf(config, folder, daemon)),
    masterConfig: resolve(folder, config.string('MASTER_CONFIG', 'mfsmaster.cfg')),
    checkRestart: config.string('CHECK_RESTART', ''),
    onIoError: choice(config, 'ON_IO_ERROR', ['pass_on', 'detach']),
    standbyPort: whole(config, 'STANDBY_PORT', DEFAULT_STANDBY_PORT, 0, 65_535),
  };
}

/** The secret of the journal's nodes. Throws a HaConfigError when it is too short or others can read it. */
export function readSecret(file: string): Buffer {
  try {
    const { mode } = statSync(file);
    if ((mode & 0o077) !== 0) throw new HaConfigError(`${file} must not be readable by others: chmod 600 ${file}`);
    const secret = Buffer.from(readFileSync(file, 'latin1').trim(), 'latin1');
    if (secret.length >= LEAST_SECRET_BYTES) return secret;
  } catch (error) {
    if (error instanceof HaConfigError) throw error;
    throw new HaConfigError(`can't read SECRET_FILE: ${reasonOf(error)}`);
  }
  throw new HaConfigError(`${file}: a secret has at least ${LEAST_SECRET_BYTES} bytes`);
}

/** The nodes in the value of NODES: `alpha=10.0.0.1, beta=10.0.0.2:9427, watch=10.0.0.3/witness`. */
export function parseNodes(text: string, file: string): NodeConfig[] {
  const parts = text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean);
  if (parts.length === 0) throw new HaConfigError(`${file}: NODES is missing: alpha=10.0.0.1, beta=10.0.0.2`);
  return parts.map((part) => {
    const match = /^([^=\s]+)\s*=\s*([^:/\s]+)(?::(\d{1,5}))?(\/witness)?$/.exec(part);
    const port = Number(match?.[3] ?? DEFAULT_PORT);
    if (match === null || port < 1 || port > 65_535)
      throw new HaConfigError(`${file}: NODES: '${part}' is not NAME=ADDRESS[:PORT][/witness]`);
    return { id: match[1], host: match[2], port, witness: match[4] !== undefined };
  });
}

function choice<Word extends string>(config: Config, key: string, words: readonly [Word, ...Word[]]): Word {
  const text = config.string(key, words[0]);
  const found = words.find((word) => word === text);
  if (found === undefined) throw new HaConfigError(`${config.file}: ${key} = ${text}: ${words.join(' or ')}`);
  return found;
}

function vipOf(config: Config): string | undefined {
  const text = config.string('VIP', '');
  if (text === '') return undefined;
  try {
    parseVirtualAddress(text);
  } catch (error) {
    throw new HaConfigError(`${config.file}: VIP: ${reasonOf(error)}`);
  }
  return text;
}

function whole(config: Config, key: string, fallback: number, min: number, max: number): number {
  const text = config.string(key, String(fallback));
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max))
    throw new HaConfigError(`${config.file}: ${key} = ${text}: a number from ${min} to ${max}`);
  return value;
}

const addressesUp = () =>
  Object.values(networkInterfaces()).flatMap((entries) => entries?.map((entry) => entry.address) ?? []);

/** Those of interfaces without a carrier, too, which Node.js does not tell. Costs a process. */
function allAddresses(): string[] {
  const { stdout } = spawnSync('ip', ['-4', '-o', 'address', 'show'], { encoding: 'utf8', timeout: IP_TIMEOUT_MS });
  return [...(stdout ?? '').matchAll(/ inet ([0-9.]+)\//g)].map(([, address]) => address);
}

function selfIn(nodes: readonly NodeConfig[], config: Config): string {
  const named = config.string('NODE', '');
  if (named !== '') return named;
  const among = (addresses: readonly string[]) => nodes.filter((node) => addresses.includes(node.host));
  const up = among(addressesUp());
  // A node must know itself when its cable is pulled.
  const found = up.length > 0 ? up : among(allAddresses());
  if (found.length === 1) return found[0].id;
  const how = found.length === 0 ? 'none of NODES has' : 'several of NODES have';
  throw new HaConfigError(`${config.file}: ${how} an address of this host: NODE must name it`);
}

function timingsOf(config: Config): Timings {
  const timings = { ...DEFAULT_TIMINGS };
  for (const [key, name, least] of TIMING_KEYS) timings[name] = whole(config, key, timings[name], least, 86_400_000);
  return timings;
}

function replicationOf(config: Config): ReplicationConfig {
  const nodes = parseNodes(config.string('NODES', ''), config.file);
  const quorum = config.string('QUORUM', 'majority');
  if (quorum !== 'majority' && !/^\d{1,2}$/.test(quorum))
    throw new HaConfigError(`${config.file}: QUORUM = ${quorum}: majority or a number`);
  try {
    return replicationConfig({
      self: selfIn(nodes, config),
      nodes,
      protocol: choice<Protocol>(config, 'PROTOCOL', ['C', 'A', 'B']),
      ...(quorum !== 'majority' && { quorum: Number(quorum) }),
      timings: timingsOf(config),
      policies: {
        after0: without(config, nodes),
        after1: choice<PolicyWithPrimary>(config, 'AFTER_SB_1PRI', [
          DEFAULT_POLICIES.after1,
          'disconnect',
          'consensus',
          'discard-secondary',
          'violently-as0p',
          'call-pri-lost-after-sb',
        ]),
        after2: choice<PolicyWithPrimaries>(config, 'AFTER_SB_2PRI', [
          DEFAULT_POLICIES.after2,
          'disconnect',
          'violently-as0p',
          'call-pri-lost-after-sb',
        ]),
      },
    });
  } catch (error) {
    if (error instanceof HaConfigError) throw error;
    throw new HaConfigError(`${config.file}: ${reasonOf(error)}`);
  }
}

function without(config: Config, nodes: readonly NodeConfig[]): PolicyWithoutPrimary {
  return choice<PolicyWithoutPrimary>(config, 'AFTER_SB_0PRI', [
    DEFAULT_POLICIES.after0,
    'disconnect',
    'discard-younger-primary',
    'discard-older-primary',
    'discard-zero-changes',
    'discard-least-changes',
    ...nodes.map((node): PolicyWithoutPrimary => `discard-node-${node.id}`),
  ]);
}

/** DATA_PATH of mfsha.cfg, else of the daemon, else of the daemons' configuration files beside mfsha.cfg. */
function dataPathOf(config: Config, folder: string, daemon: Config | undefined): string {
  const own = config.string('DATA_PATH', '') || daemon?.string('DATA_PATH', '');
  if (own) return own;
  for (const name of ['mfsmetalogger.cfg', 'mfsmaster.cfg']) {
    const file = join(folder, name);
    if (!statSync(file, { throwIfNoEntry: false })?.isFile()) continue;
    const path = parseConfig(readFileSync(file), file).string('DATA_PATH', '');
    if (path !== '') return path;
  }
  return DEFAULT_DATA_PATH;
}

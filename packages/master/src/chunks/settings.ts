import { type Config, parseSize } from '@alces/runtime';

/** `bytes`, `percent` of the total, times the largest `used` or `total` space of one server (spec 40 §7.5). */
export interface ReserveSpace {
  readonly unit: 'bytes' | 'percent' | 'used' | 'total';
  readonly value: number;
}

/** Replications per server: endangered chunks, other repairs, rebalancing of small and of large differences. */
export type ReplicationLimits = readonly [number, number, number, number];

/** Exchange of the first bits of chunkservers' addresses (REMAP_*). */
export interface AddressRemap {
  readonly bits: number;
  readonly source: number;
  readonly destination: number;
}

/** The configuration of the chunk side (spec 40 §16). Times in seconds. */
export interface ChunkSettings {
  readonly replicationsDelayInitSeconds: number;
  readonly replicationsRespectTopology: number;
  readonly creationsRespectTopology: number;
  readonly uniqueMode: 0 | 1 | 2;
  readonly loopMaxChunksPerSecond: number;
  readonly loopMinSeconds: number;
  readonly softDeleteLimit: number;
  readonly hardDeleteLimit: number;
  readonly writeReplicationLimits: ReplicationLimits;
  readonly readReplicationLimits: ReplicationLimits;
  /** A fraction, 0.001 .. 0.1. */
  readonly acceptableDifference: number;
  readonly priorityQueueLength: number;
  readonly heavyLoadThreshold: number;
  readonly heavyLoadRatio: number;
  readonly heavyLoadGraceSeconds: number;
  readonly maintenanceSeconds: number;
  readonly temporaryMaintenanceSeconds: number;
  readonly daysToRemoveUnused: number;
  readonly missingLogCapacity: number;
  readonly reserveSpace: ReserveSpace;
  readonly remap: AddressRemap | undefined;
  readonly timeoutSeconds: number;
  readonly authCode: string | undefined;
}

/** A value that must not be used at start; at a reload the previous settings stay. */
export class SettingsError extends Error {}

type Warn = (message: string) => void;

/**
 * Reads the keys of the chunk side. `previous` are the settings in force at a reload: where a text is malformed they stay, while
 * the start fails with a {@link SettingsError}.
 */
export function chunkSettings(config: Config, warn: Warn, previous?: ChunkSettings): ChunkSettings {
  const loop = loopSpeed(config, warn);
  const deletes = deleteLimits(config, warn, previous);
  return {
    replicationsDelayInitSeconds: config.number('REPLICATIONS_DELAY_INIT', 60),
    replicationsRespectTopology: config.number('REPLICATIONS_RESPECT_TOPOLOGY', 0),
    creationsRespectTopology: config.number('CREATIONS_RESPECT_TOPOLOGY', 0),
    uniqueMode: uniqueMode(config.number('CHUNKS_UNIQUE_MODE', 0)),
    ...loop,
    ...deletes,
    writeReplicationLimits: replicationLimits(config, 'WRITE', '2,1,1,4', warn, previous?.writeReplicationLimits),
    readReplicationLimits: replicationLimits(config, 'READ', '10,5,2,5', warn, previous?.readReplicationLimits),
    acceptableDifference: acceptableDifference(config),
    priorityQueueLength: config.number('PRIORITY_QUEUES_LENGTH', 1000000, { min: 10000 }),
    heavyLoadThreshold: config.number('CS_HEAVY_LOAD_THRESHOLD', 150),
    heavyLoadRatio: config.float('CS_HEAVY_LOAD_RATIO_THRESHOLD', 3),
    heavyLoadGraceSeconds: config.number('CS_HEAVY_LOAD_GRACE_PERIOD', 900),
    maintenanceSeconds: config.number('CS_MAINTENANCE_MODE_TIMEOUT', 0),
    temporaryMaintenanceSeconds: config.number('CS_TEMP_MAINTENANCE_MODE_TIMEOUT', 1800),
    daysToRemoveUnused: daysToRemoveUnused(config, warn),
    missingLogCapacity: config.number('MISSING_LOG_CAPACITY', 100000, { min: 1000, max: 1000000 }),
    reserveSpace: reserveSpace(config, warn, previous?.reserveSpace),
    remap: addressRemap(config, warn, previous?.remap),
    timeoutSeconds: config.number('MATOCS_TIMEOUT', 10, { min: 10, max: 65535 }),
    authCode: config.raw('AUTH_CODE'),
  };
}

function uniqueMode(value: number): 0 | 1 | 2 {
  return value === 1 || value === 2 ? value : 0;
}

function loopSpeed(config: Config, warn: Warn): Pick<ChunkSettings, 'loopMaxChunksPerSecond' | 'loopMinSeconds'> {
  const seconds = { min: 60, max: 7200 };
  if (config.has('CHUNKS_LOOP_TIME')) {
    warn('CHUNKS_LOOP_TIME is deprecated - use CHUNKS_LOOP_MAX_CPS and CHUNKS_LOOP_MIN_TIME');
    return {
      loopMaxChunksPerSecond: Number.MAX_SAFE_INTEGER,
      loopMinSeconds: config.number('CHUNKS_LOOP_TIME', 300, seconds),
    };
  }
  return {
    loopMaxChunksPerSecond: config.number('CHUNKS_LOOP_MAX_CPS', 100000, { min: 10000, max: 10000000 }),
    loopMinSeconds: config.number('CHUNKS_LOOP_MIN_TIME', 300, seconds),
  };
}

function deleteLimits(
  config: Config,
  warn: Warn,
  previous: ChunkSettings | undefined,
): Pick<ChunkSettings, 'softDeleteLimit' | 'hardDeleteLimit'> {
  const soft = config.number('CHUNKS_SOFT_DEL_LIMIT', 10);
  if (soft === 0) {
    if (previous === undefined) throw new SettingsError('CHUNKS_SOFT_DEL_LIMIT: delete limit is zero');
    warn('CHUNKS_SOFT_DEL_LIMIT: delete limit is zero - keeping the old limits');
    return { softDeleteLimit: previous.softDeleteLimit, hardDeleteLimit: previous.hardDeleteLimit };
  }
  if (!config.has('CHUNKS_HARD_DEL_LIMIT')) return { softDeleteLimit: soft, hardDeleteLimit: 3 * soft };
  const hard = Math.max(1, config.number('CHUNKS_HARD_DEL_LIMIT', 3 * soft));
  if (hard < soft) warn(`CHUNKS_HARD_DEL_LIMIT is below CHUNKS_SOFT_DEL_LIMIT - both are ${hard}`);
  return { softDeleteLimit: Math.min(soft, hard), hardDeleteLimit: hard };
}

function replicationLimits(
  config: Config,
  kind: 'READ' | 'WRITE',
  fallback: string,
  warn: Warn,
  previous: ReplicationLimits | undefined,
): ReplicationLimits {
  const key = `CHUNKS_${kind}_REP_LIMIT`;
  const text = config.string(key, fallback);
  const parts = text.split(',').map((part) => part.trim());
  const valid = (parts.length === 1 || parts.length === 4) && parts.every((part) => /^(\d+(\.\d*)?|\.\d+)$/.test(part));
  if (!valid) {
    if (previous === undefined) throw new SettingsError(`${key}: cannot parse '${text}'`);
    warn(`${key}: cannot parse '${text}' - keeping the old limits`);
    return previous;
  }
  const numbers = parts.map(Number);
  if (numbers.length === 1) warn(`${key}: one number is used for all four kinds of replication`);
  return [numbers[0], numbers[1] ?? numbers[0], numbers[2] ?? numbers[0], numbers[3] ?? numbers[0]];
}

function acceptableDifference(config: Config): number {
  const fraction =
    config.has('ACCEPTABLE_DIFFERENCE') && !config.has('ACCEPTABLE_PERCENTAGE_DIFFERENCE')
      ? config.float('ACCEPTABLE_DIFFERENCE', 0.01)
      : config.float('ACCEPTABLE_PERCENTAGE_DIFFERENCE', 1) / 100;
  return Math.min(Math.max(fraction, 0.001), 0.1);
}

function daysToRemoveUnused(config: Config, warn: Warn): number {
  const days = config.number('CS_DAYS_TO_REMOVE_UNUSED', 7);
  if (days <= 365) return days;
  warn('CS_DAYS_TO_REMOVE_UNUSED - value is too big (max=365) - use zero for infinite value');
  return 0;
}

const reserveUnits: Readonly<Record<string, ReserveSpace['unit']>> = { '%': 'percent', U: 'used', C: 'total' };

/** Reads a RESERVE_SPACE text; undefined when it is malformed. */
export function parseReserveSpace(text: string): ReserveSpace | undefined {
  const relative = /^(\d+(?:\.\d*)?|\.\d+)([%UC])$/.exec(text.trim());
  if (relative) return { unit: reserveUnits[relative[2]], value: Number(relative[1]) };
  const bytes = parseSize(text);
  return bytes === undefined ? undefined : { unit: 'bytes', value: bytes };
}

function reserveSpace(config: Config, warn: Warn, previous: ReserveSpace | undefined): ReserveSpace {
  const text = config.string('RESERVE_SPACE', '0');
  const reserve = parseReserveSpace(text);
  if (reserve !== undefined) return reserve;
  warn(`error parsing RESERVE_SPACE ("${text}")`);
  return previous ?? { unit: 'bytes', value: 0 };
}

/** Reads `n.n.n.n` (missing octets are 0) as u32. */
function parseAddress(text: string): number | undefined {
  const octets = text
    .trim()
    .split('.')
    .map((part) => (/^\d{1,3}$/.test(part) ? Number(part) : 256));
  if (octets.length > 4 || octets.some((octet) => octet > 255)) return undefined;
  return ((octets[0] << 24) | ((octets[1] ?? 0) << 16) | ((octets[2] ?? 0) << 8) | (octets[3] ?? 0)) >>> 0;
}

/** Mask of the first `bits` bits of an address. */
function addressMask(bits: number): number {
  return bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0;
}

function addressRemap(config: Config, warn: Warn, previous: AddressRemap | undefined): AddressRemap | undefined {
  const keys = ['REMAP_BITS', 'REMAP_SOURCE_IP_CLASS', 'REMAP_DESTINATION_IP_CLASS'] as const;
  if (!keys.every((key) => config.has(key))) return undefined;
  const bits = config.number('REMAP_BITS', 0);
  const source = parseAddress(config.string('REMAP_SOURCE_IP_CLASS', ''));
  const destination = parseAddress(config.string('REMAP_DESTINATION_IP_CLASS', ''));
  if (bits < 1 || bits > 32) {
    warn(`wrong value for REMAP_BITS (${bits})`);
    return previous;
  }
  if (source === undefined || destination === undefined) {
    warn('error parsing ip class from REMAP_SOURCE_IP_CLASS or REMAP_DESTINATION_IP_CLASS');
    return previous;
  }
  const hostBits = ~addressMask(bits);
  if ((source & hostBits) !== 0 || (destination & hostBits) !== 0) {
    warn('found garbage bits at the end of REMAP_SOURCE_IP_CLASS or REMAP_DESTINATION_IP_CLASS');
    return previous;
  }
  return { bits, source, destination };
}

/** The address under which a chunkserver is known (spec 30 §1.5 step 5). */
export function remapped(ip: number, remap: AddressRemap | undefined): number {
  if (remap === undefined) return ip;
  const mask = addressMask(remap.bits);
  return (ip & mask) >>> 0 === remap.source ? (remap.destination | (ip & ~mask)) >>> 0 : ip;
}

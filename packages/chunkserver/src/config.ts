import { type Config, parseSize } from '@alces/runtime';
import { parseLabels } from './labels.ts';
import type { StoreSettings } from './store/context.ts';

/** The keys of `mfschunkserver.cfg` (spec 30 §4.3, 60 §2.3) except those of every daemon. */
export interface ChunkserverConfig {
  /** Undefined: the default places. */
  hddConfigFile: string | undefined;
  allowInvalidDisks: boolean;
  workersMax: number;
  labelMask: number;
  masterHost: string;
  masterPort: number;
  bindHost: string;
  /** Seconds; 0 = as the master says. */
  masterTimeoutSeconds: number;
  reconnectionDelaySeconds: number;
  authCode: string | undefined;
  chunksPerRegisterPacket: number;
  listenHost: string;
  listenPort: number;
  store: StoreSettings;
}

const MIB = 1024 * 1024;
const SMALL_RESERVE_BYTES = 64 * MIB;

function portNumber(text: string, fallback: number): number {
  const port = Number(text);
  return Number.isInteger(port) && port > 0 && port < 65536 ? port : fallback;
}

/** `HDD_TEST_SPEED` in bytes a second; the older `HDD_TEST_FREQ` counts when it is not defined. */
function testSpeed(config: Config): number {
  if (!config.has('HDD_TEST_SPEED') && config.has('HDD_TEST_FREQ')) {
    const frequency = config.number('HDD_TEST_FREQ', 10);
    return frequency === 0 ? 0 : (10 / frequency) * MIB;
  }
  return Math.max(0, config.float('HDD_TEST_SPEED', 1)) * MIB;
}

function masterTimeout(config: Config): number {
  const seconds = config.number('MASTER_TIMEOUT', 0);
  return seconds === 0 ? 0 : Math.min(Math.max(seconds, 10), 65535);
}

/** The reserve; a value that cannot be read is the default at start and changes nothing at a reload. */
function leaveFree(config: Config, fallbackBytes: number, warn: (message: string) => void): number {
  const text = config.string('HDD_LEAVE_SPACE_DEFAULT', '256MiB');
  const bytes = parseSize(text);
  if (bytes === undefined) {
    warn(`hdd space manager: HDD_LEAVE_SPACE_DEFAULT parse error (${text})`);
    return fallbackBytes;
  }
  if (bytes < SMALL_RESERVE_BYTES)
    warn('hdd space manager: HDD_LEAVE_SPACE_DEFAULT < chunk size - leaving so small space on hdd is not recommended');
  return bytes;
}

function storeSettings(config: Config, before: StoreSettings | undefined, warn: (text: string) => void): StoreSettings {
  const testBytesPerSecond = testSpeed(config);
  if (testBytesPerSecond === 0)
    warn('hdd space manager: regular chunk tests are disabled - this is not recommended setting');
  return {
    leaveFreeBytes: leaveFree(config, before?.leaveFreeBytes ?? 256 * MIB, warn),
    sparsify: config.boolean('HDD_SPARSIFY_ON_WRITE', true),
    syncBeforeClose: config.boolean('HDD_FSYNC_BEFORE_CLOSE', false),
    roundRobinChunks: config.number('HDD_RR_CHUNK_COUNT', 10_000, { min: 1, max: 100_000 }),
    keepDuplicatesSeconds: config.number('HDD_KEEP_DUPLICATES_HOURS', 168, { max: 2400 }) * 3600,
    testBytesPerSecond,
    minTestIntervalSeconds: config.number('HDD_MIN_TEST_INTERVAL', 86_400),
    dropCacheAfterSeconds: config.signed('HDD_FADVISE_MIN_TIME', 86_400),
    rebalanceUtilization: config.number('HDD_REBALANCE_UTILIZATION', 20, { max: 100 }),
    highSpeedRebalanceLimit: config.number('HDD_HIGH_SPEED_REBALANCE_LIMIT', 0, { max: 10 }),
    errorToleranceCount: config.number('HDD_ERROR_TOLERANCE_COUNT', 2, { min: 1, max: 10 }),
    errorTolerancePeriodSeconds: config.number('HDD_ERROR_TOLERANCE_PERIOD', 600, { min: 10, max: 86_400 }),
  };
}

/** Reads the keys; `before` are the values in use at a reload. */
export function readChunkserverConfig(
  config: Config,
  warn: (message: string) => void,
  before?: ChunkserverConfig,
): ChunkserverConfig {
  const labels = parseLabels(config.string('LABELS', ''));
  for (const complaint of labels.complaints) warn(complaint);
  const delay = config.number('MASTER_RECONNECTION_DELAY', 5);
  return {
    hddConfigFile: config.raw('HDD_CONF_FILENAME'),
    allowInvalidDisks: config.boolean('ALLOW_STARTING_WITH_INVALID_DISKS', false),
    workersMax: config.number('WORKERS_MAX', 250),
    labelMask: labels.mask,
    masterHost: config.string('MASTER_HOST', 'mfsmaster'),
    masterPort: portNumber(config.string('MASTER_PORT', '9420'), 9420),
    bindHost: config.string('BIND_HOST', '*'),
    masterTimeoutSeconds: masterTimeout(config),
    reconnectionDelaySeconds: delay === 0 ? (before?.reconnectionDelaySeconds ?? 5) : delay,
    authCode: config.raw('AUTH_CODE'),
    chunksPerRegisterPacket: config.number('CHUNKS_PER_REGISTER_PACKET', 10_000, { min: 1000, max: 100_000 }),
    listenHost: config.string('CSSERV_LISTEN_HOST', '*'),
    listenPort: portNumber(config.string('CSSERV_LISTEN_PORT', '9422'), 9422),
    store: storeSettings(config, before?.store, warn),
  };
}

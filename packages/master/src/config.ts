import type { Config } from '@alces/runtime';

/** Where a service listens. */
export interface ListenAddress {
  host: string;
  port: number;
}

/** The keys of mfsmaster.cfg that the chunk side does not read itself (spec 60 §2.2). All but the data folder can change at reload. */
export interface MasterConfig {
  /** The file as read, for GET_CONFIG. */
  readonly file: Config;
  exportsFile: string;
  exportsFileGiven: boolean;
  topologyFile: string;
  topologyFileGiven: boolean;
  backLogs: number;
  /** Keep older changelogs compressed. Not known to the stock master. */
  compressOldChangelogs: boolean;
  saveFrequencyHours: number;
  keptImages: number;
  changelogPreserveSeconds: number;
  changelogSaveMode: 0 | 1 | 2;
  metaloggers: ListenAddress;
  chunkservers: ListenAddress;
  clients: ListenAddress;
  sessionSustainSeconds: number;
  /** 0 always .. 4 never (spec 10 §2.11). */
  atimeMode: number;
  maxHardLinks: number;
  inodeReuseDelaySeconds: number;
  /** Free space of the data folder below which the log warns; 0: never. Not known to the stock master. */
  dataFreeWarnMib: number;
  /** For quotas of images that store no grace period. */
  quotaGraceSeconds: number;
}

type Warn = (message: string) => void;

const SYSCONF_FOLDER = '/etc/mfs';
/** Until a new image is in its place, a restart needs the changes since the image before: those of two files. */
const LEAST_BACK_LOGS = 2;

function capped(config: Config, key: string, fallback: number, max: number, warn: Warn): number {
  const value = config.number(key, fallback);
  if (value <= max) return value;
  warn(`${key} value too big !!! - using ${max}`);
  return max;
}

function listenAddress(config: Config, prefix: string, port: number, services: PortOfService): ListenAddress {
  const text = config.string(`${prefix}_LISTEN_PORT`, String(port));
  return { host: config.string(`${prefix}_LISTEN_HOST`, '*'), port: services(text) ?? port };
}

/** Port number of a decimal text or a name of /etc/services. */
export type PortOfService = (text: string) => number | undefined;

/** Clients may still be configured by the names that 1.6 used, if none of the new keys is there. */
function clientAddress(config: Config, services: PortOfService, warn: Warn): ListenAddress {
  const current = config.has('MATOCL_LISTEN_HOST') || config.has('MATOCL_LISTEN_PORT');
  const old = config.has('MATOCU_LISTEN_HOST') || config.has('MATOCU_LISTEN_PORT');
  if (current || !old) return listenAddress(config, 'MATOCL', 9421, services);
  warn('change MATOCU_LISTEN_* option names to MATOCL_LISTEN_* !!!');
  return listenAddress(config, 'MATOCU', 9421, services);
}

function saveFrequency(config: Config, backLogs: number, warn: Warn): number {
  const hours = config.number('METADATA_SAVE_FREQ', 1);
  const most = Math.floor(backLogs / 2);
  if (hours > most) warn('METADATA_SAVE_FREQ is higher than half of BACK_LOGS - decreasing');
  return Math.max(1, Math.min(hours, most));
}

function choice(config: Config, key: string, fallback: number, max: number, instead: number, warn: Warn): number {
  const value = config.number(key, fallback, {}, 8);
  if (value <= max) return value;
  warn(`unrecognized value for ${key} - using defaults`);
  return instead;
}

/** Reads mfsmaster.cfg's keys; values out of range are set right with a warning. */
export function masterConfig(config: Config, services: PortOfService, warn: Warn): MasterConfig {
  const backLogs = Math.max(LEAST_BACK_LOGS, capped(config, 'BACK_LOGS', 50, 1000, warn));
  return {
    file: config,
    exportsFile: config.string('EXPORTS_FILENAME', `${SYSCONF_FOLDER}/mfsexports.cfg`),
    exportsFileGiven: config.has('EXPORTS_FILENAME'),
    topologyFile: config.string('TOPOLOGY_FILENAME', `${SYSCONF_FOLDER}/mfstopology.cfg`),
    topologyFileGiven: config.has('TOPOLOGY_FILENAME'),
    backLogs,
    compressOldChangelogs: config.boolean('CHANGELOG_COMPRESS_OLD', false),
    saveFrequencyHours: saveFrequency(config, backLogs, warn),
    keptImages: capped(config, 'BACK_META_KEEP_PREVIOUS', 1, 99, warn),
    changelogPreserveSeconds: capped(config, 'CHANGELOG_PRESERVE_SECONDS', 1800, 15000, warn),
    changelogSaveMode: choice(config, 'CHANGELOG_SAVE_MODE', 0, 2, 0, warn) as 0 | 1 | 2,
    metaloggers: listenAddress(config, 'MATOML', 9419, services),
    chunkservers: listenAddress(config, 'MATOCS', 9420, services),
    clients: clientAddress(config, services, warn),
    sessionSustainSeconds: config.number('SESSION_SUSTAIN_TIME', 86400, { min: 60, max: 604800 }),
    atimeMode: choice(config, 'ATIME_MODE', 2, 4, 0, warn),
    maxHardLinks: config.number('MAX_ALLOWED_HARD_LINKS', 32767, { min: 8, max: 65000 }),
    quotaGraceSeconds: config.number(
      config.has('QUOTA_DEFAULT_GRACE_PERIOD') ? 'QUOTA_DEFAULT_GRACE_PERIOD' : 'QUOTA_TIME_LIMIT',
      604800,
    ),
    inodeReuseDelaySeconds: config.number('INODE_REUSE_DELAY', 86400, { min: 300, max: 3000000 }),
    dataFreeWarnMib: config.number('DATA_FREE_WARN', 1024),
  };
}

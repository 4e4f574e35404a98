import type { Config } from '@alces/runtime';

/** The keys of `mfsmetalogger.cfg` (spec 52 §4.4, 60 §2.4) except those of every daemon. All can change at a reload. */
export interface MetaloggerConfig {
  backLogs: number;
  /** Images that are kept beside the newest one. */
  keptImages: number;
  /** Hours between downloads of the image. */
  downloadHours: number;
  reconnectionDelaySeconds: number;
  bindHost: string;
  /** MASTER_HOST; several, where masters take turns in leading: only the one that leads listens. Not known to the stock metalogger. */
  masterHosts: readonly string[];
  masterPort: number;
  timeoutSeconds: number;
  /** Seconds between comparisons of the state with that of an Alces master; 0: never. Not known to the stock metalogger. */
  digestSeconds: number;
}

const LONGEST_DELAY_SECONDS = 3600;

/** @throws when the port is none: the stock daemon does not start then either */
function portOf(config: Config, host: string): number {
  const text = config.string('MASTER_PORT', '9419');
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port === 0 || port > 65535) throw new Error(`can't resolve master host/port (${host}:${text})`);
  return port;
}

function hostsIn(text: string): string[] {
  const hosts = text
    .split(',')
    .map((host) => host.trim())
    .filter(Boolean);
  return hosts.length > 0 ? hosts : [text];
}

/** Reads the configuration; values out of range are set right with a warning of the `Config`. */
export function metaloggerConfig(config: Config): MetaloggerConfig {
  const masterHost = config.string('MASTER_HOST', 'mfsmaster');
  const backLogs = config.number('BACK_LOGS', 50, { min: 5, max: 10_000 });
  return {
    backLogs,
    keptImages: config.number('BACK_META_KEEP_PREVIOUS', 3, { max: 99 }),
    downloadHours: config.number('META_DOWNLOAD_FREQ', 24, { min: 1, max: Math.floor(backLogs / 2) }),
    reconnectionDelaySeconds: config.number('MASTER_RECONNECTION_DELAY', 5, { min: 1, max: LONGEST_DELAY_SECONDS }),
    bindHost: config.string('BIND_HOST', '*'),
    masterHosts: hostsIn(masterHost),
    masterPort: portOf(config, masterHost),
    timeoutSeconds: config.number('MASTER_TIMEOUT', 10, { min: 10, max: 65_535 }),
    digestSeconds: config.number('METADATA_DIGEST_PERIOD', 60),
  };
}

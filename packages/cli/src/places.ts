import { existsSync, writeFileSync } from 'node:fs';

/** What `alces up` decided when it made the cluster; kept in `cluster.json` in its folder. */
export interface ClusterSettings {
  /** First three numbers of the addresses: the master is `.1` (with `ha` the VIP, `.100`), chunkservers `.11` and up. */
  network: string;
  chunkservers: number;
  mountPoint: string;
  /** Three nodes that take over for each other, each daemon in a network namespace of its own. */
  ha: boolean;
}

/** One daemon of a local cluster. */
export interface DaemonPlace {
  /** As shown to the user. */
  title: string;
  program: 'mfsmaster' | 'mfsmetalogger' | 'mfschunkserver';
  address: string;
  /** The port that shows that it serves. */
  port: number;
  configFile: string;
  dataPath: string;
  /** The network namespace in which it runs; undefined: that of the user. */
  namespace?: string;
}

export const MASTER_PORT = 9421;

export function masterAddress(settings: ClusterSettings): string {
  return `${settings.network}.${settings.ha ? 100 : 1}`;
}

const whoRuns = () => (process.getuid?.() === 0 ? 'WORKING_USER = root\nWORKING_GROUP = root\n' : '');

export function commonLines(place: DaemonPlace): string {
  return `# Written by 'alces up'; yours to change, it is not written again.\n${whoRuns()}NICE_LEVEL = 0\nDISABLE_OOM_KILLER = 0\nDATA_PATH = ${place.dataPath}\nLOG_FILE = ${place.dataPath}/log\n`;
}

export function writeOnce(file: string, text: string): void {
  if (!existsSync(file)) writeFileSync(file, text);
}

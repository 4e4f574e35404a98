import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { haPlaces, writeNodeFiles } from './ha/layout.ts';
import {
  type ClusterSettings,
  commonLines,
  type DaemonPlace,
  MASTER_PORT,
  masterAddress,
  writeOnce,
} from './places.ts';

const CHUNKSERVER_PORT = 9422;

/** The folder of the cluster: `--dir`, else `$ALCES_DIR`, else `~/.alces`. */
export function clusterFolder(option: string | undefined): string {
  return resolve(option ?? process.env.ALCES_DIR ?? join(homedir(), '.alces'));
}

const settingsFile = (folder: string) => join(folder, 'cluster.json');

/** The settings of the cluster in a folder, undefined when there is none. Throws when the file is not what `alces up` wrote. */
export function readSettings(folder: string): ClusterSettings | undefined {
  const file = settingsFile(folder);
  if (!existsSync(file)) return undefined;
  const read: unknown = JSON.parse(readFileSync(file, 'utf8'));
  if (
    typeof read === 'object' &&
    read !== null &&
    'network' in read &&
    'chunkservers' in read &&
    'mountPoint' in read
  ) {
    const { network, chunkservers, mountPoint } = read;
    if (typeof network === 'string' && typeof chunkservers === 'number' && typeof mountPoint === 'string')
      return { network, chunkservers, mountPoint, ha: 'ha' in read && read.ha === true };
  }
  throw new Error(`${file}: not the settings of a cluster`);
}

export function writeSettings(folder: string, settings: ClusterSettings): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(settingsFile(folder), `${JSON.stringify(settings, null, 2)}\n`);
}

/** Every daemon of the cluster, in the order in which they start. */
export function daemonPlaces(folder: string, settings: ClusterSettings): DaemonPlace[] {
  const place = (
    title: string,
    program: DaemonPlace['program'],
    name: string,
    host: number,
    port: number,
  ): DaemonPlace => ({
    title,
    program,
    address: `${settings.network}.${host}`,
    port,
    configFile: join(folder, name, `${program}.cfg`),
    dataPath: join(folder, name),
  });
  const chunkservers = Array.from({ length: settings.chunkservers }, (_, index) =>
    place(`chunkserver ${index + 1}`, 'mfschunkserver', `chunkserver${index + 1}`, 11 + index, CHUNKSERVER_PORT),
  );
  if (settings.ha) return haPlaces(folder, settings, chunkservers);
  return [place('master', 'mfsmaster', 'master', 1, MASTER_PORT), ...chunkservers];
}

function writeMasterFiles(place: DaemonPlace): void {
  const data = place.dataPath;
  const fresh = !existsSync(join(data, 'mfsmaster.cfg'));
  mkdirSync(data, { recursive: true });
  if (fresh) writeOnce(join(data, 'metadata.mfs'), 'MFSM NEW');
  writeOnce(
    join(data, 'mfsexports.cfg'),
    '# who may mount what; see mfsexports.cfg(5)\n127.0.0.0/8 / rw,alldirs,admin,maproot=0:0\n127.0.0.0/8 . rw\n',
  );
  writeOnce(join(data, 'mfstopology.cfg'), '# addresses of racks; see mfstopology.cfg(5)\n');
  const listen = ['MATOML', 'MATOCS', 'MATOCL'].map((key) => `${key}_LISTEN_HOST = ${place.address}\n`).join('');
  const files = `EXPORTS_FILENAME = ${data}/mfsexports.cfg\nTOPOLOGY_FILENAME = ${data}/mfstopology.cfg\n`;
  writeOnce(place.configFile, `${commonLines(place)}${files}REPLICATIONS_DELAY_INIT = 5\n${listen}`);
}

function writeChunkserverFiles(place: DaemonPlace, master: string): void {
  const disk = join(place.dataPath, 'chunks');
  mkdirSync(disk, { recursive: true });
  writeOnce(join(place.dataPath, 'mfshdd.cfg'), `# folders for chunks, a line each; see mfshdd.cfg(5)\n${disk}\n`);
  const network = `MASTER_HOST = ${master}\nMASTER_RECONNECTION_DELAY = 1\nBIND_HOST = ${place.address}\nCSSERV_LISTEN_HOST = ${place.address}\n`;
  writeOnce(
    place.configFile,
    `${commonLines(place)}${network}HDD_CONF_FILENAME = ${place.dataPath}/mfshdd.cfg\nHDD_LEAVE_SPACE_DEFAULT = 256MiB\n`,
  );
}

/** Makes the folders and configuration files that are not there yet. Files that exist are left as they are. */
export function writeDaemonFiles(place: DaemonPlace, settings: ClusterSettings): void {
  if (place.program === 'mfsmaster') writeMasterFiles(place);
  else if (place.program === 'mfsmetalogger') writeNodeFiles(place, settings);
  else writeChunkserverFiles(place, masterAddress(settings));
}

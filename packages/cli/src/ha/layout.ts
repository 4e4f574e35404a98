import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type ClusterSettings,
  commonLines,
  type DaemonPlace,
  MASTER_PORT,
  masterAddress,
  writeOnce,
} from '../places.ts';

/** The nodes of the journal; the first begins. */
export const NODE_NAMES = ['alpha', 'beta', 'gamma'] as const;

/** A name for what belongs to the cluster in this folder and is visible to the whole machine; 15 characters with a suffix of two. */
export function networkName(settings: ClusterSettings): string {
  return `alcesha${settings.network.split('.')[2]}`;
}

export function namespaceOf(settings: ClusterSettings, host: string): string {
  return `${networkName(settings)}-${host}`;
}

/** The namespace in which the bridge is. */
export function bridgeNamespace(settings: ClusterSettings): string {
  return namespaceOf(settings, 'bridge');
}

/** The daemons of a cluster with three nodes, each in the namespace of its own host. */
export function haPlaces(
  folder: string,
  settings: ClusterSettings,
  chunkservers: readonly DaemonPlace[],
): DaemonPlace[] {
  const nodes = NODE_NAMES.map(
    (name, index): DaemonPlace => ({
      title: `node ${name}`,
      program: 'mfsmetalogger',
      address: `${settings.network}.${index + 1}`,
      port: MASTER_PORT,
      configFile: join(folder, name, 'mfsmetalogger.cfg'),
      dataPath: join(folder, name),
      namespace: namespaceOf(settings, name),
    }),
  );
  const stores = chunkservers.map((place, index) => ({
    ...place,
    namespace: namespaceOf(settings, `chunks${index + 1}`),
  }));
  return [...nodes, ...stores];
}

export function nodeName(place: DaemonPlace): string {
  return place.dataPath.split('/').at(-1) ?? '';
}

export function isNode(place: DaemonPlace): boolean {
  return place.program === 'mfsmetalogger';
}

export function haConfigFile(place: DaemonPlace): string {
  return join(place.dataPath, 'mfsha.cfg');
}

/** Whether a node decides by itself (true), or keepalived does. Decided once, when the cluster is made. */
function haConfig(place: DaemonPlace, settings: ClusterSettings, keepalived: boolean): string {
  const nodes = NODE_NAMES.map((name, index) => `${name}=${settings.network}.${index + 1}`).join(', ');
  const lead = keepalived ? 'DETECTOR = external\n' : 'DETECTOR = builtin\nMANAGE_VIP = 1\n';
  return (
    `# Written by 'alces up --ha'; yours to change, it is not written again.\nNODE = ${nodeName(place)}\nNODES = ${nodes}\n` +
    `SECRET_FILE = ../secret\nDATA_PATH = ${place.dataPath}\nVIP = ${masterAddress(settings)}/24\nVIP_INTERFACE = eth0\n${lead}`
  );
}

/** keepalived is used when this machine has it. */
export function hasKeepalived(): boolean {
  return (process.env.PATH ?? '').split(':').some((folder) => existsSync(join(folder, 'keepalived')));
}

/** Makes the folder and the configuration files of a node that are not there yet. */
export function writeNodeFiles(place: DaemonPlace, settings: ClusterSettings): void {
  const data = place.dataPath;
  const fresh = !existsSync(haConfigFile(place));
  mkdirSync(data, { recursive: true });
  const secret = join(data, '..', 'secret');
  if (!existsSync(secret)) writeFileSync(secret, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600 });
  if (fresh && nodeName(place) === NODE_NAMES[0]) writeOnce(join(data, 'metadata.mfs'), 'MFSM NEW');
  writeOnce(haConfigFile(place), haConfig(place, settings, hasKeepalived()));
  writeOnce(
    join(data, 'mfsexports.cfg'),
    `# who may mount what; see mfsexports.cfg(5)\n${settings.network}.0/24 / rw,alldirs,admin,maproot=0:0\n${settings.network}.0/24 . rw\n`,
  );
  writeOnce(join(data, 'mfstopology.cfg'), '# addresses of racks; see mfstopology.cfg(5)\n');
  const files = `EXPORTS_FILENAME = ${data}/mfsexports.cfg\nTOPOLOGY_FILENAME = ${data}/mfstopology.cfg\n`;
  writeOnce(join(data, 'mfsmaster.cfg'), `${commonLines(place)}${files}REPLICATIONS_DELAY_INIT = 5\n`);
  writeOnce(place.configFile, `${commonLines(place)}MASTER_HOST = ${masterAddress(settings)}\n`);
}

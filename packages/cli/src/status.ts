import { clusterSpace, connectedChunkservers } from './cluster.ts';
import { runningPid } from './daemons.ts';
import { nodeTable } from './ha/commands.ts';
import { isNode } from './ha/layout.ts';
import { clusterFolder, daemonPlaces, readSettings } from './layout.ts';
import { isMounted } from './mounts.ts';
import { type ClusterSettings, MASTER_PORT, masterAddress } from './places.ts';
import { formatBytes, formatTable } from './table.ts';

/** What runs where, as a table, and the space below it. */
export async function statusTable(folder: string, settings: ClusterSettings): Promise<string> {
  const rows = [['daemon', 'state', 'pid', 'address', 'data']];
  for (const place of daemonPlaces(folder, settings)) {
    const pid = runningPid(place);
    rows.push([
      place.title,
      pid === undefined ? 'stopped' : 'running',
      pid === undefined ? '-' : String(pid),
      `${place.address}:${place.port}`,
      place.dataPath,
    ]);
  }
  const mounted = isMounted(settings.mountPoint);
  rows.push(['mount', mounted ? 'mounted' : 'not mounted', '-', '-', settings.mountPoint]);
  return formatTable(rows);
}

async function spaceLine(settings: ClusterSettings): Promise<string> {
  const master = masterAddress(settings);
  const connected = await connectedChunkservers(master, MASTER_PORT);
  const space = await clusterSpace(master, MASTER_PORT);
  return `\n${connected} of ${settings.chunkservers} chunkservers connected; ${formatBytes(space.availableBytes)} of ${formatBytes(space.totalBytes)} available; ${space.objects} objects`;
}

/** `alces status`. The exit status is 0 when everything runs, 3 when something does not, 1 when there is no cluster. */
export async function status(options: { dir: string | undefined }): Promise<number> {
  const folder = clusterFolder(options.dir);
  const settings = readSettings(folder);
  if (!settings) {
    process.stderr.write(`no cluster in ${folder}; "alces up" makes one\n`);
    return 1;
  }
  process.stdout.write(`${await statusTable(folder, settings)}\n`);
  const places = daemonPlaces(folder, settings);
  const running = places.filter((place) => runningPid(place) !== undefined);
  const master = places[0];
  if (settings.ha) process.stdout.write(`\n${await nodeTable(places.filter(isNode))}\n`);
  if (settings.ha ? running.some(isNode) : master && running.includes(master))
    process.stdout.write(`${await spaceLine(settings)}\n`);
  return running.length === places.length ? 0 : 3;
}

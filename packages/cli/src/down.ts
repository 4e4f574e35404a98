import { stopDaemon } from './daemons.ts';
import { networkDown } from './ha/network.ts';
import { stopKeepalived } from './ha/nodes.ts';
import { clusterFolder, daemonPlaces, readSettings } from './layout.ts';
import { isMounted, unmountCluster } from './mounts.ts';

/** `alces down`: unmounts and stops everything; the data stay. Answers the exit status. */
export async function down(options: { dir: string | undefined }): Promise<number> {
  const folder = clusterFolder(options.dir);
  const settings = readSettings(folder);
  if (!settings) {
    process.stderr.write(`no cluster in ${folder}\n`);
    return 1;
  }
  if (isMounted(settings.mountPoint)) await unmountCluster(settings.mountPoint);
  const places = daemonPlaces(folder, settings);
  // Chunkservers first: each tells the master that it goes, so nothing is taken for lost.
  await Promise.all(places.filter((place) => place.program === 'mfschunkserver').map((place) => stopDaemon(place)));
  const masters = places.filter((place) => place.program !== 'mfschunkserver');
  if (settings.ha) await Promise.all(masters.map(stopKeepalived));
  await Promise.all(masters.map((place) => stopDaemon(place)));
  if (settings.ha) networkDown(settings, places);
  process.stdout.write(`stopped; the data are in ${folder}, "alces up" starts it again\n`);
  return 0;
}

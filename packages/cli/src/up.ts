import { existsSync, realpathSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { connectedChunkservers } from './cluster.ts';
import { isFree, isServing, runningPid, startDaemon } from './daemons.ts';
import { freeHaNetwork, networkObstacle, networkUp } from './ha/network.ts';
import { leadersUp } from './ha/nodes.ts';
import { clusterFolder, daemonPlaces, readSettings, writeDaemonFiles, writeSettings } from './layout.ts';
import { isMounted, mountCluster, mountObstacle } from './mounts.ts';
import { type ClusterSettings, type DaemonPlace, MASTER_PORT, masterAddress } from './places.ts';
import { statusTable } from './status.ts';

export interface UpOptions {
  dir: string | undefined;
  mount: string | undefined;
  chunkservers: string | undefined;
  ha: boolean | undefined;
}

const MAX_CHUNKSERVERS = 50;
const READY_TIMEOUT_MS = 30_000;

/** The first loopback network on which nothing serves, so that several local clusters can run side by side. */
async function freeNetwork(): Promise<string> {
  for (let third = 0; third < 200; third++) {
    const network = `127.0.${third}`;
    if (await isFree(`${network}.1`, MASTER_PORT)) return network;
  }
  throw new Error(
    `port ${MASTER_PORT} is taken on every loopback address: a daemon that listens on all addresses must be stopped first`,
  );
}

function chunkserverCount(option: string | undefined, known: number | undefined): number {
  if (option === undefined) return known ?? 3;
  const count = Number(option);
  if (!Number.isInteger(count) || count < 1 || count > MAX_CHUNKSERVERS) {
    throw new Error(`--chunkservers ${option}: a number from 1 to ${MAX_CHUNKSERVERS}`);
  }
  if (known !== undefined && count < known) {
    throw new Error(
      `the cluster has ${known} chunkservers; to take one away, mark its folder in mfshdd.cfg and wait until its chunks have moved`,
    );
  }
  return count;
}

async function settle(folder: string, options: UpOptions): Promise<ClusterSettings> {
  const known = readSettings(folder);
  const ha = known?.ha ?? options.ha === true;
  if (options.ha && !ha)
    throw new Error(`the cluster in ${folder} was made without --ha; name another folder with --dir`);
  const obstacle = ha ? networkObstacle() : undefined;
  if (obstacle !== undefined) throw new Error(obstacle);
  const settings: ClusterSettings = {
    network: known?.network ?? (ha ? freeHaNetwork() : await freeNetwork()),
    ha,
    chunkservers: chunkserverCount(options.chunkservers, known?.chunkservers),
    mountPoint: options.mount === undefined ? (known?.mountPoint ?? join(folder, 'mnt')) : resolve(options.mount),
  };
  writeSettings(folder, settings);
  return settings;
}

/** A port that something else serves would let a daemon fail with a bare EADDRINUSE; say who is in the way instead. */
async function checkPorts(places: readonly DaemonPlace[]): Promise<void> {
  for (const place of places) {
    if (runningPid(place) === undefined && (await isServing(place.address, place.port))) {
      throw new Error(
        `${place.address}:${place.port} is taken by another program; stop it ("ss -tlnp" shows it), or use another folder with --dir`,
      );
    }
  }
}

async function waitUntilUsable(settings: ClusterSettings): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  for (;;) {
    const count = await connectedChunkservers(masterAddress(settings), MASTER_PORT);
    if (count >= settings.chunkservers) return;
    if (performance.now() > deadline) {
      throw new Error(
        `only ${count} of ${settings.chunkservers} chunkservers registered within ${READY_TIMEOUT_MS / 1000} s; their logs are in the data folders`,
      );
    }
    await new Promise((wake) => setTimeout(wake, 50));
  }
}

/** How this program is called from here: by its name if the path leads to it. */
function ownCommand(): string {
  const own = join(import.meta.dirname, '..', '..', '..', 'bin', 'alces');
  const found = (process.env.PATH ?? '').split(':').map((folder) => join(folder, 'alces'));
  const isInPath = found.some((path) => existsSync(path) && realpathSync(path) === realpathSync(own));
  if (isInPath) return 'alces';
  const near = relative(process.cwd(), own);
  return near.startsWith('..') ? own : near;
}

function nextSteps(settings: ClusterSettings, obstacle: string | undefined, dir: string | undefined): string {
  const alces = ownCommand();
  const at = dir === undefined ? '' : ` --dir ${dir}`;
  if (obstacle) {
    return (
      `\nNot mounted: ${obstacle}.\nUse it without a mount:\n  ${alces} put README.md /README.md${at}\n  ${alces} ls /${at}\n  ${alces} cat /README.md${at}\n` +
      `Stop it, keeping the data:\n  ${alces} down${at}\n`
    );
  }
  return (
    `\nMounted on ${settings.mountPoint}. Try:\n  cp -r /usr/include ${settings.mountPoint}/\n  df -h ${settings.mountPoint}\n  ${alces} status${at}\n` +
    `${settings.ha ? `Let the leader die:\n  ${alces} ha kill-leader${at}\n  ${alces} ha start${at}\n` : ''}Stop it, keeping the data:\n  ${alces} down${at}\n`
  );
}

/** `alces up`: makes the cluster if it is not there, starts what does not run, mounts, tells what runs where. Answers the exit status. */
export async function up(options: UpOptions): Promise<number> {
  const folder = clusterFolder(options.dir);
  const settings = await settle(folder, options);
  const places = daemonPlaces(folder, settings);
  if (settings.ha) networkUp(settings, places);
  else await checkPorts(places);
  for (const place of places) writeDaemonFiles(place, settings);
  const chunkservers = places.filter((place) => place.program === 'mfschunkserver');
  const masters = places.filter((place) => place.program !== 'mfschunkserver');
  await Promise.all(masters.map((place) => startDaemon(place)));
  if (settings.ha) await leadersUp(masters);
  await Promise.all(chunkservers.map((place) => startDaemon(place)));
  await waitUntilUsable(settings);
  const obstacle = mountObstacle();
  if (obstacle === undefined && !isMounted(settings.mountPoint))
    await mountCluster(settings.mountPoint, masterAddress(settings));
  process.stdout.write(`${await statusTable(folder, settings)}\n${nextSteps(settings, obstacle, options.dir)}`);
  return 0;
}

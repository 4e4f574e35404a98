import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A stock master with two chunkservers in a network namespace of its own. */
export interface LiveMaster {
  namespace: string;
  /** DATA_PATH of the master. */
  directory: string;
  stop(): void;
}

const NET = '10.90.40';
/** Address of the master; client addresses select an export record. */
export const MASTER_ADDRESS = `${NET}.1`;

/** Client addresses, each with its own export rights. */
export const CLIENTS = {
  admin: `${NET}.20`,
  readOnly: `${NET}.21`,
  mapAll: `${NET}.22`,
  limited: `${NET}.23`,
  disabled: `${NET}.24`,
  user: `${NET}.25`,
} as const;

const EXPORTS = [
  `${CLIENTS.admin} / rw,alldirs,admin,maproot=0:0`,
  `${CLIENTS.admin} . rw`,
  `${CLIENTS.readOnly} / ro,alldirs,maproot=0:0`,
  `${CLIENTS.readOnly} . ro`,
  `${CLIENTS.mapAll} / rw,alldirs,admin,maproot=0:0,mapall=1000:1000`,
  `${CLIENTS.limited} / rw,alldirs,ignoregid,maproot=0:0,mingoal=2,maxgoal=4,mintrashtime=1h,maxtrashtime=2d,umask=0027`,
  `${CLIENTS.disabled} / rw,alldirs,admin,maproot=1001:1001,disable=chown:mkdev:rmdir:link:setlength:settrash:seteattr:rename`,
  `${CLIENTS.user} / rw,alldirs,maproot=0:0`,
].join('\n');

/** Starts the daemons; throws when they do not start. */
export function startLiveMaster(): LiveMaster {
  const namespace = `md-live${process.pid}`;
  const directory = mkdtempSync(join(tmpdir(), 'alces-live-'));
  const live: LiveMaster = { namespace, directory: join(directory, 'm'), stop: () => stop(namespace, directory) };
  try {
    ip('netns', 'add', namespace);
    ip('-n', namespace, 'link', 'set', 'lo', 'up');
    for (const address of [MASTER_ADDRESS, `${NET}.11`, `${NET}.12`, ...Object.values(CLIENTS)]) {
      ip('-n', namespace, 'addr', 'add', `${address}/32`, 'dev', 'lo');
    }
    startMaster(namespace, directory);
    startChunkserver(namespace, directory, 11);
    startChunkserver(namespace, directory, 12);
    return live;
  } catch (error) {
    live.stop();
    throw error;
  }
}

function ip(...args: string[]): void {
  execFileSync('ip', args);
}

function common(path: string): string {
  return `WORKING_USER = root\nWORKING_GROUP = root\nNICE_LEVEL = 0\nDATA_PATH = ${path}\n`;
}

function startMaster(namespace: string, directory: string): void {
  const path = join(directory, 'm');
  mkdirSync(path);
  writeFileSync(join(path, 'metadata.mfs'), 'MFSM NEW');
  writeFileSync(join(path, 'exports'), `${EXPORTS}\n`);
  writeFileSync(join(path, 'topology'), '');
  const hosts = ['MATOML', 'MATOCS', 'MATOCL'].map((link) => `${link}_LISTEN_HOST = ${MASTER_ADDRESS}\n`).join('');
  const files = `EXPORTS_FILENAME = ${path}/exports\nTOPOLOGY_FILENAME = ${path}/topology\n`;
  const modes = 'CHANGELOG_SAVE_MODE = 1\nINODE_REUSE_DELAY = 300\nMAX_ALLOWED_HARD_LINKS = 8\n';
  writeFileSync(join(path, 'master.cfg'), common(path) + hosts + files + modes);
  start(namespace, 'mfsmaster', join(path, 'master.cfg'));
}

function startChunkserver(namespace: string, directory: string, number: number): void {
  const path = join(directory, `c${number}`);
  const disk = join(directory, `d${number}`);
  mkdirSync(path);
  mkdirSync(disk);
  writeFileSync(join(path, 'hdd'), `${disk}\n`);
  const address = `${NET}.${number}`;
  const config =
    `MASTER_HOST = ${MASTER_ADDRESS}\nBIND_HOST = ${address}\nCSSERV_LISTEN_HOST = ${address}\n` +
    `HDD_CONF_FILENAME = ${path}/hdd\nHDD_LEAVE_SPACE_DEFAULT = 256MiB\n`;
  writeFileSync(join(path, 'chunkserver.cfg'), common(path) + config);
  start(namespace, 'mfschunkserver', join(path, 'chunkserver.cfg'));
}

function start(namespace: string, program: string, config: string): void {
  const args = [`--net=/run/netns/${namespace}`, program, '-c', config, 'start'];
  const run = spawnSync('nsenter', args, { encoding: 'latin1', stdio: ['ignore', 'ignore', 'pipe'] });
  if (run.status !== 0) {
    throw new Error(`${program} did not start: ${run.stderr}`);
  }
}

/** Ends what runs in the namespace, which is this test's alone, and removes everything. */
function stop(namespace: string, directory: string): void {
  const { stdout } = spawnSync('ip', ['netns', 'pids', namespace], { encoding: 'latin1' });
  // Not process.kill: one that has just ended is no error.
  spawnSync('kill', ['-KILL', ...(stdout ?? '').split('\n').filter(Boolean)]);
  spawnSync('ip', ['netns', 'del', namespace]);
  rmSync(directory, { recursive: true, force: true });
}

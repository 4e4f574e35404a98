import { readFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { type DaemonContext, type RunningDaemon, realClock, realNet, realRandom, runDaemon } from '@alces/runtime';
import { startChunkserver } from './chunkserver.ts';
import { DISK_PARALLELISM } from './disks/folder.ts';
import { parseHddConfig } from './disks/hddConfig.ts';
import { tcpStreams } from './net/tcp.ts';
import { realFiles } from './os/files.ts';
import type { ProcessUsage } from './statistics.ts';

const OPEN_FILES = 16_384;
const DEFAULT_HDD_CONFIGS = ['/etc/mfs/mfshdd.cfg', '/etc/mfshdd.cfg'] as const;
const PAGE_BYTES = 4096;
/** Threads for everything that is not the work of one disk: names, volumes, state files. */
const SPARE_THREADS = 4;
const MOST_THREADS = 256;

/** Reads `mfshdd.cfg`; without a configured path from the default places. */
function readHddConfig(dataPath: string, configured: string | undefined): { path: string; text: string } {
  const paths = configured === undefined ? DEFAULT_HDD_CONFIGS : [configured];
  for (const path of paths) {
    try {
      return { path, text: readFileSync(isAbsolute(path) ? path : join(dataPath, path), 'utf8') };
    } catch (error) {
      if (!(error instanceof Error && 'code' in error)) throw error;
      if (error.code !== 'ENOENT')
        throw Object.assign(new Error(`can't open hdd space configuration file (${path}): ${error.message}`), {
          code: error.code,
        });
    }
  }
  throw Object.assign(new Error(`hdd space configuration file (${paths[0]}) not found`), { code: 'ENOENT' });
}

/** Memory of the process in bytes, from the kernel's page counts. */
function virtualBytes(): number {
  try {
    return Number(readFileSync('/proc/self/statm', 'latin1').split(' ')[0]) * PAGE_BYTES;
  } catch {
    return Number.NaN;
  }
}

function processUsage(): ProcessUsage {
  const cpu = process.cpuUsage();
  return {
    userCpu: cpu.user,
    systemCpu: cpu.system,
    residentBytes: process.memoryUsage.rss(),
    virtualBytes: virtualBytes(),
    zoneSeconds: -new Date().getTimezoneOffset() * 60,
  };
}

/** A disk that hangs occupies only its own threads; the pool is made at the first asynchronous call, so this comes before. */
function sizeThreadPool(hddConfig: string): void {
  const disks = parseHddConfig(hddConfig, () => {}).length;
  const threads = Math.min(MOST_THREADS, SPARE_THREADS + disks * (DISK_PARALLELISM + 1));
  process.env.UV_THREADPOOL_SIZE ??= String(threads);
}

async function start(context: DaemonContext): Promise<RunningDaemon> {
  const { config, log, dataPath } = context;
  try {
    sizeThreadPool(readHddConfig(dataPath, config.raw('HDD_CONF_FILENAME')).text);
  } catch {
    // The same problem is met again, and told, when the disks are opened.
  }
  return startChunkserver({
    config,
    rereadConfig: context.rereadConfig,
    readHddConfig: (path) => readHddConfig(dataPath, path),
    dataPath,
    clock: realClock,
    random: realRandom,
    net: realNet,
    streams: tcpStreams,
    files: realFiles,
    log: {
      info: (message) => log.info(message),
      warn: (message) => log.warn(message),
      error: (message) => log.error(message),
    },
    defer: setImmediate,
    say: context.say,
    usage: processUsage,
    maxOpenFiles: Math.floor((OPEN_FILES * 2) / 3),
    foreignInstance: (reason) => {
      log.error(reason);
      process.kill(process.pid, 'SIGTERM');
    },
  });
}

/** `mfschunkserver`: answers the exit status. */
export function main(argv: readonly string[]): Promise<number> {
  return runDaemon({ name: 'mfschunkserver', openFilesLimit: OPEN_FILES, start }, argv);
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));

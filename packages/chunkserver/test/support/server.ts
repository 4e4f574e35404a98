import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, type Net, parseConfig, realClock, realNet, realRandom } from '@alces/runtime';
import { type Chunkserver, startChunkserver } from '../../src/chunkserver.ts';
import { tcpStreams } from '../../src/net/tcp.ts';
import type { ChunkFiles } from '../../src/os/files.ts';
import { realFiles } from '../../src/os/files.ts';

/** A folder that is removed at the end of the test. */
export async function temporaryFolder(): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'alces-cs-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/**
 * The network of this machine, except that every master is on the loopback address, which chunkservers refuse by name. Notes
 * the hosts that were asked for.
 */
function masterOnLoopback(hosts: string[]): Net {
  return {
    listen: realNet.listen,
    connect(options, attach) {
      hosts.push(options.host);
      return realNet.connect({ ...options, host: '127.0.0.1', bindHost: '*' }, attach);
    },
  };
}

export interface TestServerOptions {
  dataPath: string;
  /** Lines of `mfshdd.cfg`. */
  hdd: string[];
  /** Lines of `mfschunkserver.cfg` besides those of the port and the master. */
  config?: string[];
  masterPort?: number;
  clock?: Clock;
  files?: ChunkFiles;
}

export interface TestServer {
  server: Chunkserver;
  /** What was said and logged. */
  lines: string[];
  /** The hosts it tried as masters. */
  hosts: string[];
  /** Why the server wanted to end, if it did. */
  foreign: string[];
  /** Changes the configuration and reloads. */
  reload(changes: { hdd?: string[]; config?: string[] }): Promise<void>;
}

/** A chunkserver in this process, on a free port of 127.0.0.1. */
export async function startTestServer(options: TestServerOptions): Promise<TestServer> {
  const lines: string[] = [];
  const foreign: string[] = [];
  const hosts: string[] = [];
  let { hdd, config = [] } = options;
  const parse = () =>
    parseConfig(
      [
        'MASTER_HOST = 10.255.255.1',
        `MASTER_PORT = ${options.masterPort ?? 1}`,
        'CSSERV_LISTEN_HOST = 127.0.0.1',
        'MASTER_RECONNECTION_DELAY = 1',
        ...config,
      ].join('\n'),
      'mfschunkserver.cfg',
    );
  const note = (message: string) => {
    lines.push(message);
  };
  const server = await startChunkserver({
    config: parse(),
    rereadConfig: parse,
    readHddConfig: () => ({ path: 'mfshdd.cfg', text: hdd.join('\n') }),
    dataPath: options.dataPath,
    clock: options.clock ?? realClock,
    random: realRandom,
    net: masterOnLoopback(hosts),
    streams: {
      ...tcpStreams,
      // Port 0, which the configuration does not allow: any free one.
      listen: (target, accept) => tcpStreams.listen({ ...target, port: 0 }, accept),
    },
    files: options.files ?? realFiles,
    log: { info: note, warn: note, error: note },
    defer: setImmediate,
    say: note,
    usage: () => ({ userCpu: 0, systemCpu: 0, residentBytes: 1, virtualBytes: 2, zoneSeconds: 0 }),
    maxOpenFiles: 1000,
    foreignInstance: (reason) => foreign.push(reason),
  });
  return {
    server,
    lines,
    hosts,
    foreign,
    async reload(changes) {
      hdd = changes.hdd ?? hdd;
      config = changes.config ?? config;
      await server.reload();
    },
  };
}

/** Names of the operation counters, in the order of `.stats` (spec 60 §6.1). `fuse_ops` itself counts all of them. */
const OPERATIONS = [
  'statfs',
  'access',
  'lookup',
  'lookup.internal',
  'lookup.master',
  'lookup.master.error',
  'lookup.master.negative',
  'lookup.master.positive',
  'lookup.cached',
  'lookup.cached.negative',
  'lookup.cached.readdir',
  'getattr-cached',
  'getattr',
  'setattr',
  'mknod',
  'unlink',
  'mkdir',
  'rmdir',
  'symlink',
  'readlink',
  'readlink.cached',
  'readlink.master',
  'rename',
  'link',
  'opendir',
  'readdirplus',
  'readdir',
  'readdir.with_attrs+',
  'readdir.without_attrs',
  'readdir.with_attrs',
  'releasedir',
  'create',
  'open',
  'release',
  'read',
  'write',
  'flush',
  'fsync',
  'setlk',
  'getlk',
  'flock',
  'removexattr',
  'listxattr',
  'getxattr',
  'setxattr',
] as const;

export type Counter = (typeof OPERATIONS)[number];

/** Counters that are no operations of their own but say how one went. */
const DETAILS = new Set<string>([...OPERATIONS.filter((name) => name.includes('.')), 'getattr-cached']);

/** What the connection to the master has seen. */
export interface LinkStatistics {
  reconnects: number;
  bytesSent: number;
  bytesReceived: number;
  packetsSent: number;
  packetsReceived: number;
  pingMicroseconds: number;
}

export interface StatisticsSources {
  link: LinkStatistics;
  cachedSymlinks(): number;
  /** Local clock minus master's clock. */
  clockDifferenceMicroseconds(): number;
}

/** The counters behind `.stats`. */
export class Statistics {
  readonly #counts = new Map<string, number>();
  readonly #sources: StatisticsSources;
  readonly #symlinks = { misses: 0, hits: 0, inserts: 0 };
  #operations = 0;

  constructor(sources: StatisticsSources) {
    this.#sources = sources;
  }

  count(name: Counter): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
    if (!DETAILS.has(name)) this.#operations += 1;
  }

  countSymlink(event: 'misses' | 'hits' | 'inserts'): void {
    this.#symlinks[event] += 1;
  }

  reset(): void {
    this.#counts.clear();
    this.#operations = 0;
    Object.assign(this.#symlinks, { misses: 0, hits: 0, inserts: 0 });
    Object.assign(this.#sources.link, {
      reconnects: 0,
      bytesSent: 0,
      bytesReceived: 0,
      packetsSent: 0,
      packetsReceived: 0,
    });
  }

  text(): string {
    const { link } = this.#sources;
    const lines: [string, string | number][] = [['fuse_ops', this.#operations]];
    for (const name of OPERATIONS) lines.push([`fuse_ops.${name}`, this.#counts.get(name) ?? 0]);
    lines.push(
      ['symlink_cache.#links', `[${this.#sources.cachedSymlinks()}]`],
      ['symlink_cache.search_misses', this.#symlinks.misses],
      ['symlink_cache.search_hits', this.#symlinks.hits],
      ['symlink_cache.inserts', this.#symlinks.inserts],
      ['master.usec_timediff', `[${Math.abs(Math.round(this.#sources.clockDifferenceMicroseconds()))}]`],
      ['master.usec_ping', `[${Math.round(link.pingMicroseconds)}]`],
      ['master.reconnects', link.reconnects],
      ['master.bytes_sent', link.bytesSent],
      ['master.bytes_received', link.bytesReceived],
      ['master.packets_sent', link.packetsSent],
      ['master.packets_received', link.packetsReceived],
    );
    return lines.map(([name, value]) => `${name}: ${value}\n`).join('');
  }
}

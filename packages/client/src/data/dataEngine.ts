import { TruncateFlag } from '@alces/proto';
import { type Cancel, type Environment, realEnvironment, realNet } from '@alces/runtime';
import type { DataEngine, FileIo, MasterSession, TruncateResult } from '../contracts.ts';
import type { Caller, DataOptions, OpenFileInfo } from '../types.ts';
import { Budget } from './budget.ts';
import type { DataContext } from './context.ts';
import { FileData } from './fileData.ts';
import { OpenFileIo } from './fileIo.ts';
import { netLinks, socketLinks } from './link.ts';
import { LinkCache } from './linkCache.ts';
import { ServerTable } from './servers.ts';
import { Ticker } from './ticker.ts';
import { truncateWithRetries } from './truncateFile.ts';

const CACHE_BYTES = 256 << 20;
const READ_AHEAD_BYTES = 1 << 20;
const IO_RETRIES = 30;
/** READs under way and chunks being written at the same time (spec 20 §6.1). */
const PARALLEL_OPERATIONS = 250;
const SWEEP_MS = 10_000;

class Engine implements DataEngine {
  readonly #context: DataContext;
  readonly #files = new Map<number, FileData>();
  readonly #stopListening: () => void;
  readonly #stopSweeping: Cancel;

  constructor(context: DataContext) {
    this.#context = context;
    this.#stopSweeping = context.clock.interval(SWEEP_MS, () => this.#sweep());
    this.#stopListening = context.session.listen({
      chunkChanged: (change) => this.#files.get(change.inode)?.chunkChanged(change),
      lengthChanged: (inode, length) => this.#files.get(inode)?.lengthChanged(length),
      locationsInvalid: () => this.#eachFile((file) => file.locations.forgetFrom(0)),
      disconnected: () => this.#eachFile((file) => file.connectionLost()),
    });
  }

  open(info: OpenFileInfo): FileIo {
    let file = this.#files.get(info.inode);
    if (file === undefined) {
      file = new FileData(this.#context, info.inode, info.length);
      this.#files.set(info.inode, file);
    }
    file.opened(info);
    const opened = file;
    return new OpenFileIo(this.#context, opened, () => this.#handleClosed(opened));
  }

  noteLength(inode: number, masterLength: number): number {
    const file = this.#files.get(inode);
    if (file === undefined) return masterLength;
    file.noteMasterLength(masterLength);
    return file.length;
  }

  async flushInode(inode: number): Promise<void> {
    await this.#files.get(inode)?.flush();
  }

  truncate(inode: number, length: number, caller: Caller, opened: boolean): Promise<TruncateResult> {
    const flags = opened ? TruncateFlag.OPENED : 0;
    const run = () => truncateWithRetries(this.#context, inode, length, flags, caller);
    const file = this.#files.get(inode);
    if (file === undefined) return run();
    return file.exclusively(async () => {
      const result = await run();
      file.cut(length, Math.min(length, result.previousLength));
      return result;
    });
  }

  async close(): Promise<void> {
    await Promise.all([...this.#files.values()].map((file) => file.flush()));
    this.#stopListening();
    this.#stopSweeping();
    this.#context.links.close();
  }

  #eachFile(action: (file: FileData) => void): void {
    for (const file of this.#files.values()) action(file);
  }

  /** Closing flushes what the handle wrote, so a file without handles has nothing to write. */
  #handleClosed(file: FileData): void {
    if (file.handles === 0 && !file.hasDirtyData) this.#files.delete(file.inode);
  }

  #sweep(): void {
    const now = this.#context.clock.monotonicMs();
    this.#eachFile((file) => {
      for (const reader of file.readers) reader.dropOld(now);
    });
  }
}

/** The data engine of a session. Chunkservers are reached through `environment.net`; the real one means sockets with bulk receive. */
export function createDataEngine(
  session: MasterSession,
  options: DataOptions = {},
  environment: Pick<Environment, 'clock' | 'net'> = realEnvironment(),
): DataEngine {
  const { clock, net } = environment;
  const openLink = net === realNet ? socketLinks(clock, options.bindHost) : netLinks(net, clock, options.bindHost);
  return new Engine({
    session,
    clock,
    links: new LinkCache(openLink, clock),
    servers: new ServerTable(clock, options.preferredLabels ?? []),
    ticker: new Ticker(clock),
    writeBudget: new Budget(options.writeCacheBytes ?? CACHE_BYTES),
    readBudget: new Budget(options.readCacheBytes ?? CACHE_BYTES),
    readers: new Budget(PARALLEL_OPERATIONS),
    writers: new Budget(PARALLEL_OPERATIONS),
    ioRetries: options.ioRetries ?? IO_RETRIES,
    timeoutMs: options.timeoutMs ?? 0,
    readAheadBytes: options.readAheadBytes ?? READ_AHEAD_BYTES,
    policy: {
      errorOnLostChunk: options.errorOnLostChunk ?? false,
      errorOnNoSpace: options.errorOnNoSpace ?? false,
    },
  });
}

import { apply, ChangelogError, type NumberedChange, parseChangelogLine, type State } from '@alces/metadata';
import { Status, statusText } from '@alces/proto';
import type { Disk } from '@alces/runtime';
import { LineSource } from './lineSource.ts';
import type { Run } from './scan.ts';

/** A history that cannot be applied: what is wrong, and where. */
export class ReplayError extends Error {
  override readonly name = 'ReplayError';
}

export interface ReplayOptions {
  disk: Disk;
  /** Changes are applied to it; after an error it holds those before the wrong one. */
  state: State;
  runs: readonly Run[];
  /** Stop behind this version. */
  until?: number;
  /** `replay` survives the known defects of stock change logs, `strict` stops at them (spec 51 §7). */
  mode?: 'replay' | 'strict';
  /** Called now and then with the last applied version. */
  progress?: (version: number, first: number, last: number) => void;
  /** Called for each line before it is applied; makes it slow. */
  line?: (path: string, version: number, text: string) => void;
}

export interface ReplayResult {
  applied: number;
  /** Lines taken from each file. */
  used: Map<string, number>;
}

const PROGRESS_VERSIONS = 2497;

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Runs that hold changes from `version` on, by their first version. */
function relevantRuns(runs: readonly Run[], version: number): Run[] {
  return runs.filter((run) => run.last >= version).sort((a, b) => a.first - b.first);
}

/**
 * Checks that the runs hold every change from `version` to the last one without a hole. Returns the last version.
 * @throws ReplayError
 */
export function checkCoverage(runs: readonly Run[], version: number): number {
  let last = version - 1;
  let lastName = 'the metadata image';
  for (const run of relevantRuns(runs, version)) {
    if (run.first > last + 1) {
      throw new ReplayError(
        `hole in change files (entries from ${lastName}:${last + 1} to ${nameOf(run.path)}:${run.first - 1} are missing) - add more files`,
      );
    }
    if (run.last > last) {
      last = run.last;
      lastName = nameOf(run.path);
    }
  }
  return last;
}

/** The last version that can be reached from `version` without a hole. */
export function reachableVersion(runs: readonly Run[], version: number): number {
  let last = version - 1;
  for (const run of relevantRuns(runs, version)) {
    if (run.first > last + 1) break;
    last = Math.max(last, run.last);
  }
  return last;
}

class Replay {
  readonly #options: ReplayOptions;
  readonly #waiting: Run[];
  #active: LineSource[] = [];
  readonly #first: number;
  readonly #last: number;
  readonly result: ReplayResult = { applied: 0, used: new Map() };

  constructor(options: ReplayOptions) {
    this.#options = options;
    this.#first = options.state.metaversion;
    this.#waiting = relevantRuns(options.runs, this.#first);
    this.#last = Math.min(options.until ?? Number.POSITIVE_INFINITY, reachableVersion(options.runs, this.#first));
  }

  async run(): Promise<void> {
    let version = this.#first;
    try {
      while (version <= this.#last) {
        await this.#activate(version);
        const until = Math.min(
          this.#last,
          ...this.#active.map((source) => source.run.last),
          ...this.#waiting.slice(0, 1).map((run) => run.first - 1),
        );
        await this.#applyRange(version, until);
        version = until + 1;
      }
    } finally {
      for (const source of this.#active) await this.#close(source);
    }
  }

  #close(source: LineSource): Promise<void> {
    const { used } = this.result;
    if (source.used > 0) used.set(source.name, (used.get(source.name) ?? 0) + source.used);
    return source.close();
  }

  /** Opens the runs that hold `version`, closes those that are behind. */
  async #activate(version: number): Promise<void> {
    const finished = this.#active.filter((source) => source.run.last < version);
    this.#active = this.#active.filter((source) => source.run.last >= version);
    for (const source of finished) await this.#close(source);
    while (this.#waiting.length > 0 && this.#waiting[0].first <= version) {
      const run = this.#waiting.shift()!;
      if (run.last >= version) this.#active.push(await LineSource.open(this.#options.disk, run, version));
    }
  }

  async #applyRange(from: number, until: number): Promise<void> {
    for (let version = this.#applyWhole(from, until); version <= until; version = this.#applyWhole(version, until)) {
      for (const source of this.#active) {
        while (!source.locate()) await source.fill();
      }
    }
  }

  /** Applies lines as long as all sources have theirs in memory. Returns the next version. */
  #applyWhole(from: number, until: number): number {
    const active = this.#active;
    const only = active.length === 1 ? active[0] : undefined;
    for (let version = from; version <= until; version++) {
      if (only === undefined ? !active.every((source) => source.locate()) : !only.locate()) return version;
      this.#applyLine(version, only ?? this.#choose(version, active));
      if (only !== undefined) only.advance();
      else for (const source of active) source.advance();
      if (version % PROGRESS_VERSIONS === 0) this.#options.progress?.(version, this.#first, this.#last);
    }
    return until + 1;
  }

  #applyLine(version: number, source: LineSource): void {
    const change = this.#parse(source, version);
    const { state, mode, line } = this.#options;
    line?.(source.name, version, source.text());
    const status = apply(state, change.timestamp, change.operation, mode ?? 'replay');
    if (status !== Status.OK) {
      const text = source.text();
      throw new ReplayError(`${source.name}:${version}: operation (${text}) error: ${status} (${statusText(status)})`);
    }
    if (state.metaversion !== version + 1) throw new ReplayError(`${source.name}:${version}: version mismatch`);
    this.result.applied++;
    source.used++;
  }

  #parse(source: LineSource, version: number): NumberedChange {
    try {
      return parseChangelogLine(source.bytes, source.start, source.end);
    } catch (error) {
      if (!(error instanceof ChangelogError)) throw error;
      throw new ReplayError(`${source.name}:${version}: ${error.message}`);
    }
  }

  /** Of several files that have this version: the one whose line can be read, if not two say different things. */
  #choose(version: number, active: LineSource[]): LineSource {
    const distinct: LineSource[] = [];
    for (const source of active) {
      if (!distinct.some((other) => other.sameAs(source))) distinct.push(source);
    }
    if (distinct.length === 1) return distinct[0];
    const readable = distinct.filter((source) => this.#isReadable(source, version));
    if (readable.length <= 1) return readable[0] ?? distinct[0];
    const [a, b] = readable;
    throw new ReplayError(
      `contradiction: change ${version} is (${a.text()}) in ${a.name} and (${b.text()}) in ${b.name}` +
        ' - leave out the files that do not belong to this file system or come from a discarded history',
    );
  }

  #isReadable(source: LineSource, version: number): boolean {
    try {
      this.#parse(source, version);
      return true;
    } catch (error) {
      if (error instanceof ReplayError) return false;
      throw error;
    }
  }
}

/**
 * Applies the changes from `state.metaversion` on, as far as the runs hold them without a hole (see checkCoverage). Runs may
 * overlap; where they do they must say the same.
 * @throws ReplayError when a change cannot be read or applied, or is contradictory
 */
export async function replay(options: ReplayOptions): Promise<ReplayResult> {
  const running = new Replay(options);
  await running.run();
  return running.result;
}

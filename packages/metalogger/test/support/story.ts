import { apply, formatChange, imageBytes, loadImageFrom, type Operation, type State } from '@alces/metadata';

const BEGIN = 1_795_211_200;

export interface StoryLine {
  version: number;
  text: string;
}

/** The history of a small file system: a state, an image of it at any time, and the lines that made it. */
export class Story {
  readonly state: State;
  readonly lines: StoryLine[] = [];
  readonly seed: string;
  #count = 0;
  #now = BEGIN;

  /** `metaid`: identity of the file system. `seed`: stories of different seeds differ in every line. */
  constructor(metaid: bigint, seed = 'a') {
    this.seed = seed;
    this.state = loadImageFrom(Buffer.from('MFSM NEW'), { now: BEGIN }).state;
    this.perform({ op: 'SETMETAID', id: metaid });
  }

  perform(operation: Operation): StoryLine {
    const { metaversion: version } = this.state;
    this.#now++;
    const status = apply(this.state, this.#now, operation, 'live');
    if (status !== 0) throw new Error(`${operation.op}: status ${status}`);
    const line = { version, text: formatChange({ timestamp: this.#now, operation }).toString('latin1') };
    this.lines.push(line);
    return line;
  }

  /** Makes so many directories, and answers the lines. */
  go(count: number): StoryLine[] {
    return Array.from({ length: count }, () => {
      const name = Buffer.from(`${this.seed}-${this.#count++}`);
      const owner = { uid: 0, gid: 0, mode: 0o755, cumask: 0o22, rdev: 0 };
      return this.perform({ op: 'CREATE', parent: 1, name, type: 2, inode: 0, ...owner });
    });
  }

  image(): Buffer {
    return imageBytes(this.state, { now: this.#now }).image;
  }

  /** A change log with the lines from one version on (to another). */
  changelog(from: number, to = Number.POSITIVE_INFINITY): Buffer {
    const lines = this.lines.filter(({ version }) => version >= from && version <= to);
    return Buffer.from(lines.map(({ version, text }) => `${version}: ${text}\n`).join(''), 'latin1');
  }

  /** Number of the last line. */
  get last(): number {
    return this.state.metaversion - 1;
  }
}

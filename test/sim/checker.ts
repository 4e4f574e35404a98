/** What must hold in every run. */
import type { Operation } from './model.ts';

export interface Observer {
  /** A node holds an entry for committed: a follower applied it, or a leader acknowledged it. */
  committed(node: string, version: number, hash: number, data: Buffer): void;
  /** A node took over a state whole. */
  installed(node: string, version: number, hash: number): void;
  leads(node: string, epoch: number): void;
  note(text: string): void;
}

/** One operation of a client; `completedMs` is undefined while it has no answer. */
export interface Record {
  client: string;
  id: string;
  key: string;
  kind: 'change' | 'read';
  invokedMs: number;
  completedMs: number | undefined;
  version: number;
  value: string[];
}

export class Checker implements Observer {
  readonly violations: string[] = [];
  readonly records: Record[] = [];
  readonly log: string[] = [];
  readonly #now: () => number;
  /** By version: what the first node that held it for committed had. */
  readonly #committed = new Map<number, { hash: number; text: string; node: string }>();
  readonly #leaders = new Map<number, string>();
  /** Nodes may go different ways (a pair after a split brain): only what clients saw is compared with the end. */
  readonly #mayDiverge: boolean;

  constructor(now: () => number, mayDiverge: boolean) {
    this.#now = now;
    this.#mayDiverge = mayDiverge;
  }

  get epochs(): number {
    return this.#leaders.size;
  }

  violation(text: string): void {
    this.violations.push(`${this.#now().toFixed(1)} ms: ${text}`);
  }

  note(text: string): void {
    this.log.push(`${this.#now().toFixed(3)} ${text}`);
  }

  committed(node: string, version: number, hash: number, data: Buffer): void {
    if (this.#mayDiverge) return;
    const known = this.#committed.get(version);
    if (known === undefined) this.#committed.set(version, { hash, text: data.toString(), node });
    else if (known.hash !== hash)
      this.violation(
        `change ${version} is ${data} on ${node} and was ${known.text} on ${known.node}, or their states differ`,
      );
  }

  installed(node: string, version: number, hash: number): void {
    if (this.#mayDiverge) return;
    const known = this.#committed.get(version);
    if (known !== undefined && known.hash !== hash)
      this.violation(`the image of ${version} on ${node} is another state`);
  }

  leads(node: string, epoch: number): void {
    this.note(`${node} leads epoch ${epoch}`);
    if (this.#mayDiverge) return;
    const other = this.#leaders.get(epoch);
    if (other !== undefined && other !== node) this.violation(`${other} and ${node} both lead epoch ${epoch}`);
    this.#leaders.set(epoch, node);
  }

  /** Compares everything that clients saw with the one history that came of it. */
  checkHistory(history: readonly string[]): void {
    for (const [version, { text, node }] of this.#committed) {
      if (history[version - 1] !== text)
        this.violation(`change ${version} was ${text} on ${node} and is ${history[version - 1]}`);
    }
    const operations = history.map((text) => JSON.parse(text) as Operation);
    this.#checkChanges(operations);
    this.#checkReads(operations);
    this.#checkOrder();
  }

  #checkChanges(operations: readonly Operation[]): void {
    const places = new Map<string, number>();
    for (const [index, { id }] of operations.entries()) {
      if (places.has(id)) this.violation(`${id} happened twice: at ${places.get(id)} and ${index + 1}`);
      places.set(id, index + 1);
    }
    for (const record of this.records) {
      if (record.kind !== 'change' || record.completedMs === undefined) continue;
      const place = places.get(record.id);
      if (place === undefined) this.violation(`${record.id} was acknowledged as ${record.version} and is lost`);
      else if (place !== record.version)
        this.violation(`${record.id} was acknowledged as ${record.version} and is ${place}`);
    }
  }

  /** A read must give the state of the version that it names. */
  #checkReads(operations: readonly Operation[]): void {
    const places = new Map<string, { version: number; id: string }[]>();
    for (const [index, { key, id }] of operations.entries()) {
      const list = places.get(key) ?? [];
      list.push({ version: index + 1, id });
      places.set(key, list);
    }
    for (const record of this.records) {
      if (record.kind !== 'read' || record.completedMs === undefined) continue;
      const expected = (places.get(record.key) ?? [])
        .filter(({ version }) => version <= record.version)
        .map(({ id }) => id);
      if (expected.join() !== record.value.join()) this.violation(`read ${record.id} gave a state that never was`);
    }
  }

  /**
   * Linearizability: changes are ordered by their versions, a read lies behind the change that it names. It remains to see that this order
   * agrees with real time: what was complete before something began lies before it.
   */
  #checkOrder(): void {
    const completed = this.records.filter((record) => record.completedMs !== undefined);
    const byEnd = [...completed].sort((a, b) => (a.completedMs ?? 0) - (b.completedMs ?? 0));
    const byStart = [...completed].sort((a, b) => a.invokedMs - b.invokedMs);
    let ended = 0;
    let newest: Record | undefined;
    for (const record of byStart) {
      for (; ended < byEnd.length && (byEnd[ended].completedMs ?? 0) < record.invokedMs; ended++) {
        if (newest === undefined || byEnd[ended].version > newest.version) newest = byEnd[ended];
      }
      if (newest === undefined) continue;
      const stale = record.kind === 'read' ? record.version < newest.version : record.version <= newest.version;
      if (stale)
        this.violation(
          `${record.kind} ${record.id} at version ${record.version} began at ${record.invokedMs.toFixed(1)} after ${newest.id} of version ${newest.version} was complete`,
        );
    }
  }
}

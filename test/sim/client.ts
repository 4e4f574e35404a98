import type { Connection } from '@alces/runtime';
import type { Host, SeededRandom } from '@alces/sim';
import type { ClientAnswer, ClientRequest } from './application.ts';
import type { Checker, Record } from './checker.ts';

export const CLIENT_PORT = 9421;
const ANSWER_MS = 400;
const KEYS = ['a', 'b', 'c'];

/** A client with one operation at a time; it repeats what got no answer, at one node after the other, under the same number. */
export class SimClient {
  readonly #host: Host;
  readonly #random: SeededRandom;
  readonly #servers: readonly string[];
  readonly #checker: Checker;
  readonly #session: number;
  #request = 0;
  #target: number;
  #connection: Connection | undefined;
  #received = '';
  #current: { record: Record; message: ClientRequest } | undefined;
  #attempt = 0;
  #stopped = false;

  constructor(host: Host, session: number, servers: readonly string[], checker: Checker, random: SeededRandom) {
    this.#host = host;
    this.#session = session;
    this.#servers = servers;
    this.#checker = checker;
    this.#random = random;
    this.#target = random.below(servers.length);
  }

  start(): void {
    this.#later(this.#random.between(0, 50), () => this.#next());
  }

  /** Begins nothing new. */
  stop(): void {
    this.#stopped = true;
  }

  get isIdle(): boolean {
    return this.#current === undefined;
  }

  #later(delayMs: number, run: () => void): void {
    this.#host.environment().clock.timeout(delayMs, run);
  }

  #next(): void {
    if (this.#stopped) return;
    const request = ++this.#request;
    const key = this.#random.pick(KEYS);
    const id = `${this.#host.name}.${request}`;
    const kind = this.#random.chance(0.6) ? 'change' : 'read';
    const invokedMs = this.#host.environment().clock.monotonicMs();
    const record: Record = {
      client: this.#host.name,
      id,
      key,
      kind,
      invokedMs,
      completedMs: undefined,
      version: 0,
      value: [],
    };
    this.#checker.records.push(record);
    const message: ClientRequest = { session: this.#session, request };
    if (kind === 'change') message.change = { key, id };
    else message.read = key;
    this.#current = { record, message };
    this.#try();
  }

  #try(): void {
    const current = this.#current;
    if (current === undefined) return;
    const attempt = ++this.#attempt;
    this.#later(ANSWER_MS, () => {
      if (attempt === this.#attempt && this.#current === current) this.#elsewhere();
    });
    if (this.#connection !== undefined) {
      this.#connection.write(Buffer.from(`${JSON.stringify(current.message)}\n`));
      return;
    }
    this.#connect(attempt);
  }

  #connect(attempt: number): void {
    const host = this.#servers[this.#target];
    this.#host
      .environment()
      .net.connect({ host, port: CLIENT_PORT, timeoutMs: 200 }, (connection) => {
        if (attempt === this.#attempt) {
          this.#connection = connection;
          this.#received = '';
          connection.write(Buffer.from(`${JSON.stringify(this.#current?.message)}\n`));
        } else {
          connection.destroy();
        }
        return {
          data: (bytes) => this.#data(connection, bytes),
          close: () => this.#lost(connection),
        };
      })
      .catch(() => {
        if (attempt === this.#attempt) this.#elsewhere();
      });
  }

  #lost(connection: Connection): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    if (this.#current !== undefined) this.#elsewhere();
  }

  /** Tries the next node after a moment. */
  #elsewhere(): void {
    this.#connection?.destroy();
    this.#connection = undefined;
    this.#attempt++;
    this.#target = (this.#target + 1) % this.#servers.length;
    this.#later(this.#random.between(2, 25), () => this.#try());
  }

  #data(connection: Connection, bytes: Buffer): void {
    if (connection !== this.#connection) return;
    this.#received += bytes.toString();
    for (let end = this.#received.indexOf('\n'); end >= 0; end = this.#received.indexOf('\n')) {
      const answer = JSON.parse(this.#received.slice(0, end)) as ClientAnswer;
      this.#received = this.#received.slice(end + 1);
      this.#answered(answer);
    }
  }

  #answered(answer: ClientAnswer): void {
    const current = this.#current;
    if (current === undefined || answer.request !== current.message.request) return;
    if (answer.no !== undefined) {
      this.#elsewhere();
      return;
    }
    current.record.completedMs = this.#host.environment().clock.monotonicMs();
    current.record.version = answer.version ?? 0;
    current.record.value = answer.value ?? [];
    this.#current = undefined;
    this.#attempt++;
    this.#later(this.#random.between(1, 30), () => this.#next());
  }
}

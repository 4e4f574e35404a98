import type { Cancel, Clock, Net } from '@alces/runtime';
import { MasterSession } from './session.ts';
import type { SessionContext, StandbyNode } from './sessionContext.ts';

/** Connections to the nodes that follow the master: they are told everything, so that any of them can lead at once. */

/** A SYN to a host that is just coming back may be lost; the next one is sooner than its repetition. */
const CONNECT_MS = 300;
const FIRST_RETRY_MS = 50;
/** A node that has just come back may lead a moment later. */
const LAST_RETRY_MS = 250;

interface StandbyLink {
  readonly node: StandbyNode;
  session: MasterSession | undefined;
  retryMs: number;
  cancelRetry: Cancel;
}

const keyOf = ({ host, port }: StandbyNode) => `${host}:${port}`;

export class StandbyLinks {
  readonly #context: SessionContext;
  readonly #clock: Clock;
  readonly #net: Net;
  readonly #links = new Map<string, StandbyLink>();
  readonly #releasedEnded: (session: MasterSession, host: string) => void;

  /** `releasedEnded`: the connection of a session that was released has ended. */
  constructor(context: SessionContext, net: Net, releasedEnded: (session: MasterSession, host: string) => void) {
    this.#context = context;
    this.#clock = context.clock;
    this.#net = net;
    this.#releasedEnded = releasedEnded;
  }

  get sessions(): MasterSession[] {
    return [...this.#links.values()].flatMap(({ session }) => session ?? []);
  }

  /** These are the nodes from now on; connections to others end. */
  follow(nodes: readonly StandbyNode[]): void {
    const wanted = new Map(nodes.map((node) => [keyOf(node), node]));
    for (const [key, link] of this.#links) if (!wanted.has(key)) this.#drop(link);
    for (const [key, node] of wanted) {
      if (this.#links.has(key)) continue;
      const link: StandbyLink = { node, session: undefined, retryMs: FIRST_RETRY_MS, cancelRetry: () => {} };
      this.#links.set(key, link);
      void this.#connect(link);
    }
  }

  /** The session belongs to the master's connection from now on. */
  release(session: MasterSession): void {
    for (const [key, link] of this.#links) if (link.session === session) this.#links.delete(key);
  }

  /** Registers anew with the same nodes. */
  restart(): void {
    const nodes = [...this.#links.values()].map(({ node }) => node);
    this.stop();
    this.follow(nodes);
  }

  stop(): void {
    for (const link of [...this.#links.values()]) this.#drop(link);
  }

  #drop(link: StandbyLink): void {
    this.#links.delete(keyOf(link.node));
    link.cancelRetry();
    link.session?.disconnect();
  }

  async #connect(link: StandbyLink): Promise<void> {
    const { host, port } = link.node;
    const { bindHost } = this.#context.settings();
    try {
      await this.#net.connect({ host, port, timeoutMs: CONNECT_MS, bindHost }, (connection) => {
        const session = new MasterSession(this.#context, connection, {
          role: 'standby',
          generation: 6,
          timeoutSeconds: 0,
          ended: (ended) => this.#ended(link, ended),
        });
        link.session = session;
        if (!this.#isWanted(link)) session.abort();
        return session;
      });
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      this.#retry(link);
    }
  }

  #ended(link: StandbyLink, session: MasterSession): void {
    if (!this.#isWanted(link)) {
      this.#releasedEnded(session, link.node.host);
      return;
    }
    link.session = undefined;
    if (session.heard) link.retryMs = FIRST_RETRY_MS;
    this.#retry(link);
  }

  #retry(link: StandbyLink): void {
    if (!this.#isWanted(link)) return;
    link.cancelRetry = this.#clock.timeout(link.retryMs, () => void this.#connect(link));
    link.retryMs = Math.min(link.retryMs * 2, LAST_RETRY_MS);
  }

  #isWanted(link: StandbyLink): boolean {
    return this.#links.get(keyOf(link.node)) === link;
  }
}

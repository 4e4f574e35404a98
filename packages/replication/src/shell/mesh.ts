import { type Cancel, type Environment, type Listener, reasonOf } from '@alces/runtime';
import type { NodeConfig, ReplicationConfig } from '../config.ts';
import type { Message } from '../core/messages.ts';
import type { NodeId } from '../history.ts';
import { Link, type LinkOptions } from './link.ts';

const FIRST_RETRY_MS = 20;
const LONGEST_RETRY_MS = 1000;
const INTRODUCTION_MS = 2000;
/** Connections of strangers that have not proved themselves. More are closed at once. */
const MOST_STRANGERS = 32;

export interface MeshOptions {
  environment: Environment;
  config: ReplicationConfig;
  cluster: string;
  secret: Buffer;
  /** Local address to listen at; default: all. */
  listenHost?: string;
  connected(peer: NodeId): void;
  disconnected(peer: NodeId, reason: string): void;
  message(peer: NodeId, message: Message): void;
  report(level: 'info' | 'warn' | 'error', text: string): void;
}

interface Outgoing {
  node: NodeConfig;
  retryMs: number;
  cancelRetry: Cancel | undefined;
  link: Link | undefined;
  connecting: boolean;
  lastProblem: string;
}

/**
 * The connections to all other nodes, one for each pair: the node that is named first in the configuration connects. A connection that
 * is silent for too long is dead and made anew.
 */
export class Mesh {
  readonly #options: MeshOptions;
  readonly #links = new Map<NodeId, Link>();
  readonly #strangers = new Set<Link>();
  readonly #outgoing: Outgoing[] = [];
  #listener: Listener | undefined;
  #cancelWatch: Cancel | undefined;
  #closed = false;

  constructor(options: MeshOptions) {
    this.#options = options;
    const { nodes, self } = options.config;
    const place = nodes.findIndex((node) => node.id === self);
    for (const node of nodes.slice(place + 1)) {
      this.#outgoing.push({
        node,
        retryMs: FIRST_RETRY_MS,
        cancelRetry: undefined,
        link: undefined,
        connecting: false,
        lastProblem: '',
      });
    }
  }

  /** Begins to listen and to connect. Rejects when it cannot listen. */
  async start(): Promise<void> {
    const { environment, config } = this.#options;
    const own = config.nodes.find((node) => node.id === config.self);
    if (own === undefined) throw new Error(`${config.self} is not among the nodes`);
    if (config.nodes[0].id !== config.self) {
      const host = this.#options.listenHost ?? '*';
      this.#listener = await environment.net.listen({ host, port: own.port }, (connection) => {
        const link = new Link(connection, this.#linkOptions('acceptor', undefined));
        if (this.#strangers.size >= MOST_STRANGERS) link.destroy('too many strangers');
        else this.#strangers.add(link);
        return link.handlers;
      });
    }
    for (const outgoing of this.#outgoing) this.#connect(outgoing);
    this.#cancelWatch = environment.clock.interval(config.timings.peerTimeoutMs / 4, () => this.#watch());
  }

  #linkOptions(side: 'initiator' | 'acceptor', outgoing: Outgoing | undefined): LinkOptions {
    const { environment, config, cluster, secret } = this.#options;
    return {
      side,
      self: config.self,
      expected: outgoing?.node.id,
      isPeer: (id) => id !== config.self && config.nodes.some((node) => node.id === id),
      cluster,
      secret,
      random: environment.random,
      now: () => environment.clock.monotonicMs(),
      established: (link, peer) => this.#established(link, peer, outgoing),
      message: (link, message) => {
        if (link.peer !== undefined && this.#links.get(link.peer) === link) this.#options.message(link.peer, message);
      },
      closed: (link, reason) => this.#linkClosed(link, reason, outgoing),
    };
  }

  #connect(outgoing: Outgoing): void {
    if (this.#closed || outgoing.connecting || outgoing.link !== undefined) return;
    outgoing.connecting = true;
    const { host, port } = outgoing.node;
    const timeoutMs = this.#options.config.timings.peerTimeoutMs;
    this.#options.environment.net
      .connect({ host, port, timeoutMs }, (connection) => {
        const link = new Link(connection, this.#linkOptions('initiator', outgoing));
        outgoing.link = link;
        outgoing.connecting = false;
        this.#strangers.add(link);
        if (this.#closed) link.destroy('stopped');
        return link.handlers;
      })
      .catch((error: unknown) => {
        outgoing.connecting = false;
        this.#retry(outgoing, reasonOf(error));
      });
  }

  #retry(outgoing: Outgoing, problem: string): void {
    if (this.#closed) return;
    if (problem !== outgoing.lastProblem) {
      outgoing.lastProblem = problem;
      this.#options.report('info', `no connection to ${outgoing.node.id}: ${problem}`);
    }
    const { clock, random } = this.#options.environment;
    const delayMs = outgoing.retryMs / 2 + random.below(outgoing.retryMs / 2);
    outgoing.retryMs = Math.min(outgoing.retryMs * 2, LONGEST_RETRY_MS);
    outgoing.cancelRetry?.();
    outgoing.cancelRetry = clock.timeout(delayMs, () => this.#connect(outgoing));
  }

  #established(link: Link, peer: NodeId, outgoing: Outgoing | undefined): void {
    this.#strangers.delete(link);
    if (outgoing !== undefined) {
      outgoing.retryMs = FIRST_RETRY_MS;
      outgoing.lastProblem = '';
    }
    this.#links.get(peer)?.destroy('replaced by a new connection');
    this.#links.set(peer, link);
    this.#options.connected(peer);
  }

  #linkClosed(link: Link, reason: string, outgoing: Outgoing | undefined): void {
    this.#strangers.delete(link);
    if (outgoing?.link === link) outgoing.link = undefined;
    if (link.peer !== undefined && this.#links.get(link.peer) === link) {
      this.#links.delete(link.peer);
      this.#options.disconnected(link.peer, reason);
    } else if (outgoing === undefined && link.peer === undefined) {
      this.#options.report('info', `connection from ${link.remoteAddress} closed: ${reason}`);
    }
    if (outgoing !== undefined) this.#retry(outgoing, reason);
  }

  #watch(): void {
    const { environment, config } = this.#options;
    const now = environment.clock.monotonicMs();
    for (const link of [...this.#links.values()]) {
      if (now - link.heardMs > config.timings.peerTimeoutMs) link.destroy('nothing was heard of it');
    }
    for (const link of [...this.#strangers]) {
      if (now - link.heardMs > INTRODUCTION_MS) link.destroy('it did not introduce itself');
    }
  }

  send(peer: NodeId, message: Message): void {
    this.#links.get(peer)?.send(message);
  }

  /** Closes the connection to a peer; a new one is made. */
  drop(peer: NodeId, reason: string): void {
    this.#links.get(peer)?.destroy(reason);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelWatch?.();
    for (const outgoing of this.#outgoing) outgoing.cancelRetry?.();
    for (const link of [...this.#links.values(), ...this.#strangers]) link.destroy('stopped');
    await this.#listener?.close();
  }
}

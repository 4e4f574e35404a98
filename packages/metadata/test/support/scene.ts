import {
  type ApplyMode,
  apply,
  formatChange,
  type Operation,
  parseChange,
  type RequestContext,
  requestContext,
  type State,
  silentObserver,
} from '../../src/index.ts';
import { emptyState, RANDOM_RUN_START } from './run.ts';

const VERSION = 0x000300ea;

/** A small file system that a test builds entry by entry. */
export class Scene {
  readonly state: State = emptyState();
  now = RANDOM_RUN_START;
  /** Entries that were tolerated. */
  readonly deviations: string[] = [];
  /** Change log of what was done. */
  readonly lines: string[] = [];

  constructor() {
    this.state.observer = {
      ...silentObserver,
      deviation: (operation, what) => this.deviations.push(`${operation}: ${what}`),
    };
  }

  /** Applies an entry given as text (`OPERATION(arguments):results`); returns the status. */
  replay(text: string, mode: ApplyMode = 'replay'): number {
    return apply(this.state, this.now, parseChange(Buffer.from(`${this.now}|${text}`, 'latin1')).operation, mode);
  }

  /** Applies entries that must succeed, results filled in. */
  do(...texts: string[]): void {
    for (const text of texts) {
      this.commit(parseChange(Buffer.from(`${this.now}|${text}`, 'latin1')).operation);
    }
  }

  commit(operation: Operation): void {
    const version = this.state.metaversion;
    const status = apply(this.state, this.now, operation, 'live');
    if (status !== 0) {
      throw new Error(`${operation.op}: status ${status}`);
    }
    this.lines.push(`${version}: ${formatChange({ timestamp: this.now, operation }).toString('latin1')}\n`);
  }

  /** Opens a session and returns a maker of contexts for it. */
  session(
    changes: Partial<{ sesflags: number; rootinode: number; disables: number; rootuid: number }> = {},
  ): (uid?: number, gids?: number[]) => RequestContext {
    const { sesflags = 8, rootinode = 1, disables = 0, rootuid = 0 } = changes;
    const id = this.state.nextsessionid;
    this.do(
      `SESADD(#1,${rootinode},${sesflags},0000,${rootuid},0,999,999,1,9,0,4294967295,0x${disables.toString(16).toUpperCase().padStart(8, '0')},0,x):${id}`,
    );
    const session = this.state.sessions.get(id);
    if (session === undefined) {
      throw new Error('session was not made');
    }
    return (uid = 0, gids = [0]) => requestContext(session, this.now, VERSION, uid, gids);
  }

  get log(): Buffer {
    return Buffer.from(this.lines.join(''), 'latin1');
  }

  row(inode: number): number {
    return this.state.nodes.find(inode);
  }
}

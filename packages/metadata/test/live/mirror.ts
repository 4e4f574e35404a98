import { type Attr, Status } from '@alces/proto';
import {
  apply,
  attributesOf,
  formatChange,
  type Operation,
  presentationFor,
  type RequestContext,
  requestContext,
  type State,
  type WriteOperation,
} from '../../src/index.ts';

/** Version of the client that the tests pretend to be. */
const CLIENT_VERSION = 0x000300ea;

/** Does with requests what a master would do, on this package's state. */
export class Mirror {
  readonly state: State;
  /** Entries made by the present request, as text without version. */
  lines: string[] = [];
  now = 0;
  sessionId = 0;
  /** The WRITE entry that the real master made for this request, if it made one. */
  realWrite: WriteOperation | undefined;
  /** Status that the real master answered, for what depends on chunkservers. */
  realStatus = 0;

  constructor(state: State) {
    this.state = state;
  }

  context(uid = 0, gids: readonly number[] = [0]): RequestContext {
    const session = this.state.sessions.get(this.sessionId);
    if (session === undefined) {
      throw new Error(`session ${this.sessionId} is not known`);
    }
    return requestContext(session, this.now, CLIENT_VERSION, uid, gids);
  }

  commit(operation: Operation): void {
    const status = apply(this.state, this.now, operation, 'live');
    if (status !== Status.OK) {
      throw new Error(`${operation.op} was planned, but apply gives ${status}`);
    }
    this.lines.push(formatChange({ timestamp: this.now, operation }).toString('latin1'));
  }

  attributes(context: RequestContext, inode: number, parent = 0): Attr {
    const { nodes } = this.state;
    return attributesOf(this.state, nodes.find(inode), presentationFor(context), nodes.find(parent));
  }
}

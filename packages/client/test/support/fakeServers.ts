import { createServer, type Server, type Socket } from 'node:net';
import {
  ANTOAN_GET_VERSION,
  ANTOAN_VERSION,
  CLTOMA_FUSE_REGISTER,
  type FieldsOf,
  FrameReader,
  MATOCL_FUSE_REGISTER,
  VERSION,
} from '@alces/proto';

export interface Received {
  readonly type: number;
  readonly payload: Buffer;
  readonly socket: Socket;
}

/** A TCP server that cuts what it receives into frames. */
export class FrameServer {
  readonly received: Received[] = [];
  readonly sockets = new Set<Socket>();
  /** On which something came: one that a busy machine made too slowly is given up, and the next one is made. */
  connections = 0;
  /** What to do with each frame. */
  handle: (frame: Received) => void = () => {};
  readonly #server: Server;

  private constructor() {
    this.#server = createServer({ noDelay: true }, (socket) => {
      this.sockets.add(socket);
      socket.once('data', () => this.connections++);
      const reader = new FrameReader(1 << 20);
      socket.on('error', () => {});
      socket.on('close', () => this.sockets.delete(socket));
      socket.on('data', (bytes: Buffer) => {
        reader.push(bytes);
        for (const { type, payload } of reader) {
          const frame = { type, payload, socket };
          this.received.push(frame);
          this.handle(frame);
        }
      });
    });
  }

  static async start(): Promise<FrameServer> {
    const server = new FrameServer();
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  /** Breaks all connections. */
  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

type Registration = FieldsOf<typeof CLTOMA_FUSE_REGISTER>;
type RegistrationAnswer = FieldsOf<typeof MATOCL_FUSE_REGISTER>;

export const SESSION: RegistrationAnswer = {
  layout: 'session',
  version: VERSION,
  sessionId: 7,
  metaId: 1234n,
  sesflags: 0,
  umask: 0,
  rootUid: 0,
  rootGid: 0,
  mapallUid: 0,
  mapallGid: 0,
  minGoal: 1,
  maxGoal: 9,
  minTrashTime: 0,
  maxTrashTime: 0,
  disables: 0,
};

const RECONNECTED: RegistrationAnswer = { layout: 'reconnected', version: VERSION, status: 0 };
const CLOSED: RegistrationAnswer = { layout: 'status', status: 0 };

/** A master that registers everybody and leaves the rest to the test. */
export class FakeMaster {
  /** What it says that it is. */
  version = '3.0.117';
  readonly server: FrameServer;
  registrations: Registration[] = [];
  answerRegistration: (request: Registration) => RegistrationAnswer | Buffer | undefined = (request) => {
    if (request.layout === 'reconnect') return RECONNECTED;
    return request.layout === 'closeSession' ? CLOSED : SESSION;
  };
  /** What to do with everything else. */
  handle: (frame: Received) => void = () => {};

  private constructor(server: FrameServer) {
    this.server = server;
    server.handle = (frame) => {
      if (frame.type === ANTOAN_GET_VERSION.number) {
        const msgid = frame.payload.readUInt32BE(0);
        const text = Buffer.from(this.version);
        frame.socket.write(ANTOAN_VERSION.encode({ layout: 'msgid', msgid, version: VERSION, text }));
        return;
      }
      if (frame.type !== CLTOMA_FUSE_REGISTER.number) {
        this.handle(frame);
        return;
      }
      const request = CLTOMA_FUSE_REGISTER.decode(frame.payload);
      this.registrations.push(request);
      const answer = this.answerRegistration(request);
      if (answer !== undefined)
        frame.socket.write(Buffer.isBuffer(answer) ? answer : MATOCL_FUSE_REGISTER.encode(answer));
    };
  }

  static async start(): Promise<FakeMaster> {
    return new FakeMaster(await FrameServer.start());
  }

  get address() {
    return { host: '127.0.0.1', port: this.server.port };
  }
}

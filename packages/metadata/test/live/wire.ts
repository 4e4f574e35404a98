import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { CLTOMA_FUSE_REGISTER, encodeFrame, FrameReader, MATOCL_FUSE_REGISTER, VERSION } from '@alces/proto';
import { MASTER_ADDRESS } from './cluster.ts';

const ANSWER_LIMIT_MS = 40_000;

/** A registered client connection to a stock master, used by one request at a time. */
export class WireClient {
  readonly socket: Socket;
  readonly sessionId: number;
  private readonly frames: FrameSource;
  /** The master gives up on silent connections after 10 s. */
  private readonly keepAlive = setInterval(() => this.socket.write(encodeFrame(0, Buffer.alloc(4))), 2000);

  private constructor(socket: Socket, frames: FrameSource, sessionId: number) {
    this.socket = socket;
    this.frames = frames;
    this.sessionId = sessionId;
  }

  /** Connects from an address and opens a session; `path` undefined = meta session. */
  static async open(localAddress: string, path: string | undefined): Promise<WireClient> {
    const socket = connect({ host: MASTER_ADDRESS, port: 9421, localAddress });
    const frames = new FrameSource(socket);
    await once(socket, 'connect');
    const info = Buffer.from('/mnt\0');
    const absent = { sessionId: undefined, metaId: undefined, digest: undefined };
    socket.write(
      CLTOMA_FUSE_REGISTER.encode(
        path === undefined
          ? { layout: 'newMetaSession', version: VERSION, info, ...absent }
          : { layout: 'newSession', version: VERSION, info, path: Buffer.from(`${path}\0`), ...absent },
      ),
    );
    const answer = MATOCL_FUSE_REGISTER.decode(
      (await frames.next((type) => type === MATOCL_FUSE_REGISTER.number)).payload,
    );
    if (!('sessionId' in answer)) {
      throw new Error(`registration refused: ${JSON.stringify(answer)}`);
    }
    return new WireClient(socket, frames, answer.sessionId);
  }

  /** Sends a request and waits for the answer of type request + 1. */
  async ask(frame: Buffer): Promise<Buffer> {
    const type = frame.readUInt32BE(0) + 1;
    this.socket.write(frame);
    return (await this.frames.next((answered) => answered === type)).payload;
  }

  /** Sends something that is not answered. */
  tell(frame: Buffer): void {
    this.socket.write(frame);
  }

  close(): void {
    clearInterval(this.keepAlive);
    this.socket.destroy();
  }
}

/** Frames of a socket, one at a time. */
class FrameSource {
  private readonly reader = new FrameReader(50_000_000);
  private waiting:
    | { accepts: (type: number) => boolean; resolve: (frame: Frame) => void; reject: (e: Error) => void }
    | undefined;

  constructor(socket: Socket) {
    socket.on('data', (data) => {
      this.reader.push(data);
      for (const frame of this.reader) {
        if (this.waiting?.accepts(frame.type)) {
          this.waiting.resolve({ type: frame.type, payload: Buffer.from(frame.payload) });
          this.waiting = undefined;
        }
      }
    });
    const fail = (error?: Error): void => {
      this.waiting?.reject(error ?? new Error('the master closed the connection'));
      this.waiting = undefined;
    };
    socket.on('error', fail);
    socket.on('close', () => fail());
  }

  next(accepts: (type: number) => boolean): Promise<Frame> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no answer from the master')), ANSWER_LIMIT_MS);
      const done = (): void => clearTimeout(timer);
      this.waiting = {
        accepts,
        resolve: (frame) => {
          done();
          resolve(frame);
        },
        reject: (error) => {
          done();
          reject(error);
        },
      };
    });
  }
}

interface Frame {
  type: number;
  payload: Buffer;
}

import {
  ANTOAN_GET_VERSION,
  ANTOAN_NOP,
  ANTOAN_VERSION,
  ANTOMA_DOWNLOAD_END,
  ANTOMA_DOWNLOAD_REQUEST,
  ANTOMA_DOWNLOAD_START,
  ANTOMA_REGISTER,
  crc32,
  type FieldsOf,
  FrameReader,
  MATOAN_DOWNLOAD_DATA,
  MATOAN_DOWNLOAD_INFO,
  MATOAN_METACHANGES_LOG,
  VERSION,
  VERSION_STRING,
} from '@alces/proto';
import { type Connection, type Listener, realEnvironment } from '@alces/runtime';

/** What a fake master was asked for. */
export interface Asked {
  registered: FieldsOf<typeof ANTOMA_REGISTER>[];
  /** Numbers of files that were opened. */
  started: number[];
  /** Pieces that were asked for. */
  requests: { file: number; offset: number; length: number }[];
}

/** A master's metalogger port that does what the stock one does, and wrong on demand. */
export class FakeMaster {
  image: Buffer | undefined;
  changelogs: [Buffer, Buffer] = [Buffer.alloc(0), Buffer.alloc(0)];
  asked: Asked = { registered: [], started: [], requests: [] };
  /** Lines that are sent to somebody who registers from a version on. */
  recent: { version: number; text: string }[] = [];
  /** As masters before 3.0. */
  refusesVersion = false;
  /** Changes the answer to a request for a piece. */
  spoil: (piece: FieldsOf<typeof MATOAN_DOWNLOAD_DATA>) => Buffer | undefined = () => undefined;
  readonly #connections = new Set<Connection>();
  #listener: Listener | undefined;
  #port = 0;
  #alive: NodeJS.Timeout | undefined;

  get port(): number {
    return this.#port;
  }

  get connections(): number {
    return this.#connections.size;
  }

  async start(host = '127.0.0.1'): Promise<this> {
    this.#listener = await realEnvironment().net.listen({ host, port: this.#port }, (connection) => {
      const reader = new FrameReader(1_500_000);
      const session = { open: 0, data: Buffer.alloc(0), kept: this.changelogs };
      this.#connections.add(connection);
      return {
        data: (bytes) => {
          reader.push(bytes);
          for (const { type, payload } of reader) this.#answer(connection, session, type, payload);
        },
        close: () => this.#connections.delete(connection),
      };
    });
    this.#port = this.#listener.port;
    this.#alive = setInterval(() => this.send(Buffer.alloc(8)), 1000);
    return this;
  }

  async stop(): Promise<void> {
    clearInterval(this.#alive);
    await this.#listener?.close();
    this.#listener = undefined;
  }

  /** Ends all connections. */
  disconnect(): void {
    for (const connection of this.#connections) connection.destroy();
  }

  push(version: number, text: string): void {
    this.send(
      MATOAN_METACHANGES_LOG.encode({ layout: 'change', metaVersion: version, text: Buffer.from(text, 'latin1') }),
    );
  }

  rotate(): void {
    this.send(MATOAN_METACHANGES_LOG.encode({ layout: 'rotate' }));
  }

  send(bytes: Buffer): void {
    for (const connection of this.#connections) connection.write(bytes);
  }

  #answer(
    connection: Connection,
    session: { open: number; data: Buffer; kept: [Buffer, Buffer] },
    type: number,
    payload: Buffer,
  ): void {
    switch (type) {
      case ANTOAN_NOP.number:
        return;
      case ANTOAN_GET_VERSION.number: {
        if (this.refusesVersion) return connection.destroy();
        const msgid = ANTOAN_GET_VERSION.decode(payload).msgid ?? 0;
        const text = Buffer.from(VERSION_STRING);
        connection.write(ANTOAN_VERSION.encode({ layout: 'msgid', msgid, version: VERSION, text }));
        return;
      }
      case ANTOMA_REGISTER.number: {
        const request = ANTOMA_REGISTER.decode(payload);
        this.asked.registered.push(request);
        if (request.layout !== 'fromVersion' || (this.recent[0]?.version ?? Infinity) > request.metaVersion) return;
        for (const { version, text } of this.recent) if (version >= request.metaVersion) this.push(version, text);
        return;
      }
      case ANTOMA_DOWNLOAD_START.number: {
        const { file } = ANTOMA_DOWNLOAD_START.decode(payload);
        this.asked.started.push(file);
        session.open = file;
        if (file === 1) session.kept = this.changelogs;
        const data = file === 1 ? this.image : session.kept[file - 11];
        session.data = data ?? Buffer.alloc(0);
        connection.write(
          MATOAN_DOWNLOAD_INFO.encode(
            data === undefined ? { layout: 'failed', status: 0xff } : { layout: 'size', size: data.length },
          ),
        );
        return;
      }
      case ANTOMA_DOWNLOAD_REQUEST.number: {
        const { offset, length } = ANTOMA_DOWNLOAD_REQUEST.decode(payload);
        this.asked.requests.push({ file: session.open, offset, length });
        const data = session.data.subarray(offset, offset + length);
        const piece = { offset, crc: crc32(data), data };
        connection.write(this.spoil(piece) ?? MATOAN_DOWNLOAD_DATA.encode(piece));
        return;
      }
      case ANTOMA_DOWNLOAD_END.number:
        return;
      default:
        throw new Error(`the metalogger sent message ${type}`);
    }
  }
}

import { CLTOMA_FUSE_TIME_SYNC, FRAME_HEADER_BYTES, MATOCL_FUSE_TIME_SYNC } from '@alces/proto';
import type { Connection, Net } from '@alces/runtime';
import type { LinkStatistics } from './statistics.ts';

/** Finds the frames in a byte stream, without keeping them. */
class FrameMeter {
  readonly #header = Buffer.alloc(FRAME_HEADER_BYTES);
  #headerBytes = 0;
  #payloadLeft = 0;

  push(bytes: Buffer, frame: (type: number) => void): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#payloadLeft > 0) {
        const skip = Math.min(this.#payloadLeft, bytes.length - at);
        this.#payloadLeft -= skip;
        at += skip;
        continue;
      }
      const take = Math.min(FRAME_HEADER_BYTES - this.#headerBytes, bytes.length - at);
      bytes.copy(this.#header, this.#headerBytes, at, at + take);
      this.#headerBytes += take;
      at += take;
      if (this.#headerBytes < FRAME_HEADER_BYTES) return;
      this.#headerBytes = 0;
      this.#payloadLeft = this.#header.readUInt32BE(4);
      frame(this.#header.readUInt32BE(0));
    }
  }
}

/** A connection whose writes are counted; everything else is passed on. */
function metered(connection: Connection, written: (bytes: Buffer) => void): Connection {
  return new Proxy(connection, {
    get(target, key) {
      if (key === 'write') {
        return (bytes: Buffer): boolean => {
          written(bytes);
          return target.write(bytes);
        };
      }
      const value = Reflect.get(target, key, target) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** A network that counts what goes over its outgoing connections, for `.stats`. */
export function meteredNet(net: Net, statistics: LinkStatistics, nowMs: () => number): Net {
  return {
    listen: (options, accept) => net.listen(options, accept),
    connect: (options, attach) =>
      net.connect(options, (connection) => {
        const sent = new FrameMeter();
        const received = new FrameMeter();
        let askedMs = 0;
        const handlers = attach(
          metered(connection, (bytes) => {
            statistics.bytesSent += bytes.length;
            sent.push(bytes, (type) => {
              statistics.packetsSent += 1;
              if (type === CLTOMA_FUSE_TIME_SYNC.number) askedMs = nowMs();
            });
          }),
        );
        const { data } = handlers;
        return {
          ...handlers,
          data: (bytes) => {
            statistics.bytesReceived += bytes.length;
            received.push(bytes, (type) => {
              statistics.packetsReceived += 1;
              if (type === MATOCL_FUSE_TIME_SYNC.number) statistics.pingMicroseconds = (nowMs() - askedMs) * 1000;
            });
            data(bytes);
          },
        };
      }),
  };
}

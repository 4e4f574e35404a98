import { CLTOMA_CSERV_LIST, CLTOMA_INFO, FrameReader, MATOCL_CSERV_LIST, MATOCL_INFO } from '@alces/proto';
import { realNet } from '@alces/runtime';

const REPLY_LIMIT_BYTES = 1 << 20;
const TIMEOUT_MS = 3_000;

export interface ClusterSpace {
  totalBytes: number;
  availableBytes: number;
  objects: number;
}

/** Asks a master one question that needs no session and resolves with the payload of the answer. */
function ask(host: string, port: number, request: Buffer, replyType: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const frames = new FrameReader(REPLY_LIMIT_BYTES);
    let timer: NodeJS.Timeout | undefined;
    const attempt = realNet.connect({ host, port, timeoutMs: TIMEOUT_MS }, (connection) => {
      timer = setTimeout(() => connection.destroy(), TIMEOUT_MS);
      return {
        data(bytes) {
          frames.push(bytes);
          for (let frame = frames.next(); frame; frame = frames.next()) {
            if (frame.type !== replyType) continue;
            resolve(frame.payload);
            connection.end();
          }
        },
        close(error) {
          clearTimeout(timer);
          // After an answer this rejection changes nothing.
          reject(error ?? new Error(`${host}:${port} closed the connection without an answer`));
        },
      };
    });
    attempt.then((connection) => connection.write(request), reject);
  });
}

/** How many chunkservers are connected to the master and offer space; 0 when it does not answer. */
export async function connectedChunkservers(host: string, port: number): Promise<number> {
  try {
    const payload = await ask(host, port, CLTOMA_CSERV_LIST.encode({}), MATOCL_CSERV_LIST.number);
    return MATOCL_CSERV_LIST.decode(payload).servers.filter((server) => server.totalSpace > 0).length;
  } catch {
    return 0;
  }
}

/** Size and use of the file system. */
export async function clusterSpace(host: string, port: number): Promise<ClusterSpace> {
  const info = MATOCL_INFO.decode(await ask(host, port, CLTOMA_INFO.encode({}), MATOCL_INFO.number));
  return { totalBytes: info.totalSpace, availableBytes: info.availSpace, objects: info.allNodes };
}

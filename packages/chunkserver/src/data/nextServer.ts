import { ipText } from '../net/address.ts';
import type { DataContext } from './context.ts';
import { PeerConnection } from './peer.ts';

/** Time limits of the attempts to reach the next server of a chain, in ms (spec 20 §5.3.2). */
const ATTEMPTS_MS = [200, 300, 400, 600, 800, 1200, 1600, 2400, 3200, 4800];

export interface ServerAddress {
  ip: number;
  port: number;
}

export const addressKey = ({ ip, port }: ServerAddress): string => `${ipText(ip)}:${port}`;

/** A new connection; undefined when the server could not be reached in all attempts or `abandoned` said to stop. */
export async function connectToNext(
  context: DataContext,
  address: ServerAddress,
  abandoned: () => boolean,
): Promise<PeerConnection | undefined> {
  for (const timeoutMs of ATTEMPTS_MS) {
    if (abandoned()) return undefined;
    const peer = await connectOnce(context, address, timeoutMs).catch(() => undefined);
    if (peer) return peer;
  }
  return undefined;
}

/** One attempt. Rejects when it fails. */
export async function connectOnce(
  { streams }: Pick<DataContext, 'streams'>,
  address: ServerAddress,
  timeoutMs: number,
): Promise<PeerConnection> {
  let peer: PeerConnection | undefined;
  await streams.connect({ host: ipText(address.ip), port: address.port, timeoutMs }, (stream) => {
    peer = new PeerConnection(addressKey(address), stream);
    return peer;
  });
  if (!peer) throw new Error('connected without a connection');
  return peer;
}

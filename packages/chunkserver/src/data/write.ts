import { CLTOCS_WRITE, type FieldsOf, Status } from '@alces/proto';
import type { Activity, DataConnection } from './connection.ts';
import { LastWrite } from './lastWrite.ts';
import { MiddleWrite } from './middleWrite.ts';
import { writeStatusFrame } from './writeFrames.ts';

/** Starts a WRITE (spec 20 §5.3); undefined when it was refused at once. */
export function startWrite(connection: DataConnection, request: FieldsOf<typeof CLTOCS_WRITE>): Activity | undefined {
  const { chunkId, version, chain } = request;
  if (!connection.context.jobs.begin()) {
    connection.send(writeStatusFrame(chunkId, 0, Status.NOTDONE));
    return undefined;
  }
  const [next, ...others] = chain;
  if (!next) return new LastWrite(connection, chunkId, version);
  // The next server gets the same request without its own address.
  return new MiddleWrite(connection, chunkId, version, next, CLTOCS_WRITE.encode({ ...request, chain: others }));
}

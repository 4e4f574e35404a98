import {
  CSTOMA_CHUNKOP,
  CSTOMA_CREATE,
  CSTOMA_DELETE,
  CSTOMA_DUPLICATE,
  CSTOMA_DUPTRUNC,
  CSTOMA_REPLICATE,
  CSTOMA_SET_VERSION,
  CSTOMA_TRUNCATE,
  type FieldsOf,
  MATOCS_CHUNKOP,
  MATOCS_CREATE,
  MATOCS_DELETE,
  MATOCS_DUPLICATE,
  MATOCS_DUPTRUNC,
  MATOCS_REPLICATE,
  MATOCS_SET_VERSION,
  MATOCS_TRUNCATE,
  Status,
} from '@alces/proto';
import type { Jobs } from '../jobs.ts';
import type { ReplicationOrder } from '../replicate/order.ts';
import type { Store } from '../store/context.ts';
import {
  createChunk,
  deleteChunk,
  duplicateChunk,
  genericOperation,
  setVersion,
  truncateChunk,
} from '../store/operations.ts';
import type { OrdersUnderWay } from './ordersUnderWay.ts';

/** The master's orders about chunks and their answers (spec 30 §1.15, §1.16). */

export interface OrderContext {
  store: Store;
  jobs: Jobs;
  orders: OrdersUnderWay;
  /** Fetches a chunk from other servers; answers a status. */
  replicate(order: ReplicationOrder): Promise<number>;
}

type Orderers = Pick<OrderContext, 'store' | 'replicate'>;

/** Work that answers a status, and how the status is told. */
interface Order {
  /** Chunks that it may change. */
  chunkIds: readonly number[];
  /** It takes its time, and until its end the chunk's version shows that it is not complete. */
  isReplication?: true;
  run(): Promise<number>;
  answer(status: number): Buffer;
}

function replication(fields: FieldsOf<typeof MATOCS_REPLICATE>): ReplicationOrder {
  const { chunkId, version } = fields;
  if (fields.layout === 'single')
    return { chunkId, version, masks: undefined, sources: [{ chunkId, version, ip: fields.ip, port: fields.port }] };
  const { mask0, mask1, mask2, mask3, sources } = fields;
  return { chunkId, version, masks: [mask0, mask1, mask2, mask3], sources: [...sources] };
}

/** The order in a packet; undefined when it is none. Throws DecodeError. */
function decodeOrder({ store, replicate }: Orderers, type: number, payload: Buffer): Order | undefined {
  switch (type) {
    case MATOCS_CREATE.number: {
      const { chunkId, version } = MATOCS_CREATE.decode(payload);
      return {
        chunkIds: [chunkId],
        run: () => createChunk(store, chunkId, version),
        answer: (status) => CSTOMA_CREATE.encode({ chunkId, status }),
      };
    }
    case MATOCS_DELETE.number: {
      const { chunkId, version } = MATOCS_DELETE.decode(payload);
      return {
        chunkIds: [chunkId],
        run: () => deleteChunk(store, chunkId, version),
        answer: (status) => CSTOMA_DELETE.encode({ chunkId, status }),
      };
    }
    case MATOCS_SET_VERSION.number: {
      const { chunkId, newVersion, version } = MATOCS_SET_VERSION.decode(payload);
      return {
        chunkIds: [chunkId],
        run: () => setVersion(store, chunkId, newVersion, version),
        answer: (status) => CSTOMA_SET_VERSION.encode({ chunkId, status }),
      };
    }
    case MATOCS_TRUNCATE.number: {
      const { chunkId, length, newVersion, version } = MATOCS_TRUNCATE.decode(payload);
      return {
        chunkIds: [chunkId],
        run: () => truncateChunk(store, chunkId, length, newVersion, version),
        answer: (status) => CSTOMA_TRUNCATE.encode({ chunkId, status }),
      };
    }
    default:
      return decodeCopyOrder({ store, replicate }, type, payload);
  }
}

function decodeCopyOrder({ store, replicate }: Orderers, type: number, payload: Buffer): Order | undefined {
  switch (type) {
    case MATOCS_DUPLICATE.number: {
      const { newChunkId, newVersion, chunkId, version } = MATOCS_DUPLICATE.decode(payload);
      const order = { sourceId: chunkId, sourceVersion: version, copyId: newChunkId, copyVersion: newVersion };
      return {
        chunkIds: [newChunkId],
        run: () => duplicateChunk(store, order),
        answer: (status) => CSTOMA_DUPLICATE.encode({ chunkId: newChunkId, status }),
      };
    }
    case MATOCS_DUPTRUNC.number: {
      const { newChunkId, newVersion, chunkId, version, length } = MATOCS_DUPTRUNC.decode(payload);
      const copy = { copyId: newChunkId, copyVersion: newVersion, lengthBytes: length };
      return {
        chunkIds: [newChunkId],
        run: () => duplicateChunk(store, { sourceId: chunkId, sourceVersion: version, ...copy }),
        answer: (status) => CSTOMA_DUPTRUNC.encode({ chunkId: newChunkId, status }),
      };
    }
    case MATOCS_CHUNKOP.number: {
      const fields = MATOCS_CHUNKOP.decode(payload);
      return {
        chunkIds: [fields.chunkId, fields.copyChunkId].filter(Boolean),
        run: () => genericOperation(store, { ...fields, copyId: fields.copyChunkId }),
        answer: (status) => CSTOMA_CHUNKOP.encode({ ...fields, status }),
      };
    }
    case MATOCS_REPLICATE.number: {
      const order = replication(MATOCS_REPLICATE.decode(payload));
      const { chunkId, version } = order;
      return {
        chunkIds: [chunkId],
        isReplication: true,
        run: () => replicate(order),
        answer: (status) => CSTOMA_REPLICATE.encode({ chunkId, version, status }),
      };
    }
    default:
      return undefined;
  }
}

/**
 * Carries out an order and answers the frame for the master; undefined when the packet is no order. `changed` is called when it is
 * done, with the chunks that it may have changed. Throws DecodeError at once when the payload is not what it must be.
 */
export function carryOut(
  context: OrderContext,
  type: number,
  payload: Buffer,
  changed: (chunkIds: readonly number[]) => void,
): Promise<Buffer> | undefined {
  const { jobs, orders } = context;
  const order = decodeOrder(context, type, payload);
  if (!order) return undefined;
  if (!jobs.begin()) return Promise.resolve(order.answer(Status.NOTDONE));
  if (!order.isReplication) orders.begin();
  return order
    .run()
    .finally(() => {
      jobs.end();
      changed(order.chunkIds);
      if (!order.isReplication) orders.end();
    })
    .then((status) => order.answer(status));
}

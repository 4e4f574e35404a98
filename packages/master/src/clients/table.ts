import { ANTOAN_BAD_COMMAND_SIZE, ANTOAN_NOP, ANTOAN_UNKNOWN_COMMAND } from '@alces/proto';
import type { LiveSession } from '../sessions/registry.ts';
import { type Client, ClientKind } from './client.ts';
import { DispatchTable } from './dispatch.ts';
import { addDaemonMessages } from './monitor/daemon.ts';
import { addNodeMessages } from './monitor/nodes.ts';
import { addSessionMessages } from './monitor/sessions.ts';
import type { MonitorSources } from './monitor/sources.ts';
import { addSummaryMessages } from './monitor/summary.ts';
import { addAttributeRequests } from './operations/attributes.ts';
import { ChunkRequests } from './operations/chunkRequests.ts';
import { addFileRequests } from './operations/files.ts';
import { addLockRequests } from './operations/locks.ts';
import { addLookupRequests } from './operations/lookup.ts';
import { addNameRequests } from './operations/names.ts';
import { addSetterRequests } from './operations/setters.ts';
import { addStorageClassRequests } from './operations/storageClasses.ts';
import { addToolRequests } from './operations/tools.ts';
import { addTrashRequests } from './operations/trash.ts';
import { TruncateRequests } from './operations/truncate.ts';
import { addXattrRequests } from './operations/xattrs.ts';
import type { PendingChunkWork } from './pendingChunkWork.ts';
import { addRegistration } from './register.ts';
import type { Requests } from './requests.ts';

interface TableOptions {
  readonly requests: Requests;
  readonly pending: PendingChunkWork;
  readonly monitor: MonitorSources;
  /** Ends a connection when its answers are out. */
  finish(client: Client): void;
  /** Closes a connection at once. */
  drop(client: Client): void;
  removeSession(session: LiveSession): void;
}

/** Everything that the client port understands. */
export function clientTable({ requests, pending, monitor, finish, drop, removeSession }: TableOptions): DispatchTable {
  const table = new DispatchTable();
  const everybody = ClientKind.unregistered | ClientKind.mount | ClientKind.tools;
  for (const { number, name } of [ANTOAN_NOP, ANTOAN_UNKNOWN_COMMAND, ANTOAN_BAD_COMMAND_SIZE])
    table.ignore(number, name, everybody);
  addRegistration(table, requests.core, finish);
  requests.numbered.register(table, drop);
  addAttributeRequests(table, requests);
  addLookupRequests(table, requests);
  addNameRequests(table, requests);
  addFileRequests(table, requests);
  new ChunkRequests(requests, pending).register(table);
  new TruncateRequests(requests, pending).register(table);
  addSetterRequests(table, requests);
  addXattrRequests(table, requests);
  addLockRequests(table, requests);
  addTrashRequests(table, requests);
  addToolRequests(table, requests);
  addStorageClassRequests(table, requests);
  addSummaryMessages(table, monitor);
  addSessionMessages(table, requests.core, removeSession);
  addNodeMessages(table, requests);
  addDaemonMessages(table, monitor);
  return table;
}

import { mountDevice, type ServeOptions, serve, unmountDevice } from '../src/index.ts';
import { MemoryFs, type MemoryOptions } from './memoryFs.ts';

/** A process of its own that mounts a `MemoryFs` and does what its parent says over the IPC channel. */

export interface ServerSettings {
  mountpoint: string;
  memory: MemoryOptions;
  serve: ServeOptions;
  fusermount: boolean;
}

export type Command =
  | { do: 'counts' }
  | { do: 'lookups'; path: string }
  | { do: 'replace'; path: string; text: string }
  | { do: 'drop'; parent: string; name: string }
  | { do: 'invalidateInode'; path: string; offset: number; lengthBytes: number }
  | { do: 'invalidateEntry'; parent: string; name: string }
  | { do: 'deleted'; parent: string; child: number; name: string }
  | { do: 'store'; path: string; offset: number; text: string }
  | { do: 'unmount'; lazy: boolean };

const settings = JSON.parse(process.argv[2]) as ServerSettings;
const memory = new MemoryFs(settings.memory);
const source = 'memory:9421';
const { mountpoint, fusermount } = settings;
const fd = await mountDevice({ mountpoint, source, subtype: 'test', allowOther: !fusermount, fusermount });
const server = serve(fd, memory.operations(), settings.serve);
const negotiated = await server.initialized;

let unmounting: Promise<void> = Promise.resolve();

function idOf(path: string): number {
  return memory.nodeAt(path)?.id ?? 0;
}

async function obey(command: Command): Promise<unknown> {
  const { notifier } = server;
  switch (command.do) {
    case 'counts':
      return { counts: memory.counts, largest: memory.largest, pending: server.pendingRequests };
    case 'lookups':
      return memory.nodeAt(command.path)?.lookups;
    case 'replace':
      return memory.replaceData(command.path, Buffer.from(command.text));
    case 'drop':
      return memory.dropName(command.parent, command.name);
    case 'invalidateInode':
      return notifier.invalidateInode(idOf(command.path), command.offset, command.lengthBytes);
    case 'invalidateEntry':
      return notifier.invalidateEntry(idOf(command.parent), Buffer.from(command.name));
    case 'deleted':
      return notifier.deleted(idOf(command.parent), command.child, Buffer.from(command.name));
    case 'store':
      return notifier.store(idOf(command.path), command.offset, Buffer.from(command.text));
    case 'unmount':
      unmounting = unmountDevice(mountpoint, { lazy: command.lazy, fusermount });
      return unmounting;
  }
}

process.on('message', ({ id, command }: { id: number; command: Command }) => {
  obey(command).then(
    (result) => process.send?.({ id, result }),
    (error) => process.send?.({ id, error: String(error) }),
  );
});
process.on('SIGTERM', () => {
  unmountDevice(mountpoint, { lazy: true, fusermount }).catch((error) => process.stderr.write(`${error}\n`));
});
server.ended.then(async (end) => {
  await unmounting.catch(() => {});
  process.send?.({ end }, () => process.exit(end.cause === 'failed' ? 1 : 0));
});
process.send?.({ ready: negotiated, kind: server.channelKind });

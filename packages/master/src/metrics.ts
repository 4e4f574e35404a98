import type { MasterJournal } from '@alces/journal';
import type { Metric } from '@alces/runtime';
import type { Core } from './core.ts';
import type { DataSpace } from './dataSpace.ts';
import type { ImageSaver } from './saving.ts';

export interface MetricSources {
  core: Core;
  journal: MasterJournal;
  dataSpace: DataSpace;
  saver: ImageSaver;
  clientConnections(): number;
}

/** What a master tells about itself. */
export function masterMetrics({ core, journal, dataSpace, saver, clientConnections }: MetricSources): Metric[] {
  const { state } = core;
  const lastStore = (value: () => number) => () => (saver.lastStore.time === 0 ? undefined : value());
  const metric = (name: string, help: string, value: () => number | undefined): Metric => ({
    name: `alces_master_${name}`,
    help,
    value,
  });
  return [
    metric('data_folder_free_bytes', 'Free space of the data folder.', () => dataSpace.freeBytes),
    metric('data_folder_low', '1: less space is free than DATA_FREE_WARN demands.', () => Number(dataSpace.isLow)),
    metric('metadata_version', 'Number of the next change.', () => state.metaversion),
    metric('committed_version', 'The last change that is safe.', () => journal.committedVersion),
    metric(
      'waiting_changes',
      'Changes that are not safe yet.',
      () => journal.nextVersion - 1 - journal.committedVersion,
    ),
    metric('journal_stalled', '1: the journal cannot be written, nothing is acknowledged.', () =>
      Number(journal.stalledBy !== undefined),
    ),
    metric(
      'image_saved_seconds',
      'Unix time of the last image saved since the start.',
      lastStore(() => saver.lastStore.time),
    ),
    metric(
      'image_save_duration_seconds',
      'How long it took.',
      lastStore(() => saver.lastStore.durationMs / 1000),
    ),
    metric('inodes', 'Nodes of the file system.', () => state.nodes.count),
    metric('chunks', 'Chunks known.', () => state.chunks.count),
    metric('sessions', 'Sessions of clients.', () => state.sessions.size),
    metric('client_connections', 'Connections of clients and tools.', clientConnections),
  ];
}

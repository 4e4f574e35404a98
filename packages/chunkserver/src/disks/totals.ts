import type { Store } from '../store/context.ts';

/** Space and chunk counts as the master is told (spec 30 §1.13, §2.11). */
export interface SpaceTotals {
  usedSpace: number;
  totalSpace: number;
  chunks: number;
  tdUsedSpace: number;
  tdTotalSpace: number;
  tdChunks: number;
}

export function spaceTotals(store: Store): SpaceTotals {
  const totals = { usedSpace: 0, totalSpace: 0, chunks: 0, tdUsedSpace: 0, tdTotalSpace: 0, tdChunks: 0 };
  for (const folder of store.folders) {
    if (folder.removing || (folder.damaged && !folder.readOnly)) continue;
    const { totalBytes, availableBytes } = folder.space;
    const counts = folder.phase === 'working' && !folder.damaged;
    const total = counts ? totalBytes : 0;
    const used = counts ? totalBytes - availableBytes : 0;
    if (folder.line.marked) {
      totals.tdUsedSpace += used;
      totals.tdTotalSpace += total;
      totals.tdChunks += folder.chunks;
    } else {
      totals.usedSpace += used;
      totals.totalSpace += total;
      totals.chunks += folder.chunks;
    }
  }
  return totals;
}

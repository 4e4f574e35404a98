import {
  ANTOAN_CONFIG_VALUE,
  ANTOAN_GET_CONFIG,
  ANTOAN_GET_VERSION,
  ANTOAN_VERSION,
  ANTOCL_CHART,
  ANTOCL_CHART_DATA,
  ANTOCL_MODULE_INFO,
  ANTOCL_MONOTONIC_DATA,
  CLTOAN_CHART,
  CLTOAN_CHART_DATA,
  CLTOAN_MODULE_INFO,
  CLTOAN_MONOTONIC_DATA,
  CLTOCS_HDD_LIST,
  CSTOCL_HDD_LIST,
  DecodeError,
  ModuleType,
  VERSION,
  VERSION_STRING,
} from '@alces/proto';
import type { Charts } from '../charts/charts.ts';
import type { DiskEntry } from '../disks/disks.ts';
import type { Identity } from '../disks/identity.ts';
import { diskList, statisticsRecord, summarize } from './diskList.ts';

/** What the queries of monitors are answered from. */
export interface InfoSources {
  /** The option as written in the configuration file, undefined when it is not there. */
  option(name: string): string | undefined;
  disks(): readonly DiskEntry[];
  identity(): Identity;
  /** The master this server is registered with; zeros when it is not. */
  master(): { ip: number; port: number };
  charts: Charts;
}

const LONGEST_VALUE = 255;

function version(payload: Buffer): Buffer {
  const { msgid } = ANTOAN_GET_VERSION.decode(payload);
  const text = Buffer.from(VERSION_STRING);
  return ANTOAN_VERSION.encode(
    msgid === undefined
      ? { layout: 'plain', version: VERSION, text }
      : { layout: 'msgid', msgid, version: VERSION, text },
  );
}

function option(sources: InfoSources, payload: Buffer): Buffer {
  const request = ANTOAN_GET_CONFIG.decode(payload);
  const value = Buffer.from(sources.option(request.option.toString('latin1')) ?? '', 'latin1');
  return ANTOAN_CONFIG_VALUE.encode({ msgid: request.msgid, value: value.subarray(0, LONGEST_VALUE) });
}

function moduleInfo(sources: InfoSources, payload: Buffer): Buffer {
  if (payload.length > 0) throw new DecodeError('CLTOAN_MODULE_INFO', 'has no msgid on this port');
  const { chunkserverId, metaId } = sources.identity();
  const master = sources.master();
  return ANTOCL_MODULE_INFO.encode({
    type: ModuleType.CHUNKSERVER,
    version: VERSION,
    id: chunkserverId,
    metaId,
    leaderIp: master.ip,
    leaderPort: master.port,
  });
}

function totals(sources: InfoSources, payload: Buffer): Buffer {
  CLTOAN_MONOTONIC_DATA.decode(payload);
  const folders = sources.disks().flatMap((entry) => entry.folder ?? []);
  return ANTOCL_MONOTONIC_DATA.encode({
    values: sources.charts.totals(),
    disks: folders.map((folder) => ({
      ...summarize(folder),
      sinceStart: statisticsRecord(folder.statistics.total),
    })),
  });
}

function chartData(sources: InfoSources, payload: Buffer): Buffer {
  const { chartId, maxEntries } = CLTOAN_CHART_DATA.decode(payload);
  const data = sources.charts.values(chartId, maxEntries);
  return ANTOCL_CHART_DATA.encode(data ? { layout: 'data', ...data } : { layout: 'unknown' });
}

function chartPicture(sources: InfoSources, payload: Buffer): Buffer {
  const { chartId, size } = CLTOAN_CHART.decode(payload);
  return ANTOCL_CHART.encode({ image: sources.charts.picture(chartId, size?.width ?? 0, size?.height ?? 0) });
}

/**
 * Answers a query of the idle state that is not about a chunk (spec 70 §4). Undefined: no such query. Throws DecodeError.
 */
export function answerInfoQuery(sources: InfoSources, type: number, payload: Buffer): Buffer | undefined {
  switch (type) {
    case ANTOAN_GET_VERSION.number:
      return version(payload);
    case ANTOAN_GET_CONFIG.number:
      return option(sources, payload);
    case CLTOCS_HDD_LIST.number:
      CLTOCS_HDD_LIST.decode(payload);
      return CSTOCL_HDD_LIST.encode({ disks: diskList(sources.disks()) });
    case CLTOAN_MODULE_INFO.number:
      return moduleInfo(sources, payload);
    case CLTOAN_MONOTONIC_DATA.number:
      return totals(sources, payload);
    case CLTOAN_CHART_DATA.number:
      return chartData(sources, payload);
    case CLTOAN_CHART.number:
      return chartPicture(sources, payload);
    default:
      return undefined;
  }
}

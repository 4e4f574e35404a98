import {
  ALCES_MSGID,
  ALCES_VERSION_STRING,
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
  CLTOMA_MEMORY_INFO,
  MATOCL_MEMORY_INFO,
  ModuleType,
  VERSION,
  VERSION_STRING,
} from '@alces/proto';
import { POINTS, RANGE_STEPS_SECONDS } from '../../charts/engine.ts';
import { chartNumber, MASTER_SERIES } from '../../charts/masterSeries.ts';
import { drawChart } from '../../charts/picture.ts';
import { ClientKind } from '../client.ts';
import type { DispatchTable } from '../dispatch.ts';
import { memoryByKind } from './memory.ts';
import { MONITORS, type MonitorSources } from './sources.ts';

const EVERYBODY = ClientKind.unregistered | ClientKind.mount | ClientKind.tools;
const NO_DATA = 0xffffffffffffffffn;
const LETTER_CASE = 0x20;
const FIRST_LETTER_ID = 0x01000000;
const ANSWER_LIMIT_BYTES = 255;

/** Registers the messages about the daemon itself: version, configuration, module, memory, charts (spec 70 §3.12, 3.17-3.20, 5). */
export function addDaemonMessages(table: DispatchTable, sources: MonitorSources): void {
  const { core, statistics } = sources;
  table.on(ANTOAN_GET_VERSION, EVERYBODY, (client, { msgid }) => {
    const answer = {
      version: VERSION,
      text: Buffer.from(msgid === ALCES_MSGID ? ALCES_VERSION_STRING : VERSION_STRING),
    };
    client.send(
      ANTOAN_VERSION,
      msgid === undefined ? { layout: 'plain', ...answer } : { layout: 'msgid', msgid, ...answer },
    );
  });
  table.on(ANTOAN_GET_CONFIG, EVERYBODY, (client, { msgid, option }) => {
    const text = sources.configText(option.toString('latin1'));
    client.send(ANTOAN_CONFIG_VALUE, { msgid, value: Buffer.from(text, 'latin1').subarray(0, ANSWER_LIMIT_BYTES) });
  });
  table.on(CLTOAN_MODULE_INFO, MONITORS, (client, { msgid }) =>
    client.send(ANTOCL_MODULE_INFO, {
      msgid,
      type: ModuleType.MASTER,
      version: VERSION,
      id: 0,
      metaId: core.state.metaid,
      leaderIp: 0,
      leaderPort: 0,
    }),
  );
  table.on(CLTOMA_MEMORY_INFO, MONITORS, (client) =>
    client.send(MATOCL_MEMORY_INFO, { objects: memoryByKind(core.state) }),
  );
  table.on(CLTOAN_MONOTONIC_DATA, MONITORS, (client) =>
    client.send(ANTOCL_MONOTONIC_DATA, { values: Array.from(statistics.totals, (total) => BigInt(Math.floor(total))) }),
  );
  table.on(CLTOAN_CHART_DATA, MONITORS, (client, { chartId, maxEntries }) => {
    const chart = chartOf(chartId);
    if (!chart || chart.number >= MASTER_SERIES.length) return client.send(ANTOCL_CHART_DATA, { layout: 'unknown' });
    const data = statistics.charts.data(chart.number, chart.range, maxEntries ?? POINTS);
    const values = data.values.map((value) => (Number.isNaN(value) ? NO_DATA : BigInt(Math.floor(value))));
    client.send(ANTOCL_CHART_DATA, { layout: 'data', time: data.timeSeconds, values });
  });
  table.on(CLTOAN_CHART, MONITORS, (client, { chartId, size }) => {
    const chart = chartOf(chartId);
    client.send(ANTOCL_CHART, { image: drawChart(statistics.charts, chart, size?.width ?? 0, size?.height ?? 0) });
  });
}

/** Series (100 and above: combined charts) and range that a chart id names (spec 70 §5.5); undefined when it names none. */
function chartOf(chartId: number): { number: number; range: number } | undefined {
  if (chartId < FIRST_LETTER_ID) {
    const range = chartId % 10;
    return range < RANGE_STEPS_SECONDS.length ? { number: Math.floor(chartId / 10), range } : undefined;
  }
  const bytes = [chartId >>> 24, (chartId >>> 16) & 255, (chartId >>> 8) & 255, chartId & 255];
  const id = String.fromCharCode(...bytes.map((byte) => byte & ~LETTER_CASE));
  const number = chartNumber(id);
  const lowerCase = (place: number) => ((bytes[place]! & LETTER_CASE) !== 0 ? 1 : 0);
  const range = lowerCase(3) + 2 * lowerCase(2) + 4 * lowerCase(1) + 8 * lowerCase(0);
  return number === undefined || range >= RANGE_STEPS_SECONDS.length ? undefined : { number, range };
}

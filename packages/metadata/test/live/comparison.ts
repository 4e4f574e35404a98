import { CLTOMA_FUSE_GETATTR } from '@alces/proto';
import { apply, planQuotaCheck, type WriteOperation } from '../../src/index.ts';
import type { Case } from './case.ts';
import type { LogLine, LogReader } from './logReader.ts';
import type { Mirror } from './mirror.ts';
import type { WireClient } from './wire.ts';

/** Entries that the real master makes by itself. */
const BACKGROUND = new Set([
  'EMPTYTRASH',
  'EMPTYSUSTAINED',
  'FREEINODES',
  'CHUNKDEL',
  'CHUNKADD',
  'SETVERSION',
  'CSDBOP',
  'SETMETAID',
  'SESADD',
  'SESDEL',
  'ROLLBACK',
]);

/** No request is sent in the last part of a second, nor in the first after waiting for that. */
const SECONDS_END_MS = 980;
const SECONDS_START_MS = 10;

/** Requests without an answer. */
const SILENT = new Set(['amtime', 'sustained']);

/** Gives requests to the real master and to the mirror, and throws at the first difference. */
export class Comparison {
  readonly mirror: Mirror;
  private readonly log: LogReader;
  /** Number of requests by kind and status. */
  readonly counts = new Map<string, number>();
  /** Lines of the master's own that came after those of the present request. */
  private later: LogLine[] = [];

  constructor(mirror: Mirror, log: LogReader) {
    this.mirror = mirror;
    this.log = log;
  }

  /** Takes over what was logged so far, whoever caused it. */
  settle(): void {
    for (const line of [...this.later.splice(0), ...this.takeLines(false)]) {
      this.takeOver(line);
    }
  }

  /** Performs one request on both sides; returns the real answer (empty if it was left out, or has none). */
  async run(label: string, test: Case, client: WireClient): Promise<Buffer> {
    const { mirror } = this;
    mirror.sessionId = client.sessionId;
    if (test.isDangerous?.(mirror)) {
      return Buffer.alloc(0);
    }
    await awayFromSecondsEnd();
    this.settle();
    const answer = await this.ask(label, test, client);
    const clock = Math.floor(Date.now() / 1000);
    const lines = this.takeLines(label === 'quota');
    mirror.now = lines[0]?.change.timestamp ?? clock;
    mirror.lines = [];
    mirror.realStatus = answer.length === 5 ? answer[4] : 0;
    mirror.realWrite = lines.map(({ change }) => change.operation).find((o): o is WriteOperation => o.op === 'WRITE');
    const expected = test.run(mirror)?.subarray(8);
    const count = `${label}:${mirror.realStatus}`;
    this.counts.set(count, (this.counts.get(count) ?? 0) + 1);
    this.compare(`${label} in session ${client.sessionId}`, test, answer, expected, lines);
    return answer;
  }

  private async ask(label: string, test: Case, client: WireClient): Promise<Buffer> {
    if (SILENT.has(label)) {
      client.tell(test.frame);
      await client.ask(CLTOMA_FUSE_GETATTR.encode({ msgid: 1, inode: 1, opened: 0, uid: 0, gid: 0 })); // it is done now
      return Buffer.alloc(0);
    }
    return await client.ask(test.frame).catch((error: unknown) => {
      throw new Error(`${label} in session ${client.sessionId}, ${test.frame.toString('hex')}: ${String(error)}`);
    });
  }

  /** New lines: those that no request of ours caused are taken over, the others returned. */
  private takeLines(quotaIsOurs: boolean): LogLine[] {
    const ours: LogLine[] = [];
    for (const line of this.log.read()) {
      const { operation } = line.change;
      const isQuotaCheck = operation.op === 'QUOTA' && !quotaIsOurs;
      if (!BACKGROUND.has(operation.op) && !isQuotaCheck) {
        ours.push(line);
        continue;
      }
      if (ours.length > 0) {
        this.later.push(line);
        continue;
      }
      if (isQuotaCheck) {
        this.checkQuotaLine(line);
      }
      this.takeOver(line);
    }
    return ours;
  }

  /** A line of the real master's quota check: ours must find the same. */
  private checkQuotaLine({ change, text }: LogLine): void {
    const { operation, timestamp } = change;
    const mine = planQuotaCheck(this.mirror.state, timestamp).find(
      ({ inode }) => operation.op === 'QUOTA' && inode === operation.inode,
    );
    if (operation.op !== 'QUOTA' || mine?.exceeded !== operation.exceeded || mine.stimestamp !== operation.stimestamp) {
      throw new Error(`quota check: real ${text}, mine ${mine?.exceeded} ${mine?.stimestamp}`);
    }
  }

  private takeOver({ change, text }: LogLine): void {
    const status = apply(this.mirror.state, change.timestamp, change.operation, 'strict');
    if (status !== 0) {
      throw new Error(`status ${status} for ${text}`);
    }
  }

  private compare(label: string, test: Case, answer: Buffer, expected: Buffer | undefined, lines: LogLine[]): void {
    const normalize = test.normalize ?? ((payload: Buffer): Buffer => payload);
    const real = normalize(answer);
    const mine = expected === undefined ? real : normalize(expected);
    const realLines = lines.map(({ text }) => plainLine(text.replace(/^\d+: /, '')));
    const myLines = this.mirror.lines.map(plainLine);
    if (label.startsWith('sustained')) {
      realLines.sort(); // the order of releases has no meaning
      myLines.sort();
    }
    if (!mine.equals(real) || myLines.join() !== realLines.join()) {
      throw new Error(
        `${label}: ${test.frame.toString('hex')}\nreal ${real.toString('hex')}\nmine ${mine.toString('hex')}\n` +
          `real lines ${realLines.join(' ; ')}\nmy lines   ${myLines.join(' ; ')}`,
      );
    }
  }
}

/** Waits out the end of a second, in which the master's clock and ours could show different ones. */
async function awayFromSecondsEnd(): Promise<void> {
  const intoSecondMs = Date.now() % 1000;
  if (intoSecondMs > SECONDS_END_MS) {
    await new Promise((resolve) => setTimeout(resolve, 1000 - intoSecondMs + SECONDS_START_MS));
  }
}

/** A line without the zeros that keep the stock replayer from misreading gids (spec 51, section 7.1). */
function plainLine(line: string): string {
  return line.replace(/\[[0-9,]*\]/, (gids) => gids.replace(/([[,])0+(?=\d)/g, '$1'));
}

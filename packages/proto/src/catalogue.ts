/** The catalogue as a whole: look-up by number, limits of frames. */
import * as declared from './catalogue/index.ts';
import { Limit } from './constants.ts';
import type { Direction, Link, Message } from './message.ts';

function isMessage(value: unknown): value is Message<unknown> {
  return typeof value === 'object' && value !== null && 'encodeInto' in value;
}

/** Every message, by number. */
export const MESSAGES: readonly Message<unknown>[] = Object.values<unknown>(declared)
  .filter(isMessage)
  .sort((a, b) => a.number - b.number);

type ByNumber = ReadonlyMap<number, Message<unknown>>;

function messagesOf(link: Link): Readonly<Record<Direction, ByNumber>> {
  const of = (direction: Direction): ByNumber =>
    new Map(
      MESSAGES.filter((m) => m.routes.some((r) => r.link === link && r.direction === direction)).map((m) => [
        m.number,
        m,
      ]),
    );
  return { request: of('request'), reply: of('reply') };
}

const BY_ROUTE: Readonly<Record<Link, Readonly<Record<Direction, ByNumber>>>> = {
  ML: messagesOf('ML'),
  CS: messagesOf('CS'),
  CL: messagesOf('CL'),
  DATA: messagesOf('DATA'),
};

/** The message that a number means on a link in a direction; undefined for unknown ones. */
export function findMessage(link: Link, direction: Direction, number: number): Message<unknown> | undefined {
  return BY_ROUTE[link][direction].get(number);
}

const NO_LIMIT = 0xffff_ffff;

/** Greatest payload that the receiver of a link's direction accepts (spec 00 §1.3). */
const LINK_LIMITS: Readonly<Record<Link, Readonly<Record<Direction, number>>>> = {
  ML: { request: Limit.MASTER_FROM_METALOGGER, reply: Limit.METALOGGER_FROM_MASTER },
  CS: { request: Limit.MASTER_FROM_CHUNKSERVER, reply: Limit.CHUNKSERVER_FROM_MASTER },
  CL: { request: Limit.MASTER_FROM_CLIENT, reply: NO_LIMIT },
  DATA: { request: Limit.CHUNKSERVER_FROM_CLIENT, reply: NO_LIMIT },
};

/** NOP and the two notices are ignored at any length. */
const LAST_IGNORED = 2;

/**
 * The limit for a FrameReader that receives a link's direction: that of the link, or what the message can have at most
 * if that is less (so that a header announcing more closes the connection before its payload is collected).
 */
export function frameLimit(link: Link, direction: Direction): (type: number) => number {
  const linkLimit = LINK_LIMITS[link][direction];
  const limits = new Map<number, number>();
  for (const [number, message] of BY_ROUTE[link][direction]) {
    if (number > LAST_IGNORED && message.limit < linkLimit) limits.set(number, message.limit);
  }
  return (type) => limits.get(type) ?? linkLimit;
}

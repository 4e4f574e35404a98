/** The catalogue as a whole: look-up by number, limits of frames. */
import * as declared from './catalogue/index.ts';
import { Limit } from './constants.ts';
import type { FrameLimit } from './framing.ts';
import type { Direction, Link, Message } from './message.ts';

function isMessage(value: unknown): value is Message<unknown> {
  return typeof value === 'object' && value !== null && 'encodeInto' in value;
}

/** Every message, by number. */
export const MESSAGES: readonly Message<unknown>[] = Object.values<unknown>(declared)
  .filter(isMessage)
  .sort((a, b) => a.number - b.number);

const byRoute = new Map<string, Message<unknown>>(
  MESSAGES.flatMap((m) => m.routes.map(({ link, direction }) => [`${link} ${direction} ${m.number}`, m] as const)),
);

/** The message that a number means on a link in a direction; undefined for unknown ones. */
export function findMessage(link: Link, direction: Direction, number: number): Message<unknown> | undefined {
  return byRoute.get(`${link} ${direction} ${number}`);
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
export function frameLimit(link: Link, direction: Direction): FrameLimit {
  const linkLimit = LINK_LIMITS[link][direction];
  return (type) => {
    if (type <= LAST_IGNORED) return linkLimit;
    return Math.min(linkLimit, findMessage(link, direction, type)?.limit ?? linkLimit);
  };
}

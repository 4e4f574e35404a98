/** Messages to and from frames: numbers far outside MooseFS's, bodies of msgpackr, entries packed apart. */
import { Packr } from 'msgpackr';
import type { About, Grant, Message, RefusalReason } from '../core/messages.ts';
import type { Entry } from '../entry.ts';
import type { EpochRecord, LogDescription, Position } from '../history.ts';
import { packEntries, unpackEntries } from './entries.ts';
import { asList, asPosition, BadMessage, Fields } from './fields.ts';

/** `AL` in the upper half; MooseFS's numbers are below 2000. */
export const FIRST_NUMBER = 0x414c_0000;

const KINDS = [
  'hello',
  'ping',
  'promiseRequest',
  'promiseReply',
  'refusal',
  'fetch',
  'query',
  'describe',
  'append',
  'heartbeat',
  'ack',
  'imageOffer',
  'imageGet',
  'imageData',
  'imageGone',
  'release',
  'takeOver',
] as const satisfies readonly Message['kind'][];
const KIND_OFFSET = 16;

const ROLES = ['leader', 'candidate', 'follower'] as const;
const REASONS = ['epoch', 'leaderAlive', 'splitBrain', 'incomplete'] as const satisfies readonly RefusalReason[];

// Without records no structure that a peer defines is compiled or kept.
const packr = new Packr({ useRecords: false, moreTypes: false });

/** The message number of each kind. */
export function numberOf(kind: Message['kind']): number {
  return FIRST_NUMBER + KIND_OFFSET + KINDS.indexOf(kind);
}

const packRecord = (r: EpochRecord) => [r.epoch, r.first, r.leader, r.id, r.members, r.startedMs];
const packLog = (log: LogDescription) => [log.history.map(packRecord), log.base, log.last, log.commit, log.joined];
const packAbout = ({ role, promised, discard, maintenance, log }: About) => [
  ROLES.indexOf(role),
  promised,
  discard,
  maintenance,
  packLog(log),
];
const packPosition = (position: Position) => [position.epoch, position.version];

function fieldsOf(message: Message): unknown[] {
  switch (message.kind) {
    case 'hello':
      return [packAbout(message.about)];
    case 'ping':
      return [ROLES.indexOf(message.role), message.promised, message.last, message.commit];
    case 'promiseRequest':
      return [message.epoch, message.order, packAbout(message.about)];
    case 'promiseReply':
      return [message.epoch, message.grants.map((g) => [g.leader, g.remainingMs]), packAbout(message.about)];
    case 'refusal':
      return [message.epoch, message.promised, REASONS.indexOf(message.reason), message.leading];
    case 'fetch':
      return [message.epoch, packAbout(message.about)];
    case 'query':
      return [message.epoch, message.sentMs, packAbout(message.about)];
    case 'describe':
      return [message.epoch, message.echoMs, packAbout(message.about)];
    case 'append': {
      const { epoch, prev, records, entries, commit } = message;
      return [epoch, packPosition(prev), records.map(packRecord), packEntries(entries), commit];
    }
    case 'heartbeat':
      return [message.epoch, message.sentMs, message.commit, message.retain];
    case 'ack':
      return [message.epoch, message.echoMs, message.stored, message.taken];
    case 'imageOffer': {
      const { epoch, image, version, lengthBytes, crc, history } = message;
      return [epoch, image, version, lengthBytes, crc, history.map(packRecord)];
    }
    case 'imageGet':
      return [message.image, message.offset, message.lengthBytes];
    case 'imageData':
      return [message.image, message.offset, message.crc, message.bytes];
    case 'imageGone':
      return [message.image];
    case 'release':
    case 'takeOver':
      return [message.epoch];
  }
}

/** The body of a message's frame. */
export function encodeMessage(message: Message): Buffer {
  return packr.pack(fieldsOf(message));
}

function readRecord(value: unknown): EpochRecord {
  const fields = new Fields(value, 6);
  return {
    epoch: fields.count(),
    first: fields.count(),
    leader: fields.name(),
    id: fields.text(64),
    members: fields.list(16).map((member) => new Fields([member], 1).name()),
    startedMs: fields.time(),
  };
}

function readLog(value: unknown): LogDescription {
  const fields = new Fields(value, 5);
  const history = fields.list(1024).map(readRecord);
  return { history, base: fields.count(), last: fields.count(), commit: fields.count(), joined: fields.flag() };
}

function readAbout(value: unknown): About {
  const fields = new Fields(value, 5);
  return {
    role: fields.choice(ROLES),
    promised: fields.count(),
    discard: fields.flag(),
    maintenance: fields.flag(),
    log: readLog(fields.next()),
  };
}

function readGrant(value: unknown): Grant {
  const fields = new Fields(value, 2);
  return { leader: fields.name(), remainingMs: fields.time() };
}

function readAppend(fields: Fields): Message {
  const epoch = fields.count();
  const prev = asPosition(fields.next());
  const records = fields.list(1024).map(readRecord);
  const entries: Entry[] = unpackEntries(fields.bytes(), prev.version + 1);
  return { kind: 'append', epoch, prev, records, entries, commit: fields.count() };
}

function readMessage(kind: Message['kind'], fields: Fields): Message {
  switch (kind) {
    case 'hello':
      return { kind, about: readAbout(fields.next()) };
    case 'ping':
      return {
        kind,
        role: fields.choice(ROLES),
        promised: fields.count(),
        last: fields.count(),
        commit: fields.count(),
      };
    case 'promiseRequest':
      return { kind, epoch: fields.count(), order: fields.flag(), about: readAbout(fields.next()) };
    case 'promiseReply':
      return { kind, epoch: fields.count(), grants: fields.list(16).map(readGrant), about: readAbout(fields.next()) };
    case 'refusal':
      return {
        kind,
        epoch: fields.count(),
        promised: fields.count(),
        reason: fields.choice(REASONS),
        leading: fields.flag(),
      };
    case 'fetch':
      return { kind, epoch: fields.count(), about: readAbout(fields.next()) };
    case 'query':
      return { kind, epoch: fields.count(), sentMs: fields.time(), about: readAbout(fields.next()) };
    case 'describe':
      return { kind, epoch: fields.count(), echoMs: fields.time(), about: readAbout(fields.next()) };
    case 'append':
      return readAppend(fields);
    case 'heartbeat':
      return { kind, epoch: fields.count(), sentMs: fields.time(), commit: fields.count(), retain: fields.count() };
    case 'ack':
      return {
        kind,
        epoch: fields.count(),
        echoMs: fields.time(),
        stored: fields.count(-1),
        taken: fields.count(-1),
      };
    case 'imageOffer':
      return {
        kind,
        epoch: fields.count(),
        image: fields.count(),
        version: fields.count(),
        lengthBytes: fields.count(),
        crc: fields.count(),
        history: fields.list(1024).map(readRecord),
      };
    case 'imageGet':
      return { kind, image: fields.count(), offset: fields.count(), lengthBytes: fields.count() };
    case 'imageData':
      return { kind, image: fields.count(), offset: fields.count(), crc: fields.count(), bytes: fields.bytes() };
    case 'imageGone':
      return { kind, image: fields.count() };
    case 'release':
    case 'takeOver':
      return { kind, epoch: fields.count() };
  }
}

/** The message of a frame. Throws BadMessage for anything that `encodeMessage` does not make. */
export function decodeMessage(number: number, body: Buffer): Message {
  const kind = KINDS[number - FIRST_NUMBER - KIND_OFFSET];
  if (kind === undefined) throw new BadMessage(`message ${number} is unknown`);
  let value: unknown;
  try {
    value = packr.unpack(body);
  } catch (error) {
    throw new BadMessage(`${kind}: ${error instanceof Error ? error.message : error}`);
  }
  try {
    const fields = new Fields(value, asList(value, 8).length);
    const message = readMessage(kind, fields);
    fields.end();
    return message;
  } catch (error) {
    if (error instanceof BadMessage) throw new BadMessage(`${kind}: ${error.message}`);
    throw error;
  }
}

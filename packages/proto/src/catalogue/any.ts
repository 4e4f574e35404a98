/** Messages of all links (spec 00 §1.6). */
import { type Link, message } from '../message.ts';
import { bytes8, optional, rest, u32, whenLeft } from '../schema.ts';

const ALL: readonly Link[] = ['ML', 'CS', 'CL', 'DATA'];

/**
 * `msgid` is there, and 0, on CL only: a mount reads 12 bytes at a time. Daemons ignore a received NOP whatever its length,
 * so do not decode it there.
 */
export const ANTOAN_NOP = message({
  number: 0,
  name: 'ANTOAN_NOP',
  link: ALL,
  direction: 'both',
  purpose: 'keep the connection alive; never answered',
  fields: { msgid: optional(u32) },
});

export const ANTOAN_UNKNOWN_COMMAND = message({
  number: 1,
  name: 'ANTOAN_UNKNOWN_COMMAND',
  link: ALL,
  direction: 'both',
  purpose: '"unknown request" notice; ignored, never sent by 3.0.117',
  fields: { msgid: whenLeft([16], u32), command: u32, size: u32, version: u32 },
});

export const ANTOAN_BAD_COMMAND_SIZE = message({
  number: 2,
  name: 'ANTOAN_BAD_COMMAND_SIZE',
  link: ALL,
  direction: 'both',
  purpose: '"wrong size" notice; ignored, never sent by 3.0.117',
  fields: { msgid: whenLeft([16], u32), command: u32, size: u32, version: u32 },
});

export const ANTOAN_GET_VERSION = message({
  number: 10,
  name: 'ANTOAN_GET_VERSION',
  link: ALL,
  direction: 'request',
  purpose: "ask for the daemon's version",
  fields: { msgid: optional(u32) },
});

/** The major number never reaches 2^8 * 2^8, so the first byte of a version is 0 and that of its text is not. */
const VERSION_TEXT_OFFSET = 4;

export const ANTOAN_VERSION = message({
  number: 11,
  name: 'ANTOAN_VERSION',
  link: ALL,
  direction: 'reply',
  purpose: "the daemon's version and its text",
  layouts: {
    plain: {
      fields: { version: u32, text: rest },
      match: (payload) => payload.length < 8 || payload[VERSION_TEXT_OFFSET] !== 0,
      note: 'the request had no msgid',
    },
    msgid: { fields: { msgid: u32, version: u32, text: rest }, note: 'the request had a msgid' },
  },
});

export const ANTOAN_GET_CONFIG = message({
  number: 80,
  name: 'ANTOAN_GET_CONFIG',
  link: ALL,
  direction: 'request',
  purpose: 'ask for one option of the configuration file',
  fields: { msgid: u32, option: bytes8 },
});

export const ANTOAN_CONFIG_VALUE = message({
  number: 81,
  name: 'ANTOAN_CONFIG_VALUE',
  link: ALL,
  direction: 'reply',
  purpose: 'value of the option, empty if it is not set in the file',
  fields: { msgid: u32, value: bytes8 },
});

/** The metalogger's link (spec 52 §3). */
import { message } from '../message.ts';
import { bytesOf, constant, count32, restZero, u8, u16, u32, u64 } from '../schema.ts';

export const ANTOMA_REGISTER = message({
  number: 50,
  name: 'ANTOMA_REGISTER',
  link: 'ML',
  direction: 'request',
  purpose: 'register, and ask for changes; timeout in seconds',
  layouts: {
    fromNow: { fields: { rver: constant(1, 1), version: u32, timeout: u16 } },
    fromVersion: { fields: { rver: constant(1, 2), version: u32, timeout: u16, metaVersion: u64 } },
  },
});

/** `text` is the changelog line after `version: `, without its line end. */
export const MATOAN_METACHANGES_LOG = message({
  number: 51,
  name: 'MATOAN_METACHANGES_LOG',
  link: 'ML',
  direction: 'reply',
  purpose: 'one change, or the mark that the changelog was rotated',
  layouts: {
    change: { fields: { mark: constant(1, 0xff), metaVersion: u64, text: restZero } },
    rotate: { fields: { mark: constant(1, 0x55) } },
  },
});

export const DownloadFile = { METADATA: 1, SESSIONS: 2, CHANGELOG_0: 11, CHANGELOG_1: 12 } as const;

export const ANTOMA_DOWNLOAD_START = message({
  number: 60,
  name: 'ANTOMA_DOWNLOAD_START',
  link: 'ML',
  direction: 'request',
  purpose: 'open a file of the master (`DownloadFile`)',
  fields: { file: u8 },
});

export const MATOAN_DOWNLOAD_INFO = message({
  number: 61,
  name: 'MATOAN_DOWNLOAD_INFO',
  link: 'ML',
  direction: 'reply',
  purpose: 'length of the file',
  layouts: {
    size: { fields: { size: u64 } },
    failed: { fields: { status: u8 }, note: '0xFF: cannot be opened' },
  },
});

export const ANTOMA_DOWNLOAD_REQUEST = message({
  number: 62,
  name: 'ANTOMA_DOWNLOAD_REQUEST',
  link: 'ML',
  direction: 'request',
  purpose: 'ask for a part of the file',
  fields: { offset: u64, length: u32 },
});

export const MATOAN_DOWNLOAD_DATA = message({
  number: 63,
  name: 'MATOAN_DOWNLOAD_DATA',
  link: 'ML',
  direction: 'reply',
  purpose: 'a part of the file',
  fields: { offset: u64, length: count32('data'), crc: u32, data: bytesOf('length') },
});

export const ANTOMA_DOWNLOAD_END = message({
  number: 64,
  name: 'ANTOMA_DOWNLOAD_END',
  link: 'ML',
  direction: 'request',
  purpose: 'close the file; no answer',
  fields: {},
});

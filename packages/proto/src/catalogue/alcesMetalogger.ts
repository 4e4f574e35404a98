/**
 * What an Alces master and an Alces metalogger say to each other beyond the protocol of MooseFS (docs/decisions/0101). Nobody
 * sends these before the other side has made itself known: the metalogger asks GET_VERSION with `ALCES_MSGID`, which any
 * master answers, and an Alces master's text is `ALCES_VERSION_STRING`.
 */
import { message } from '../message.ts';
import { bytes8, bytesOf, count32, list8, record, u8, u16, u32, u64, u64n } from '../schema.ts';
import { VERSION_STRING } from '../version.ts';

/** The msgid with which an Alces peer asks for the version: `ALCE`. */
export const ALCES_MSGID = 0x414c_4345;
/** What an Alces master answers to that. The number grows when messages below change. */
export const ALCES_VERSION_STRING = `${VERSION_STRING} alces/1`;

export const AlcesFile = { IMAGE: 1, CHANGELOG: 2 } as const;

export const ANTOMA_ALCES_OPEN = message({
  number: 0x414d_0001,
  name: 'ANTOMA_ALCES_OPEN',
  link: 'ML',
  direction: 'request',
  purpose: 'Alces: open a file of the master (`AlcesFile`; `number`: which changelog); closes the one before',
  fields: { file: u8, number: u16 },
});

export const MATOAN_ALCES_OPENED = message({
  number: 0x414d_0002,
  name: 'MATOAN_ALCES_OPENED',
  link: 'ML',
  direction: 'reply',
  purpose: 'Alces: length of the file; for images also the checksum of all of it',
  layouts: {
    open: { fields: { size: u64, crc: u32 } },
    failed: { fields: { status: u8 }, note: 'no such file' },
  },
});

export const ANTOMA_ALCES_READ = message({
  number: 0x414d_0003,
  name: 'ANTOMA_ALCES_READ',
  link: 'ML',
  direction: 'request',
  purpose: 'Alces: ask for a part of the file',
  fields: { offset: u64, length: u32 },
});

/** `crc` is that of the bytes before compression. */
export const MATOAN_ALCES_DATA = message({
  number: 0x414d_0004,
  name: 'MATOAN_ALCES_DATA',
  link: 'ML',
  direction: 'reply',
  purpose: 'Alces: a part of the file; `compression`: 0 none, 1 an LZ4 block behind its length (u32, little-endian)',
  fields: { offset: u64, crc: u32, compression: u8, length: count32('data'), data: bytesOf('length') },
});

export const ANTOMA_ALCES_DIGEST = message({
  number: 0x414d_0005,
  name: 'ANTOMA_ALCES_DIGEST',
  link: 'ML',
  direction: 'request',
  purpose: "Alces: ask for a digest of the master's state",
  fields: {},
});

export const MATOAN_ALCES_DIGEST_AT = message({
  number: 0x414d_0006,
  name: 'MATOAN_ALCES_DIGEST_AT',
  link: 'ML',
  direction: 'reply',
  purpose: 'Alces: the digest will be that of this version and time; comes before the change with this number',
  fields: { metaVersion: u64, time: u32 },
});

export const MATOAN_ALCES_DIGEST = message({
  number: 0x414d_0007,
  name: 'MATOAN_ALCES_DIGEST',
  link: 'ML',
  direction: 'reply',
  purpose: "Alces: digests of the tables of the master's state",
  fields: { metaVersion: u64, tables: list8(record({ name: bytes8, digest: u64n })) },
});

/** `tables`: names of those that differ, none if the states are equal. */
export const ANTOMA_ALCES_VERDICT = message({
  number: 0x414d_0008,
  name: 'ANTOMA_ALCES_VERDICT',
  link: 'ML',
  direction: 'request',
  purpose: 'Alces: what comparing the digests gave',
  fields: { metaVersion: u64, tables: list8(record({ name: bytes8 })) },
});

/** Frames as text, for packet dumps and log lines. */
import { findMessage } from './catalogue.ts';
import { DecodeError } from './errors.ts';
import type { Direction, Link } from './message.ts';

const MAX_BYTES_SHOWN = 64;
const MAX_ELEMENTS_SHOWN = 32;

/** Printable bytes as a quoted string, others in hex; cut at 64 bytes. */
function describeBytes(bytes: Buffer): string {
  const shown = bytes.subarray(0, MAX_BYTES_SHOWN);
  const cut = bytes.length > MAX_BYTES_SHOWN ? `...(${bytes.length} bytes)` : '';
  const isText = shown.every((byte) => byte >= 0x20 && byte < 0x7f);
  return isText ? JSON.stringify(shown.toString('latin1')) + cut : `0x${shown.toString('hex')}${cut}`;
}

function describeValue(value: unknown): string {
  if (Buffer.isBuffer(value)) return describeBytes(value);
  if (Array.isArray(value)) {
    const shown = value.slice(0, MAX_ELEMENTS_SHOWN).map(describeValue).join(', ');
    return value.length > MAX_ELEMENTS_SHOWN ? `[${shown}, ...(${value.length})]` : `[${shown}]`;
  }
  if (typeof value === 'object' && value !== null) return `{${describeFields(value)}}`;
  return String(value);
}

function describeFields(record: object): string {
  return Object.entries(record)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${describeValue(value)}`)
    .join(' ');
}

/**
 * One line: name of the message and its fields, e.g. `CLTOMA_FUSE_READLINK msgid=1 inode=4`. Unknown and malformed
 * frames are shown with their bytes; this never throws.
 */
export function describeFrame(link: Link, direction: Direction, type: number, payload: Buffer): string {
  const message = findMessage(link, direction, type);
  if (message === undefined) return `unknown message ${type}, ${payload.length} bytes: ${describeBytes(payload)}`;
  try {
    return `${message.name} ${describeFields(message.decode(payload) as object)}`.trimEnd();
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return `${message.name} malformed (${error.message}), ${payload.length} bytes: ${describeBytes(payload)}`;
  }
}

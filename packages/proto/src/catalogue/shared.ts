/** Forms that many messages share. */
import { type Message, message } from '../message.ts';
import { attr, attr35, type FieldMap, listRest, record, type Shape, u8, u16, u32, u64cap } from '../schema.ts';

/** `msgid:u32 status:u8`: the form of every refusal on CL (spec 00 §1.9). */
const status = { fields: { msgid: u32, status: u8 } };

/** A request or notification of the CL link. */
export function request<const F extends FieldMap>(
  number: number,
  name: string,
  purpose: string,
  fields: F,
  older: Parameters<typeof message>[0]['older'] = [],
): Message<Shape<F>> {
  return message({ number, name, link: 'CL', direction: 'request', purpose, fields, older });
}

/** A reply of the CL link that is a status and nothing else. */
export function statusReply(number: number, name: string, purpose: string): Message<Shape<(typeof status)['fields']>> {
  return message({ number, name, link: 'CL', direction: 'reply', purpose, fields: status.fields });
}

/** A status, or data whose fields follow the msgid. */
export type StatusOr<Data> = ({ layout: 'status' } & { msgid: number; status: number }) | ({ layout: 'data' } & Data);

/** A reply of the CL link: a status (5 bytes) or data of any other length. */
export function dataReply<const F extends FieldMap>(
  number: number,
  name: string,
  purpose: string,
  fields: F,
): Message<StatusOr<Shape<F & { msgid: typeof u32 }>>> {
  const declaration = { status, data: { fields: { msgid: u32, ...fields } } };
  return message({ number, name, link: 'CL', direction: 'reply', purpose, layouts: declaration }) as never;
}

/** A reply that is a status or ends with attributes; `data35` goes to clients before 3.0.93. */
export function attrReply<const F extends FieldMap>(
  number: number,
  name: string,
  purpose: string,
  fields: F,
): Message<
  | StatusOr<Shape<F & { msgid: typeof u32; attr: typeof attr }>>
  | ({ layout: 'data35' } & Shape<F & { msgid: typeof u32; attr: typeof attr35 }>)
> {
  const declaration = {
    status,
    data: { fields: { msgid: u32, ...fields, attr } },
    data35: { fields: { msgid: u32, ...fields, attr: attr35 }, note: 'clients before 3.0.93' },
  };
  return message({ number, name, link: 'CL', direction: 'reply', purpose, layouts: declaration }) as never;
}

/** Where a copy of a chunk is, as clients >= 3.0.10 are told. Bit i of `labelMask`: the server has label 'A' + i. */
export const chunkLocations = listRest(record({ ip: u32, port: u16, csVersion: u32, labelMask: u32 }));

/** Counters of one disk over a time. */
export const diskStatistics = record({
  bytesRead: u64cap,
  bytesWritten: u64cap,
  usecRead: u64cap,
  usecWrite: u64cap,
  usecFsync: u64cap,
  readOps: u32,
  writeOps: u32,
  fsyncOps: u32,
  usecReadMax: u32,
  usecWriteMax: u32,
  usecFsyncMax: u32,
});

/** QUOT, XATR and PACL sections (spec 50 §3.6-3.8, older versions §4). */
import type { ImageInput, Resumable } from '../input.ts';
import type { AclRecord, QuotaRecord, SectionContext, XattrRecord } from '../records.ts';

const LONGEST_XATTR_VALUE = 65536;

function readQuota(quota: QuotaRecord, view: DataView, start: number, version: number): void {
  quota.inode = view.getUint32(start);
  let at = start + 4;
  quota.gracePeriod = undefined;
  if (version >= 0x11) {
    quota.gracePeriod = view.getUint32(at);
    at += 4;
  }
  quota.exceeded = view.getUint8(at);
  quota.flags = view.getUint8(at + 1);
  quota.softSince = view.getUint32(at + 2);
  quota.softInodes = view.getUint32(at + 6);
  quota.hardInodes = view.getUint32(at + 10);
  quota.softLength = view.getBigUint64(at + 14);
  quota.hardLength = view.getBigUint64(at + 22);
  quota.softSize = view.getBigUint64(at + 30);
  quota.hardSize = view.getBigUint64(at + 38);
  quota.softRealSize = view.getBigUint64(at + 46);
  quota.hardRealSize = view.getBigUint64(at + 54);
}

export function* parseQuotas(input: ImageInput, context: SectionContext): Resumable<void> {
  const recordBytes = context.version >= 0x11 ? 70 : 66;
  yield* input.demand(4);
  const count = input.view.getUint32(input.position);
  input.position += 4;
  context.sink.quotas(count);
  const quota = {} as QuotaRecord;
  for (let i = 0; i < count; i++) {
    if (input.available < recordBytes) yield* input.demand(recordBytes);
    readQuota(quota, input.view, input.position, context.version);
    context.sink.quota(quota);
    input.position += recordBytes;
  }
}

export function* parseXattrs(input: ImageInput, context: SectionContext): Resumable<void> {
  const xattr: XattrRecord = { inode: 0, bytes: input.bytes, nameStart: 0, nameEnd: 0, valueStart: 0, valueEnd: 0 };
  for (;;) {
    if (input.available < 9) yield* input.demand(9);
    xattr.inode = input.view.getUint32(input.position);
    if (xattr.inode === 0) break;
    const nameBytes = input.view.getUint8(input.position + 4);
    const valueBytes = input.view.getUint32(input.position + 5);
    const total = 9 + nameBytes + valueBytes;
    const problem =
      nameBytes === 0
        ? 'an xattr with an empty name'
        : valueBytes > LONGEST_XATTR_VALUE
          ? 'an xattr value is too long'
          : '';
    if (problem) {
      context.tolerate(`${problem} (inode ${xattr.inode})`, input.offset);
      yield* input.skip(total);
      continue;
    }
    if (input.available < total) yield* input.demand(total);
    xattr.bytes = input.bytes;
    xattr.nameStart = input.position + 9;
    xattr.nameEnd = xattr.valueStart = xattr.nameStart + nameBytes;
    xattr.valueEnd = xattr.valueStart + valueBytes;
    context.sink.xattr(xattr);
    input.position += total;
  }
  input.position += 9;
}

export function* parseAcls(input: ImageInput, context: SectionContext): Resumable<void> {
  const acl = {} as AclRecord;
  for (;;) {
    if (input.available < 17) yield* input.demand(17);
    const { view, position } = input;
    acl.inode = view.getUint32(position);
    if (acl.inode === 0) break;
    acl.type = view.getUint8(position + 4);
    acl.user = view.getUint16(position + 5);
    acl.group = view.getUint16(position + 7);
    acl.other = view.getUint16(position + 9);
    acl.mask = view.getUint16(position + 11);
    acl.namedUsers = view.getUint16(position + 13);
    acl.namedGroups = view.getUint16(position + 15);
    const total = 17 + (acl.namedUsers + acl.namedGroups) * 6;
    if (input.available < total) yield* input.demand(total);
    if (acl.type === 1 || acl.type === 2) {
      acl.bytes = input.bytes;
      acl.view = input.view;
      acl.namedStart = input.position + 17;
      context.sink.acl(acl);
    } else {
      context.tolerate(`wrong acl type ${acl.type} (inode ${acl.inode})`, input.offset);
    }
    input.position += total;
  }
  input.position += 17;
}

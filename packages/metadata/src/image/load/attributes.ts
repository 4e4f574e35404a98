/** Quotas, extended attributes and ACLs into the tables (spec 50 §3.6-3.8). */
import type { State } from '../../state.ts';
import { ACL_DEFAULT, TYPE_DIRECTORY } from '../../tables/constants.ts';
import type { ImageSink } from '../records.ts';
import type { LoadHost } from './host.ts';

const VERSION_WITH_MASKLESS_ACLS = 0x10;
const ACL_ENTRY_BYTES = 6;

type AttributeSink = Pick<ImageSink, 'quotas' | 'quota' | 'xattr' | 'acl'>;

export function attributeSink(state: State, host: LoadHost): AttributeSink {
  const { nodes } = state;
  return {
    quotas() {
      // the number of records is known from the records themselves
    },

    quota(record) {
      const row = nodes.find(record.inode);
      if (row === 0 || nodes.type.get(row) !== TYPE_DIRECTORY) {
        host.tolerate(`quota of inode ${record.inode}, which is no directory`);
        return;
      }
      state.quotas.set(record.inode, {
        graceperiod: record.gracePeriod ?? host.defaultQuotaGrace,
        exceeded: record.exceeded,
        flags: record.flags,
        stimestamp: record.softSince,
        sinodes: record.softInodes,
        hinodes: record.hardInodes,
        slength: record.softLength,
        hlength: record.hardLength,
        ssize: record.softSize,
        hsize: record.hardSize,
        srealsize: record.softRealSize,
        hrealsize: record.hardRealSize,
      });
    },

    xattr(record) {
      const row = nodes.find(record.inode);
      if (row === 0) return;
      const { bytes } = record;
      const name = bytes.subarray(record.nameStart, record.nameEnd);
      state.xattrs.insertLast(row, name, bytes.subarray(record.valueStart, record.valueEnd));
    },

    acl(record) {
      const { inode, type } = record;
      const row = nodes.find(inode);
      if (row === 0) return;
      if (state.acls.find(row, type) !== 0) {
        host.tolerate(`inode ${inode} has two ACLs of type ${type}${type === ACL_DEFAULT ? ' (default)' : ''}`);
        return;
      }
      let { user, other, mask } = record;
      if (host.sectionVersion() <= VERSION_WITH_MASKLESS_ACLS && mask === 0) {
        host.notice(`ACL of inode ${inode} has an empty mask - taken from the mode`);
        user = (nodes.mode.get(row) >> 6) & 7;
        other = nodes.mode.get(row) & 7;
        mask = 7;
      }
      const { namedUsers, namedGroups, namedStart } = record;
      const entries = record.bytes.subarray(namedStart, namedStart + (namedUsers + namedGroups) * ACL_ENTRY_BYTES);
      const { group } = record;
      state.acls.set(row, type, { user, group, other, mask, nusers: namedUsers, ngroups: namedGroups, entries });
    },
  };
}

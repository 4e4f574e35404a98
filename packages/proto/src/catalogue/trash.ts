/** Trash and sustained files on CL, for sessions without a root (spec 10 §9). */
import { bytes8, bytes32, listRest, optional, record, u8, u32 } from '../schema.ts';
import { attrReply, dataReply, request, statusReply } from './shared.ts';

const inodeRequest = { msgid: u32, inode: u32 };
const entries = listRest(record({ name: bytes8, inode: u32 }));

export const CLTOMA_FUSE_GETTRASH = request(450, 'CLTOMA_FUSE_GETTRASH', 'list a bucket of the trash, or all of it', {
  msgid: u32,
  bucket: optional(u32),
});
export const MATOCL_FUSE_GETTRASH = dataReply(451, 'MATOCL_FUSE_GETTRASH', 'names (`/` shown as `|`) and inodes', {
  entries,
});

export const CLTOMA_FUSE_GETDETACHEDATTR = request(
  452,
  'CLTOMA_FUSE_GETDETACHEDATTR',
  'attributes of a detached file; type 0 (default) is any',
  { ...inodeRequest, type: optional(u8) },
);
export const MATOCL_FUSE_GETDETACHEDATTR = attrReply(453, 'MATOCL_FUSE_GETDETACHEDATTR', 'attributes', {});

export const CLTOMA_FUSE_GETTRASHPATH = request(454, 'CLTOMA_FUSE_GETTRASHPATH', 'path of a trash file', inodeRequest);
export const MATOCL_FUSE_GETTRASHPATH = dataReply(455, 'MATOCL_FUSE_GETTRASHPATH', 'path, with a trailing zero byte', {
  path: bytes32,
});

export const CLTOMA_FUSE_SETTRASHPATH = request(456, 'CLTOMA_FUSE_SETTRASHPATH', 'change the path of a trash file', {
  ...inodeRequest,
  path: bytes32,
});
export const MATOCL_FUSE_SETTRASHPATH = statusReply(457, 'MATOCL_FUSE_SETTRASHPATH', 'result');

export const CLTOMA_FUSE_UNDEL = request(458, 'CLTOMA_FUSE_UNDEL', 'put a trash file back', inodeRequest);
export const MATOCL_FUSE_UNDEL = statusReply(459, 'MATOCL_FUSE_UNDEL', 'result');

export const CLTOMA_FUSE_PURGE = request(460, 'CLTOMA_FUSE_PURGE', 'delete a trash file for good', inodeRequest);
export const MATOCL_FUSE_PURGE = statusReply(461, 'MATOCL_FUSE_PURGE', 'result');

export const CLTOMA_FUSE_GETSUSTAINED = request(470, 'CLTOMA_FUSE_GETSUSTAINED', 'list sustained files', {
  msgid: u32,
});
export const MATOCL_FUSE_GETSUSTAINED = dataReply(471, 'MATOCL_FUSE_GETSUSTAINED', 'names and inodes', { entries });

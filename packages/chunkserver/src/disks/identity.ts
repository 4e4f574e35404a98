import type { ChunkFiles } from '../os/files.ts';
import { errorCode } from '../store/failures.ts';

/** Who this server is for its master (spec 30 §1.10). 0 = not known. */
export interface Identity {
  chunkserverId: number;
  /** Identity of the MooseFS instance. */
  metaId: bigint;
}

const FILE_NAME = 'chunkserverid.mfs';

export function encodeIdentity(identity: Identity): Buffer {
  const file = Buffer.alloc(10);
  file.writeUInt16BE(identity.chunkserverId, 0);
  file.writeBigUInt64BE(identity.metaId, 2);
  return file;
}

/** A file with the id alone is accepted. */
export function decodeIdentity(file: Buffer): Identity {
  return {
    chunkserverId: file.length >= 2 ? file.readUInt16BE(0) : 0,
    metaId: file.length >= 10 ? file.readBigUInt64BE(2) : 0n,
  };
}

export async function loadIdentity(files: ChunkFiles, dataPath: string): Promise<Identity> {
  try {
    return decodeIdentity(await files.readFile(`${dataPath}/${FILE_NAME}`));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return { chunkserverId: 0, metaId: 0n };
    throw error;
  }
}

export async function storeIdentity(files: ChunkFiles, dataPath: string, identity: Identity): Promise<void> {
  await files.writeFile(`${dataPath}/${FILE_NAME}`, encodeIdentity(identity));
}

/** The instance a folder belongs to: `.metaid`, undefined when it has none (or one that is too short). */
export async function readMetaId(files: ChunkFiles, root: string): Promise<bigint | undefined> {
  try {
    const file = await files.readFile(`${root}.metaid`);
    return file.length >= 8 ? file.readBigUInt64BE(0) : undefined;
  } catch (error) {
    if (errorCode(error) === '') throw error;
    return undefined;
  }
}

export async function writeMetaId(files: ChunkFiles, root: string, metaId: bigint): Promise<void> {
  const file = Buffer.alloc(8);
  file.writeBigUInt64BE(metaId);
  await files.writeFile(`${root}.metaid`, file, 0o640);
}

import { ANTOAN_NOP } from '@alces/proto';

/** A NOP as all links but the clients' have it: without payload. */
export const NOP_FRAME: Buffer = ANTOAN_NOP.encode({});

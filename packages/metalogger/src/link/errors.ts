/** The connection to the master is gone; the next one will be made in a while. */
export class LinkLost extends Error {
  override readonly name = 'LinkLost';
}

/** The master said something that the protocol does not allow. */
export class ProtocolViolation extends Error {
  override readonly name = 'ProtocolViolation';
}

/** A file can't be had from this master now. */
export class FetchFailed extends Error {
  override readonly name: string = 'FetchFailed';
}

/** A part of a file did not arrive as it was sent: to be asked for again. */
export class BadPiece extends FetchFailed {
  override readonly name = 'BadPiece';
}

/**
 * What the charts count (spec 70 §5.4); read and reset at every full minute. Disk fields named `other` are headers, CRC
 * tables, tests and internal copies.
 */
export interface Counters {
  masterBytesIn: number;
  masterBytesOut: number;
  replicatorBytesIn: number;
  replicatorBytesOut: number;
  serviceBytesIn: number;
  serviceBytesOut: number;
  otherBytesRead: number;
  otherBytesWritten: number;
  otherReads: number;
  otherWrites: number;
  dataBytesRead: number;
  dataBytesWritten: number;
  dataReads: number;
  dataWrites: number;
  clientReads: number;
  clientWrites: number;
  readNanoseconds: number;
  writeNanoseconds: number;
  replications: number;
  creates: number;
  deletes: number;
  versionChanges: number;
  duplicates: number;
  truncates: number;
  duplicateTruncates: number;
  tests: number;
  movesLowSpeed: number;
  movesHighSpeed: number;
}

export function makeCounters(): Counters {
  return {
    masterBytesIn: 0,
    masterBytesOut: 0,
    replicatorBytesIn: 0,
    replicatorBytesOut: 0,
    serviceBytesIn: 0,
    serviceBytesOut: 0,
    otherBytesRead: 0,
    otherBytesWritten: 0,
    otherReads: 0,
    otherWrites: 0,
    dataBytesRead: 0,
    dataBytesWritten: 0,
    dataReads: 0,
    dataWrites: 0,
    clientReads: 0,
    clientWrites: 0,
    readNanoseconds: 0,
    writeNanoseconds: 0,
    replications: 0,
    creates: 0,
    deletes: 0,
    versionChanges: 0,
    duplicates: 0,
    truncates: 0,
    duplicateTruncates: 0,
    tests: 0,
    movesLowSpeed: 0,
    movesHighSpeed: 0,
  };
}

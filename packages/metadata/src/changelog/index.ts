export { ChangelogError } from './errors.ts';
export { formatChange, LONGEST_CHANGE_BYTES, writeChange, writeChangelogLine } from './format.ts';
export { LineWriter } from './lineWriter.ts';
export { type Change, type NumberedChange, parseChange, parseChangelogLine } from './parse.ts';

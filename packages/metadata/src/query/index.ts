export * from './attributes.ts';
export * from './names.ts';
export * from './sums.ts';
export * from './tools.ts';
export * from './trash.ts';
export * from './xattrs.ts';

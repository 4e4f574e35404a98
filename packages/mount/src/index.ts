export { main } from './main.ts';
export { type RunningMount, startMount } from './mount.ts';
export { type CommandLine, parseCommandLine } from './settings/commandLine.ts';
export { type MountSettings, mountSettings } from './settings/settings.ts';
export { UsageError } from './settings/usageError.ts';

import { readFileSync } from 'node:fs';

/** Port number of a decimal text or of a TCP service in /etc/services. */
export function portOfService(text: string): number | undefined {
  if (/^\d+$/.test(text)) return Number(text) <= 65535 ? Number(text) : undefined;
  try {
    for (const line of readFileSync('/etc/services', 'latin1').split('\n')) {
      const [name, port, ...aliases] = line.replace(/#.*/, '').trim().split(/\s+/);
      const match = /^(\d+)\/tcp$/.exec(port ?? '');
      if (match && (name === text || aliases.includes(text))) return Number(match[1]);
    }
  } catch {
    // Without the file no name is known.
  }
  return undefined;
}

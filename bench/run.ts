import { rmSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { benchMetadata, prepareMetadata } from './metadata.ts';
import { benchMount } from './mount.ts';
import { comparisonTable, type Figure } from './table.ts';

// Measures Alces and the stock programs in one run on one machine: `npm run bench`, or `npm run bench -- metadata` (or mount) for a part.
const parts: Record<string, () => Promise<[Figure[], Figure[]]>> = {
  mount: async () => [await benchMount('stock'), await benchMount('alces')],
  metadata: async () => {
    const root = prepareMetadata();
    try {
      return [await benchMetadata('stock', root), await benchMetadata('alces', root)];
    } finally {
      rmSync(root, { recursive: true });
    }
  },
};

const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(parts);
process.stdout.write(
  `${cpus().length} cores (${cpus()[0]?.model}), ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}\n`,
);
for (const name of wanted) {
  const part = parts[name];
  if (part === undefined) throw new Error(`no part '${name}'; there are: ${Object.keys(parts).join(', ')}`);
  process.stdout.write(`\n${comparisonTable(...(await part()))}\n`);
}

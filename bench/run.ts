import { rmSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { benchMetadata, prepareMetadata } from './metadata.ts';
import { benchMount } from './mount.ts';
import { benchReplication } from './replication.ts';
import { comparisonTable } from './table.ts';

// Measures Alces and the stock programs in one run on one machine: `npm run bench`, or `npm run bench -- metadata` (or mount, replication) for a part.
const parts: Record<string, () => Promise<string>> = {
  mount: async () => comparisonTable(await benchMount('stock'), await benchMount('alces')),
  metadata: async () => {
    const root = prepareMetadata();
    try {
      return comparisonTable(await benchMetadata('stock', root), await benchMetadata('alces', root));
    } finally {
      rmSync(root, { recursive: true });
    }
  },
  replication: benchReplication,
};

const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(parts);
process.stdout.write(
  `${cpus().length} cores (${cpus()[0]?.model}), ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}\n`,
);
for (const name of wanted) {
  const part = parts[name];
  if (part === undefined) throw new Error(`no part '${name}'; there are: ${Object.keys(parts).join(', ')}`);
  process.stdout.write(`\n${await part()}\n`);
}

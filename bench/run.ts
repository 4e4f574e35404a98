import { cpus, totalmem } from 'node:os';
import { benchMount } from './mount.ts';
import { comparisonTable } from './table.ts';

// Measures Alces and the stock programs in one run on one machine; `npm run bench`.
const stock = await benchMount('stock');
const alces = await benchMount('alces');
process.stdout.write(
  `${cpus().length} cores (${cpus()[0]?.model}), ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}\n\n`,
);
process.stdout.write(`${comparisonTable(stock, alces)}\n`);

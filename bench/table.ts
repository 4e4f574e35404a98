/** One measured value. Greater is better unless `lowerIsBetter`. */
export interface Figure {
  name: string;
  unit: string;
  value: number;
  lowerIsBetter?: boolean;
}

const round = (value: number) => (value >= 100 ? Math.round(value).toString() : value.toPrecision(3));

/** Stock and own figures side by side; the ratio is above 1 where Alces is better. */
export function comparisonTable(stock: readonly Figure[], alces: readonly Figure[]): string {
  const lines = [
    `${'what'.padEnd(48)}${'unit'.padEnd(8)}${'stock'.padStart(10)}${'alces'.padStart(10)}${'ratio'.padStart(8)}`,
  ];
  for (const own of alces) {
    const other = stock.find((figure) => figure.name === own.name);
    const ratio = other && (own.lowerIsBetter ? other.value / own.value : own.value / other.value);
    lines.push(
      own.name.padEnd(48) +
        own.unit.padEnd(8) +
        (other ? round(other.value) : '-').padStart(10) +
        round(own.value).padStart(10) +
        (ratio ? ratio.toFixed(2) : '-').padStart(8),
    );
  }
  return lines.join('\n');
}

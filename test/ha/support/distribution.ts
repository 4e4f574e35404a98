const quantile = (sorted: readonly number[], part: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0;

/** `n 50  min 12  median 230  p90 400  max 800` (milliseconds). */
export function distribution(valuesMs: readonly number[]): string {
  const sorted = valuesMs.map(Math.round).sort((a, b) => a - b);
  const figures = [
    ['min', 0],
    ['median', 0.5],
    ['p90', 0.9],
    ['max', 1],
  ] as const;
  return `n ${String(sorted.length).padStart(3)}  ${figures.map(([name, part]) => `${name} ${String(quantile(sorted, part)).padStart(5)}`).join('  ')}`;
}

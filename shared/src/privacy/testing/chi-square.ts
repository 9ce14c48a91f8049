/** Wilson and Hilferty: χ² of that many degrees of freedom is beyond it with a chance of 10⁻⁹. */
const limitOf = (freedom: number): number =>
  freedom * (1 - 2 / (9 * freedom) + 5.998 * Math.sqrt(2 / (9 * freedom))) ** 3;

/** How far samples are from P(x) ∝ exp(−x²/2σ²) on the integers, and what chance would hardly give. */
export function distanceFrom(sigma: number, samples: number, draw: () => number) {
  const counts = new Map<number, number>();
  for (let i = 0; i < samples; i++) {
    const x = draw();
    counts.set(x, (counts.get(x) ?? 0) + 1);
  }
  const reach = Math.ceil(12 * sigma);
  const weight = (x: number): number => Math.exp(-(x * x) / (2 * sigma * sigma));
  const support = Array.from({ length: 2 * reach + 1 }, (_, i) => i - reach);
  const total = support.reduce((sum, x) => sum + weight(x), 0);
  const expected = (x: number): number => (samples * weight(x)) / total;
  // Values too rare for the test are one cell.
  const cells = support.filter((x) => expected(x) > 10);
  const square = (seen: number, wanted: number): number => (seen - wanted) ** 2 / wanted;
  const rest = samples - cells.reduce((sum, x) => sum + expected(x), 0);
  const seenInCells = cells.reduce((sum, x) => sum + (counts.get(x) ?? 0), 0);
  const chiSquare = cells.reduce(
    (sum, x) => sum + square(counts.get(x) ?? 0, expected(x)),
    square(samples - seenInCells, Math.max(rest, 1)),
  );
  return { chiSquare, limit: limitOf(cells.length) };
}
